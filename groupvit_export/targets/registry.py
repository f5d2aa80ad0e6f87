"""Targets: one file each, one line in the table.

A target turns a checked ONNX graph into the file that its runtime executes.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Protocol, cast

from groupvit_export.errors import MissingDependencyError, UsageError
from groupvit_export.suggest import closest
from groupvit_export.targets.tensorrt.options import TrtOptions, given
from groupvit_runtime.engines import ENGINES
from groupvit_runtime.install_hint import install_hint
from groupvit_runtime.manifest import Role, TensorRTInfo

if TYPE_CHECKING:
    import onnx
    from torch import nn


@dataclass(frozen=True)
class BuiltEngine:
    """What a target wrote.

    Attributes:
        files: names inside the folder, the one that the runtime opens first.
        versions: exact versions of the tools that had a part in it.
        hardware: what the engine is bound to; "any" when it is portable.
        source: name of the graph it was built from, where that is kept.
        tensorrt: of the target `trt`.
    """

    files: tuple[str, ...]
    versions: Mapping[str, str]
    hardware: str
    source: str | None = None
    tensorrt: TensorRTInfo | None = None


@dataclass(frozen=True, eq=False)
class BuildRequest:
    """What a target is asked for.

    Attributes:
        role: of the engine; its files' names begin with it.
        precision: one of the target's; the graph has it already where the target is `typed`.
        module: what the graph was captured from, in evaluation mode, for targets that compile it themselves.
        device: that is compiled for, "cpu" or "cuda", by targets that have a choice.
        text_max_length: most tokens of a sentence.
        trt: how the target `trt` builds.
        rebuild: the command that makes the bundle anew.
        report: told how far a long step is: what goes on, the share done, seconds since it began.
    """

    role: Role
    precision: str
    module: nn.Module
    device: str
    text_max_length: int
    trt: TrtOptions
    rebuild: str
    report: Callable[[str, float, float], None]


class Build(Protocol):
    """The function `build` of a target's module."""

    def __call__(self, model: onnx.ModelProto, folder: Path, request: BuildRequest) -> BuiltEngine:
        """Write the engine of `model` into `folder`."""
        ...


@dataclass(frozen=True)
class TargetKind:
    """A line of the table: where `build` lives, what it needs, what it offers.

    `typed` says that the precision is in the graph, as types and casts, rather than in the engine's options;
    `symmetric` that bytes must be signed, with zero in the middle of every range. `weight_bits` of int8 are 7
    where the engine may run on a processor that adds products of bytes in 16 bits, two at a time.
    """

    module: str
    package: str
    precisions: tuple[str, ...]
    summary: str
    typed: bool = False
    symmetric: bool = False
    weight_bits: int = 8


TARGETS: Final[Mapping[str, TargetKind]] = MappingProxyType(
    {
        "onnx": TargetKind(
            module="groupvit_export.targets.onnx.engine",
            package="onnxruntime",
            precisions=("fp32", "fp16", "bf16", "int8"),
            summary="ONNX file, executed by ONNX Runtime on CPU or CUDA; bf16 on CUDA only",
            typed=True,
            weight_bits=7,
        ),
        "openvino": TargetKind(
            module="groupvit_export.targets.openvino.engine",
            package="openvino",
            precisions=("fp32", "bf16", "int8"),
            summary="OpenVINO IR, executed by OpenVINO on CPU; bf16 where the CPU has it",
            weight_bits=7,
        ),
        "trt": TargetKind(
            module="groupvit_export.targets.tensorrt.engine",
            package="cuda-bindings",
            precisions=("fp32", "fp16", "bf16", "int8"),
            summary="plan of TensorRT, or of TensorRT-RTX, which builds without a GPU",
            typed=True,
            symmetric=True,
        ),
        "torch": TargetKind(
            module="groupvit_export.targets.aotinductor.engine",
            package="torch",
            precisions=("fp32",),
            summary="package of AOTInductor, executed by PyTorch or libtorch on CPU or CUDA",
        ),
    }
)


def check_target(target: str, precision: str) -> TargetKind:
    """Look a target up and check that it has this precision; imports nothing heavy.

    Raises:
        UsageError: it does not exist, or not in this precision; says what there is.
    """
    kind = TARGETS.get(target)
    if kind is None:
        raise UsageError(
            "unknown target",
            got=target,
            expected=", ".join(TARGETS),
            fix=closest(target, TARGETS, "--target"),
        )
    if precision not in kind.precisions:
        raise UsageError(
            f"the target {target} has no such precision", got=precision, expected=", ".join(kind.precisions)
        )
    return kind


def check_trt_options(target: str, options: TrtOptions) -> None:
    """Refuse options of TensorRT where another target is built.

    Raises:
        UsageError: there are some.
    """
    flags = given(options)
    if target != "trt" and flags:
        raise UsageError(
            f"the target {target} has no such option",
            got=", ".join(flags),
            expected="these with --target trt only",
            fix="--target trt, or leave them away",
        )


def check_device(target: str, device: str | None) -> None:
    """Refuse a device where the target's engine is not compiled for one.

    Raises:
        UsageError: there is one, or it is unknown.
    """
    if device is None:
        return
    if target != "torch":
        raise UsageError(
            f"the target {target} has no such option",
            got=f"--device {device}",
            expected="this with --target torch only",
            fix="leave it away; the device of the others is chosen when they are run",
        )
    if device not in ENGINES[target].devices:
        raise UsageError(
            "unknown device",
            got=device,
            expected=" or ".join(ENGINES[target].devices),
        )


INPUTS: Final = ("float32", "uint8")
"""What the image engine takes: normalized images, or pixels."""

_NO_DECODE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "trt": "the size of the label maps is the value of an input, which a plan would need as a shape "
        "tensor in host memory, and its runtime binds shapes only",
        "torch": "the sizes of a package's outputs follow from the sizes of its inputs, and the size of the "
        "label maps is the value of one",
    }
)
"""Why a target cannot decode inside its engine."""


def check_input(input_type: str) -> None:
    """Refuse what is no input of an image engine.

    Raises:
        UsageError: it is not.
    """
    if input_type not in INPUTS:
        raise UsageError(
            "the image engine has no such input",
            got=input_type,
            expected=" or ".join(INPUTS),
            fix=closest(input_type, INPUTS, "--input"),
        )


def check_decode_in_graph(target: str, precision: str, wanted: bool) -> None:
    """Refuse to decode inside the engines of targets and precisions that cannot.

    Raises:
        UsageError: this one cannot; says why.
    """
    if wanted and precision == "int8":
        raise UsageError(
            "int8 is calibrated on images alone, and a graph that decodes wants classes too",
            got="--precision int8 --decode-in-graph",
            expected="one of the two",
            fix="leave --decode-in-graph away; the runtime decodes",
        )
    if wanted and target in _NO_DECODE:
        raise UsageError(
            f"the target {target} cannot decode inside its engine: {_NO_DECODE[target]}",
            got=f"--target {target} --decode-in-graph",
            expected="this with --target " + " or ".join(name for name in TARGETS if name not in _NO_DECODE),
            fix="leave --decode-in-graph away; the runtime decodes",
        )


def load_target(target: str) -> Build:
    """Import the target's module and give its `build`.

    Raises:
        MissingDependencyError: its package is not installed.
    """
    kind = TARGETS[target]
    try:
        return cast(Build, importlib.import_module(kind.module).build)
    except ImportError as error:
        raise MissingDependencyError(
            f"the target {target} needs the package {kind.package}",
            got=str(error),
            fix=install_hint("export"),
        ) from error
