"""What a manifest says of an engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, Literal

from groupvit_runtime.bounds import Dimension, Length, Line, Range, Word
from groupvit_runtime.contract import IMAGE_INPUT, PIXELS_INPUT, TEXT_INPUT
from groupvit_runtime.errors import BundleError
from groupvit_runtime.manifest.file_info import FileInfo

DecodeName = Literal["hf", "paper"]
Role = Literal["image", "text"]
Shape = Annotated[tuple[Dimension, ...], Length(8)]

_IN_BATCHES: Final = (IMAGE_INPUT, PIXELS_INPUT, TEXT_INPUT)
"""Inputs whose first dimension is the batch."""


@dataclass(frozen=True)
class TensorInfo:
    """An input or output: name, NumPy dtype name, shape with -1 for a dimension chosen at run time."""

    name: Word
    dtype: Word
    shape: Annotated[tuple[Annotated[int, Range(-1, 2**31 - 1)], ...], Length(8)]


@dataclass(frozen=True)
class ProfileInfo:
    """The shapes of one input that an engine takes, and the one it is tuned for."""

    name: Word
    min: Shape
    opt: Shape
    max: Shape

    def __post_init__(self) -> None:
        ranks = {len(shape) for shape in (self.min, self.opt, self.max)}
        if (
            len(ranks) != 1
            or 0 in ranks
            or not all(
                1 <= low <= middle <= high
                for low, middle, high in zip(self.min, self.opt, self.max, strict=True)
            )
        ):
            raise BundleError(
                f"the profile of {self.name} is none",
                got=f"min {list(self.min)}, opt {list(self.opt)}, max {list(self.max)}",
                expected="1 <= min <= opt <= max in every dimension",
                fix="export the bundle again",
            )

    def accepts(self, shape: tuple[int, ...]) -> bool:
        """Whether the engine takes this shape."""
        return len(shape) == len(self.min) and all(
            low <= side <= high for low, side, high in zip(self.min, shape, self.max, strict=True)
        )


@dataclass(frozen=True)
class TensorRTInfo:
    """What a TensorRT engine is bound to; checked before it is deserialized.

    Attributes:
        flavor: "tensorrt", or "rtx" for TensorRT-RTX.
        version: of the flavor, exactly.
        compute_capabilities: of the GPUs it was built for, "8.9"; empty for the default of TensorRT-RTX.
        hardware_compatibility: "none", "ampere+" or "same-cc"; how far beyond these it runs.
        version_compatible: whether newer versions of the same major version run it.
        tf32: whether float32 products may be rounded to 10 bits.
        stripped: whether its weights are taken from `EngineInfo.source` when it is loaded.
        refittable: whether its weights can be replaced.
        profiles: of every input.
        rebuild: the command that builds it anew.
    """

    flavor: Literal["tensorrt", "rtx"]
    version: Word
    compute_capabilities: Annotated[tuple[Word, ...], Length(64)]
    hardware_compatibility: Literal["none", "ampere+", "same-cc"]
    version_compatible: bool
    tf32: bool
    stripped: bool
    refittable: bool
    profiles: Annotated[tuple[ProfileInfo, ...], Length(16)]
    rebuild: Annotated[str, Length(8192)]

    def __post_init__(self) -> None:
        if not self.profiles:
            raise BundleError(
                "the engine has no profile",
                got="an empty list",
                expected="one for every input",
                fix="export the bundle again",
            )


@dataclass(frozen=True)
class QuantizationInfo:
    """What a runtime must know of an int8 engine.

    Attributes:
        instruction_set: of the processor that it was judged on, a flag of
            `groupvit_runtime.instruction_sets.INSTRUCTION_SETS`; None where that is not known, or was a GPU.
        never_saturates: whether its weights are proven to be so small that processors that add two products
            in 16 bits compute the same.
    """

    instruction_set: Word | None = None
    never_saturates: bool = False


@dataclass(frozen=True)
class EngineInfo:
    """One engine: what it computes, and what executes it.

    Attributes:
        files: the first is what the target's runtime opens; the rest are what it refers to.
        versions: exact versions of the tools that wrote it, which its runtime may compare with its own.
        hardware: what it is bound to, in words.
        source: the ONNX graph that it was built from, where the target keeps it.
        tensorrt: of the target `trt` only.
        normalizes: the decode whose scale, mean, std and color order the engine applies itself, to uint8
            pixels in RGB; None where its input is normalized already.
        quantization: of int8 only.
    """

    role: Role
    target: Word
    precision: Word
    files: Annotated[tuple[FileInfo, ...], Length(8)]
    inputs: Annotated[tuple[TensorInfo, ...], Length(16)]
    outputs: Annotated[tuple[TensorInfo, ...], Length(64)]
    versions: Annotated[dict[str, Word], Length(64)]
    hardware: Line
    source: FileInfo | None = None
    tensorrt: TensorRTInfo | None = None
    normalizes: DecodeName | None = None
    quantization: QuantizationInfo | None = None

    @property
    def max_batch(self) -> int | None:
        """The largest batch it takes; None where there is no limit. Fixed inputs say the only one."""
        if self.tensorrt is not None:
            return min(profile.max[0] for profile in self.tensorrt.profiles)
        batches = (tensor.shape[:1] for tensor in self.inputs if tensor.name in _IN_BATCHES)
        return min((batch[0] for batch in batches if batch and batch[0] > 0), default=None)

    @property
    def all_files(self) -> tuple[FileInfo, ...]:
        """Everything of it that lies in the bundle."""
        return (*self.files, *(() if self.source is None else (self.source,)))
