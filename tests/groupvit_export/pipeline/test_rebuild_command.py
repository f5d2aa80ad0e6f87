"""The command that makes a bundle again says every option, and the command line reads the same from it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import groupvit_export.pipeline.api as pipeline
from groupvit_export.cli import main
from groupvit_export.errors import GroupViTError
from groupvit_export.graph.passes import PASSES
from groupvit_export.metrics.budget import LabelBudget
from groupvit_export.pipeline.options import ExportOptions
from groupvit_export.pipeline.rebuild_command import NOT_SAID, ROWS, rebuild_command
from groupvit_export.quantization.options import QuantizationOptions
from groupvit_export.targets.aotinductor.options import TorchOptions
from groupvit_export.targets.litert.options import LiteRTOptions
from groupvit_export.targets.options import TargetOptions, flags_of
from groupvit_export.targets.registry import TARGETS
from groupvit_export.targets.tensorrt.options import Bounds, TrtOptions


class _Read(GroupViTError):
    """Raised in place of an export."""

    def __init__(self, options: ExportOptions) -> None:
        super().__init__("read")
        self.options = options


@pytest.fixture(scope="module", autouse=True)
def nothing_is_exported() -> Iterator[None]:
    def stop(options: ExportOptions, **_: Any) -> NoReturn:
        read.append(options)
        raise _Read(options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "export_bundle", stop)
        # What can be built on this machine is another question.
        for target in TARGETS.values():
            patch.setattr(type(target), "announce", lambda self, options: None)
        yield


read: list[ExportOptions] = []


def parsed(command: str) -> ExportOptions:
    """What the command line makes of it; what was typed is recorded there, and no part of the question."""
    program, *words = shlex.split(command)
    assert program == "groupvit"
    read.clear()
    main(words)
    (options,) = read
    return replace(options, command=ExportOptions(options.target).command)


def leaves(value: Any, path: str = "") -> Iterator[str]:
    for field in fields(value):
        item = getattr(value, field.name)
        if is_dataclass(item):
            yield from leaves(item, f"{path}{field.name}.")
        else:
            yield f"{path}{field.name}"


def test_no_field_of_the_options_is_forgotten() -> None:
    said = {row.field for row in ROWS} | set(NOT_SAID) | {"target_options"}
    assert said == set(leaves(ExportOptions("onnx")))
    for target in TARGETS.values():
        flags = [row.flag for row in ROWS] + [flag.name for flag in flags_of(target.Options).values()]
        assert len(set(flags)) == len(flags)


# No control characters: a shell's word may have them, a command that is shown and copied may not.
texts = st.text(st.characters(exclude_categories=("C",)), min_size=1, max_size=12)
paths = texts.map(Path).filter(lambda path: str(path) not in (".", ""))
sizes = st.integers(1, 99_999)
bounds = st.lists(st.integers(1, 999_999), min_size=3, max_size=3).map(lambda sides: Bounds(*sorted(sides)))
templates = texts.map(lambda text: text.translate({ord("{"): "", ord("}"): ""}) + " {}")
percents = st.floats(0, 100)
plans = st.builds(
    TrtOptions,
    flavor=st.sampled_from([None, "rtx", "tensorrt"]),
    batch=bounds,
    text_batch=bounds,
    tf32=st.booleans(),
    workspace=st.none() | st.integers(1, 10**6),
    refit=st.booleans(),
    strip_plan=st.booleans(),
    hardware_compatibility=st.sampled_from(["none", "ampere+", "same-cc"]),
    version_compatible=st.booleans(),
    timing_cache=st.none() | paths,
    builder_optimization_level=st.none() | st.integers(0, 5),
    compute_capabilities=st.lists(st.sampled_from(["8.0", "8.9", "12.0"]), max_size=3).map(tuple),
)
quantizations = st.builds(
    QuantizationOptions,
    calibration=st.none() | paths,
    budget=st.builds(LabelBudget, max_miou_drop=percents, min_agreement=percents),
    limit=st.integers(2, 1000),
    saturation_safe=st.booleans(),
)


target_options: Mapping[str, st.SearchStrategy[TargetOptions]] = {
    "onnx": st.just(TargetOptions()),
    "openvino": st.just(TargetOptions()),
    "torch": st.builds(TorchOptions, device=st.sampled_from(["cpu", "cuda"])),
    "trt": plans,
    "web": st.just(TargetOptions()),
    "litert": st.builds(LiteRTOptions, batch=st.integers(1, 99)),
}


@st.composite
def options_of(draw: st.DrawFn, target: str) -> ExportOptions:
    precision = draw(st.sampled_from(TARGETS[target].precisions))
    decodes = target in ("onnx", "openvino") and precision != "int8"
    return ExportOptions(
        target=target,
        precision=precision,
        checkpoint=draw(st.none() | texts),
        image_size=draw(st.none() | st.tuples(sizes, sizes)),
        templates=draw(st.none() | st.lists(templates, min_size=1, max_size=3).map(tuple)),
        decode=draw(st.sampled_from([None, "hf", "paper"])),
        tokenizer=draw(st.none() | paths),
        config=draw(st.none() | paths),
        passes=draw(st.sets(st.sampled_from(tuple(PASSES)))),
        allow_failed_parity=draw(st.booleans()),
        target_options=draw(target_options[target]),
        quantization=draw(quantizations) if precision == "int8" else QuantizationOptions(),
        input=draw(st.sampled_from(["float32", "uint8"])),
        decode_in_graph=draw(st.booleans()) if decodes else False,
    )


@pytest.mark.parametrize("target", TARGETS)
@settings(max_examples=50)
@given(st.data())
def test_the_command_line_reads_equal_options_from_it(target: str, data: st.DataObject) -> None:
    options = data.draw(options_of(target))
    # In the order of the table, in which they are applied whatever the order here.
    options = replace(options, passes=tuple(name for name in PASSES if name in options.passes))
    assert parsed(rebuild_command(options)) == options


def test_what_is_at_its_default_is_left_out() -> None:
    assert rebuild_command(ExportOptions("onnx")) == "groupvit export --target onnx --precision auto"


def test_where_to_is_no_part_of_it() -> None:
    """Two exports into two folders are of the same input, and their bundles record the same command."""
    options = ExportOptions("trt")
    typed = replace(
        options, output=Path("there"), force=True, command="groupvit export --target trt -o there"
    )
    assert rebuild_command(typed) == rebuild_command(options)
