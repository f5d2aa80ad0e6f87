"""What can be asked of a TensorRT build."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groupvit_export.cli.app import make_command
from groupvit_export.cli.options import VerbArguments
from groupvit_export.cli.target_options import TargetFlags, read_target_options
from groupvit_export.errors import UsageError
from groupvit_export.targets.options import TargetOptions, command_line, read_options
from groupvit_export.targets.options import given as given_flags
from groupvit_export.targets.tensorrt.options import (
    FLAGS,
    Bounds,
    TrtOptions,
    check_flavor_has,
    check_values,
    parse_bounds,
)

CHANGED = {
    "flavor": "rtx",
    "batch": Bounds(1, 2, 3),
    "text_batch": Bounds(1, 2, 3),
    "tf32": True,
    "workspace": 64,
    "refit": True,
    "strip_plan": True,
    "hardware_compatibility": "ampere+",
    "version_compatible": True,
    "timing_cache": Path("cache"),
    "builder_optimization_level": 5,
    "compute_capabilities": ("8.9",),
}


@dataclass(frozen=True, kw_only=True)
class Flags(TargetFlags, VerbArguments):
    """The options of targets alone."""


def parsed(words: list[str]) -> TargetOptions:
    """The options that a command line gives."""
    found: list[TargetOptions] = []

    def run(flags: Flags) -> int:
        found.append(read_target_options(flags, "trt"))
        return 0

    assert make_command("export", Flags, run).main(words, standalone_mode=False, obj="") == 0
    return found[0]


def test_every_field_has_a_flag_and_is_noticed_when_it_is_given() -> None:
    names = {field.name for field in fields(TrtOptions)}
    assert set(FLAGS) == names == set(CHANGED)
    assert given_flags(TrtOptions()) == {}
    for name, value in CHANGED.items():
        given = given_flags(replace(TrtOptions(), **{name: value}))
        assert [(key, flag.name) for key, flag in given.items()] == [(name, FLAGS[name])]


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30))
def test_a_profile_never_runs_backwards(low: int, middle: int, high: int) -> None:
    text = f"{low}:{middle}:{high}"
    if 1 <= low <= middle <= high:
        assert str(parse_bounds(text, "--batch")) == text
    else:
        with pytest.raises(UsageError, match="must not run backwards"):
            parse_bounds(text, "--batch")


def test_one_number_is_a_fixed_size() -> None:
    assert parse_bounds("8", "--batch") == Bounds(8, 8, 8)


@pytest.mark.parametrize("text", ["", "1:8", "a", "1:2:3:4", "-1", "1:2:x", "1.5", "9999999"])
def test_what_is_no_profile_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--text-batch cannot be understood"):
        parse_bounds(text, "--text-batch")


def test_compute_capabilities_may_be_listed_or_repeated() -> None:
    words = ["--compute-capability", "8.6,8.9", "--compute-capability", "12.0"]
    assert parsed(words) == TrtOptions(compute_capabilities=("8.6", "8.9", "12.0"))
    for text in ("89", "sm_89", "8.9.1", ""):
        with pytest.raises(UsageError, match="no compute capability"):
            check_values(read_options(TrtOptions, {"--compute-capability": text}))


def test_an_unknown_level_says_what_there_is() -> None:
    with pytest.raises(UsageError, match=r"none or ampere\+ or same-cc"):
        check_values(read_options(TrtOptions, {"--hardware-compatibility": "ampere"}))


RTX_LACKS = ("hardware_compatibility", "version_compatible", "timing_cache", "builder_optimization_level")
NEED_GPU = ("refit", "strip_plan")


@pytest.mark.parametrize("name", sorted(set(CHANGED) - {"flavor"}))
@pytest.mark.parametrize("flavor", ["tensorrt", "rtx"])
@pytest.mark.parametrize("has_gpu", [True, False])
def test_a_flavor_refuses_what_it_would_ignore(name: str, flavor: str, has_gpu: bool) -> None:
    options = replace(TrtOptions(), **{name: CHANGED[name]})
    lacking = ("compute_capabilities",) if flavor == "tensorrt" else RTX_LACKS
    if name in lacking or (flavor == "rtx" and name in NEED_GPU and not has_gpu):
        with pytest.raises(UsageError, match=FLAGS[name]):
            check_flavor_has(options, flavor, has_gpu=has_gpu)
    else:
        check_flavor_has(options, flavor, has_gpu=has_gpu)


@pytest.mark.parametrize("name", ["nothing", "all", *sorted(CHANGED)])
def test_a_command_line_says_the_same_again(name: str) -> None:
    changes = {"nothing": {}, "all": CHANGED}.get(name, {name: CHANGED.get(name)})
    options = replace(TrtOptions(), **changes)
    assert parsed(command_line(options)) == options


@pytest.mark.parametrize("flag", ["--workspace", "--builder-optimization-level"])
def test_what_is_no_number_is_refused(flag: str) -> None:
    with pytest.raises(UsageError, match=f"{flag} cannot be understood(.|\n)*a whole number"):
        read_options(TrtOptions, {flag: "many"})
