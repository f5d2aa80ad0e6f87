"""What can be asked of a TensorRT build, and which flavor has it. Imports nothing heavy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal, get_args

from groupvit_export.errors import UsageError
from groupvit_export.targets.options import TargetOptions, flag, flags_of, integer, one_of

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


@dataclass(frozen=True)
class TrtOptions(TargetOptions):
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

    flavor: str | None = field(
        default=None,
        metadata=flag(
            "--trt-flavor",
            "tensorrt or rtx; default: tensorrt where it and a GPU are here, else rtx; an option that the "
            "flavor would ignore is refused",
            metavar="F",
        ),
    )
    batch: Bounds = field(
        default=Bounds(1, 1, 8),
        metadata=flag(
            "--batch",
            "images at once, or one number for all three; default 1:1:8",
            metavar="MIN:OPT:MAX",
            parse=parse_bounds,
        ),
    )
    text_batch: Bounds = field(
        default=Bounds(1, 16, 64),
        metadata=flag(
            "--text-batch",
            "sentences at once; default 1:16:64",
            metavar="MIN:OPT:MAX",
            parse=parse_bounds,
        ),
    )
    tf32: bool = field(default=False, metadata=flag("--tf32", "let float32 products be rounded to 10 bits"))
    workspace: int | None = field(
        default=None,
        metadata=flag("--workspace", "most scratch memory of a layer", metavar="MIB", parse=integer),
    )
    refit: bool = field(default=False, metadata=flag("--refit", "keep the weights replaceable"))
    strip_plan: bool = field(
        default=False,
        metadata=flag("--strip-plan", "leave the weights out; taken from the ONNX file when loaded"),
    )
    hardware_compatibility: HardwareCompatibility = field(
        default="none",
        metadata=flag(
            "--hardware-compatibility", "tensorrt: none (default), ampere+ or same-cc", metavar="LEVEL"
        ),
    )
    version_compatible: bool = field(
        default=False,
        metadata=flag("--version-compatible", "tensorrt: for newer versions of the major version too"),
    )
    timing_cache: Path | None = field(
        default=None,
        metadata=flag(
            "--timing-cache",
            "tensorrt: measured tactics, read and written",
            metavar="FILE",
            parse=lambda text, name: Path(text),
        ),
    )
    builder_optimization_level: int | None = field(
        default=None,
        metadata=flag(
            "--builder-optimization-level",
            "tensorrt: 0 builds fastest, 5 runs fastest",
            metavar="0-5",
            parse=integer,
        ),
    )
    compute_capabilities: tuple[str, ...] = field(
        default=(),
        metadata=flag(
            "--compute-capability",
            "rtx: build for these GPUs only, as 8.9 or 8.6,8.9; default all from 8.0 on",
            metavar="CC",
            parse=lambda text, name: tuple(part.strip() for part in text.split(",")),
            repeated=True,
        ),
    )


FLAGS: Final[Mapping[str, str]] = MappingProxyType(
    {name: own.name for name, own in flags_of(TrtOptions).items()}
)
"""The command-line option of every field."""


def check_values(options: TrtOptions) -> None:
    """Refuse values that mean nothing, whatever builds.

    Raises:
        UsageError: one of them does.
    """
    level = options.builder_optimization_level
    if level is not None and level not in OPTIMIZATION_LEVELS:
        raise UsageError(
            "there is no such optimization level",
            got=level,
            expected=f"{OPTIMIZATION_LEVELS[0]} to {OPTIMIZATION_LEVELS[-1]}",
        )
    if options.workspace is not None and options.workspace < 1:
        raise UsageError("the workspace must be positive", got=options.workspace, expected="MiB, 1 or more")
    one_of("level of hardware compatibility", options.hardware_compatibility, get_args(HardwareCompatibility))
    wrong = [item for item in options.compute_capabilities if not re.fullmatch(r"\d{1,2}\.\d", item)]
    if wrong:
        raise UsageError(
            "this is no compute capability",
            got=", ".join(wrong),
            expected="major.minor, as nvidia-smi --query-gpu=compute_cap prints it",
            fix="--compute-capability 8.9",
        )


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
