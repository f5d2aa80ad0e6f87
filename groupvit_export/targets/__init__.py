"""Targets: one file each, one line in the table.

A target turns a checked ONNX graph into the file that its runtime executes.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Protocol, cast

from groupvit_export.errors import MissingDependencyError, UsageError
from groupvit_export.suggest import closest

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True)
class BuiltEngine:
    """What a target wrote.

    Attributes:
        files: names inside the folder, the one that the runtime opens first.
        versions: exact versions of the tools that had a part in it.
        hardware: what the engine is bound to; "any" when it is portable.
    """

    files: tuple[str, ...]
    versions: Mapping[str, str]
    hardware: str


class Build(Protocol):
    """The function `build` of a target's module."""

    def __call__(self, model: onnx.ModelProto, folder: Path, stem: str, precision: str) -> BuiltEngine:
        """Write the engine of `model` into `folder` under names that begin with `stem`."""
        ...


@dataclass(frozen=True)
class TargetKind:
    """A line of the table: where `build` lives, what it needs, what it offers."""

    module: str
    package: str
    precisions: tuple[str, ...]
    summary: str


TARGETS: Final[Mapping[str, TargetKind]] = MappingProxyType(
    {
        "onnx": TargetKind(
            module="groupvit_export.targets.onnx",
            package="onnxruntime",
            precisions=("fp32",),
            summary="ONNX file, executed by ONNX Runtime on CPU or CUDA",
        ),
        "openvino": TargetKind(
            module="groupvit_export.targets.openvino",
            package="openvino",
            precisions=("fp32",),
            summary="OpenVINO IR, executed by OpenVINO on CPU",
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
            fix="pip install 'groupvit-export[export]'",
        ) from error
