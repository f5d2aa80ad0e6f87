"""What every target offers, and what is refused before anything heavy is imported."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from groupvit_export.errors import EngineError, MissingDependencyError, UsageError
from groupvit_export.targets import base
from groupvit_export.targets.aotinductor.options import TorchOptions
from groupvit_export.targets.base import Target
from groupvit_export.targets.options import command_line, flags_of, read_options
from groupvit_export.targets.registry import (
    TARGETS,
    check_options,
    check_target,
    parse_options,
    target_of_engine,
)
from groupvit_export.targets.tensorrt.options import TrtOptions
from groupvit_runtime.engines import ENGINES


@pytest.fixture(params=TARGETS)
def target(request: pytest.FixtureRequest) -> Target[Any]:
    return TARGETS[request.param]


def test_a_target_is_called_as_the_runtime_calls_it(target: Target[Any]) -> None:
    assert TARGETS[target.name] is target is target_of_engine(target.name)
    assert target.devices == ENGINES[target.engine_name].devices
    assert "fp32" in target.precisions and target.summary
    assert not target.by_rule or target.by_rule[-1] == "fp32"
    assert set(target.by_rule) <= set(target.precisions)


def test_every_option_has_a_flag_of_its_own_and_a_default(target: Target[Any]) -> None:
    flags = flags_of(target.Options)
    assert list(flags) == [field.name for field in fields(target.Options)]
    assert all(flag.name.startswith("--") and flag.help for flag in flags.values())
    elsewhere = {f.name for t in TARGETS.values() if t is not target for f in flags_of(t.Options).values()}
    assert not elsewhere & {flag.name for flag in flags.values()}
    assert check_options(target.name, None) == target.Options() and command_line(target.Options()) == []


def test_a_target_cannot_be_changed(target: Target[Any]) -> None:
    with pytest.raises(AttributeError):
        target.name = "abacus"  # type: ignore[misc]


def test_unknown_targets_and_precisions_say_what_there_is() -> None:
    with pytest.raises(UsageError, match="did you mean --target openvino"):
        check_target("opnvino", "fp32")
    with pytest.raises(UsageError, match=r"fp4(.|\n)*fp32, bf16, int8"):
        check_target("openvino", "fp4")
    with pytest.raises(EngineError, match="abacus"):
        target_of_engine("abacus")


def test_options_of_another_target_are_refused() -> None:
    with pytest.raises(UsageError, match=r"--tf32(.|\n)*with --target trt only"):
        check_options("onnx", TrtOptions(tf32=True))
    with pytest.raises(UsageError, match="TrtOptions"):
        check_options("torch", TrtOptions())
    with pytest.raises(UsageError, match=r"--device(.|\n)*with --target torch only"):
        parse_options("trt", {"--device": "cpu"})


def test_the_device_of_a_package_is_read_and_written() -> None:
    options = parse_options("torch", {"--device": "cuda"})
    assert options == TorchOptions(device="cuda")
    assert command_line(options) == ["--device", "cuda"]
    assert read_options(TorchOptions, {}) == TorchOptions()
    with pytest.raises(UsageError, match="cpu or cuda"):
        parse_options("torch", {"--device": "tpu"})


def test_a_missing_package_is_named_with_what_installs_it(
    target: Target[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "is_there", lambda module: False)
    needed = ", ".join(target.runtime.needs)
    with pytest.raises(MissingDependencyError, match=rf"{needed}(.|\n)*{target.runtime.extra}"):
        target.announce(target.Options())


def test_values_can_be_marked_or_there_is_a_reason(target: Target[Any], tmp_path: Any) -> None:
    if target.no_mark_values is None:
        assert type(target).mark_values is not Target.mark_values
    else:
        with pytest.raises(UsageError, match="cannot be marked"):
            target.mark_values(tmp_path, {})
