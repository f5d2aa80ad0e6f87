"""What can be asked of a TensorRT build, and which flavor has it. Imports nothing heavy."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal, cast, get_args

from groupvit_export.errors import UsageError

HardwareCompatibility = Literal["none", "ampere+", "same-cc"]

OPTIMIZATION_LEVELS: Final = range(6)

_TENSORRT_ONLY: Final[Mapping[str, str]] = MappingProxyType(
    {
        "hardware_compatibility": "its engines run on all supported GPUs; --compute-capability narrows",
        "version_compatible": "it has no lean runtime that an engine could bring along",
        "timing_cache": "it ignores one and then needs a GPU to build; its runtime keeps a cache of kernels",
        "builder_optimization_level": "it tunes when the engine is first run, not when it is built",
    }
)
_RTX_ONLY: Final[Mapping[str, str]] = MappingProxyType(
    {"compute_capabilities": "it builds for the GPU that it runs on; --hardware-compatibility widens"}
)
_NEED_GPU: Final = ("refit", "strip_plan")
"""TensorRT-RTX loads what it has compiled to find out where the weights lie."""


@dataclass(frozen=True)
class Bounds:
    """Smallest, usual and largest size of a dimension.

    Raises:
        UsageError: not 1 <= min <= opt <= max.
    """

    min: int
    opt: int
    max: int

    def __post_init__(self) -> None:
        if not 1 <= self.min <= self.opt <= self.max:
            raise UsageError(
                "a profile must not run backwards",
                got=f"min {self.min}, opt {self.opt}, max {self.max}",
                expected="1 <= min <= opt <= max",
                fix="--batch 1:8:8",
            )

    def __str__(self) -> str:
        return f"{self.min}:{self.opt}:{self.max}"


@dataclass(frozen=True)
class TrtOptions:
    """How to build; every default is what the command line documents.

    Attributes:
        flavor: "tensorrt" or "rtx"; None for TensorRT where it and a GPU are there, else TensorRT-RTX.
        batch: of images.
        text_batch: of sentences.
        tf32: whether float32 products may be rounded to 10 bits.
        workspace: most scratch memory of a layer, in MiB; None for the builder's own limit.
        refit: keep the weights replaceable.
        strip_plan: leave the weights out; they are taken from the ONNX file in the bundle at load time.
        hardware_compatibility: TensorRT: "ampere+" for GPUs from 8.0 on, "same-cc" for one compute
            capability, "none" for the GPU that it is built on.
        version_compatible: TensorRT: bring the runtime along that newer versions execute it with.
        timing_cache: TensorRT: a file of measured tactics, read and written.
        builder_optimization_level: TensorRT: 0 builds fastest, 5 runs fastest; None for the builder's own.
        compute_capabilities: TensorRT-RTX: "8.9", ...; none for its default, all from 8.0 on.
    """

    flavor: str | None = None
    batch: Bounds = Bounds(1, 1, 8)
    text_batch: Bounds = Bounds(1, 16, 64)
    tf32: bool = False
    workspace: int | None = None
    refit: bool = False
    strip_plan: bool = False
    hardware_compatibility: HardwareCompatibility = "none"
    version_compatible: bool = False
    timing_cache: Path | None = None
    builder_optimization_level: int | None = None
    compute_capabilities: tuple[str, ...] = ()


FLAGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "flavor": "--trt-flavor",
        "batch": "--batch",
        "text_batch": "--text-batch",
        "tf32": "--tf32",
        "workspace": "--workspace",
        "refit": "--refit",
        "strip_plan": "--strip-plan",
        "hardware_compatibility": "--hardware-compatibility",
        "version_compatible": "--version-compatible",
        "timing_cache": "--timing-cache",
        "builder_optimization_level": "--builder-optimization-level",
        "compute_capabilities": "--compute-capability",
    }
)
"""The command-line option of every field."""


def given(options: TrtOptions) -> tuple[str, ...]:
    """The command-line options of the fields that are not at their default."""
    usual = TrtOptions()
    return tuple(
        FLAGS[field.name]
        for field in fields(TrtOptions)
        if getattr(options, field.name) != getattr(usual, field.name)
    )


def command_line(options: TrtOptions) -> str:
    """The command-line options that say the same, without those at their default."""
    usual, words = TrtOptions(), list[str]()
    for field in fields(TrtOptions):
        value = getattr(options, field.name)
        if value == getattr(usual, field.name):
            continue
        words.append(FLAGS[field.name])
        if isinstance(value, tuple):
            words.append(",".join(value))
        elif value is not True:
            words.append(str(value))
    return shlex.join(words)


def check_flavor_has(options: TrtOptions, flavor: str, *, has_gpu: bool) -> None:
    """Refuse options that the flavor would ignore.

    Args:
        options: what was asked for.
        flavor: "tensorrt" or "rtx".
        has_gpu: whether a GPU is here while building.

    Raises:
        UsageError: it does not have one of them; says why.
    """
    usual = TrtOptions()
    lacking = _RTX_ONLY if flavor == "tensorrt" else _TENSORRT_ONLY
    title, other = {"tensorrt": ("TensorRT", "rtx"), "rtx": ("TensorRT-RTX", "tensorrt")}[flavor]
    for name, why in lacking.items():
        if getattr(options, name) != getattr(usual, name):
            raise UsageError(
                f"{title} has no {FLAGS[name]}: {why}",
                got=FLAGS[name],
                fix=f"leave {FLAGS[name]} away, or --trt-flavor {other}",
            )
    for name in _NEED_GPU:
        if flavor == "rtx" and getattr(options, name) and not has_gpu:
            raise UsageError(
                f"TensorRT-RTX needs a GPU to build with {FLAGS[name]}",
                got="no GPU here",
                fix=f"leave {FLAGS[name]} away, or build where there is one",
            )


def parse_bounds(text: str, flag: str) -> Bounds:
    """`MIN:OPT:MAX`, or one number for all three.

    Raises:
        UsageError: it is neither, or runs backwards.
    """
    match = re.fullmatch(r"(\d{1,6})(?::(\d{1,6}):(\d{1,6}))?", text)
    if match is None:
        raise UsageError(
            f"{flag} cannot be understood",
            got=text,
            expected="MIN:OPT:MAX, or one number",
            fix=f"{flag} 1:8:8",
        )
    low = int(match[1])
    return Bounds(low, int(match[2] or low), int(match[3] or low))


def parse_compute_capabilities(texts: list[str]) -> tuple[str, ...]:
    """`8.9` or `8.6,8.9`, repeated or not.

    Raises:
        UsageError: one of them is no compute capability.
    """
    found = tuple(part.strip() for text in texts for part in text.split(","))
    wrong = [text for text in found if not re.fullmatch(r"\d{1,2}\.\d", text)]
    if wrong:
        raise UsageError(
            "this is no compute capability",
            got=", ".join(wrong),
            expected="major.minor, as nvidia-smi --query-gpu=compute_cap prints it",
            fix="--compute-capability 8.9",
        )
    return found


def check_hardware_compatibility(text: str) -> HardwareCompatibility:
    """Refuse what is not a level.

    Raises:
        UsageError: it is not.
    """
    if text not in get_args(HardwareCompatibility):
        raise UsageError(
            "unknown level of hardware compatibility",
            got=text,
            expected=", ".join(get_args(HardwareCompatibility)),
        )
    return cast(HardwareCompatibility, text)
