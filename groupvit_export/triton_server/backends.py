"""Which of Triton's backends executes an engine file, and by which rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from groupvit_runtime.contract import CLASSES_INPUT, SIZE_INPUT
from groupvit_runtime.manifest import EngineInfo


@dataclass(frozen=True)
class Backend:
    """One of Triton's.

    Attributes:
        name: as the server spells it.
        batches: whether it takes any batch up to `max_batch_size`.
    """

    name: str
    batches: bool


@dataclass(frozen=True)
class NoBackend:
    """Why the server cannot execute an engine by itself; `groupvit_segment` can all the same."""

    reason: str


_BACKENDS: Final[Mapping[str, Backend]] = MappingProxyType(
    {
        "onnx": Backend("onnxruntime", batches=True),
        # With a `max_batch_size` it makes the batch static and pads every smaller one; without, it executes
        # the shapes that come (`ov::set_batch` in src/openvino.cc of its repository).
        "openvino": Backend("openvino", batches=False),
        "trt": Backend("tensorrt", batches=True),
    }
)


def backend_of(engine: EngineInfo) -> Backend | NoBackend:
    """The backend for an engine, or why there is none."""
    plan = engine.tensorrt
    if plan is not None and plan.flavor == "rtx":
        return NoBackend("Triton's backend for TensorRT does not load TensorRT-RTX's engines")
    if plan is not None and plan.stripped:
        return NoBackend("the engine lies without its weights, which Triton does not put back")
    found = _BACKENDS.get(engine.target)
    return NoBackend(f"Triton has no backend for the target {engine.target}") if found is None else found


def batch_limit(engine: EngineInfo, backend: Backend, most: int) -> int:
    """`max_batch_size` of a model: 0 where the first dimension is not a batch that the server may choose."""
    names = {tensor.name for tensor in engine.inputs}
    tensors = (*engine.inputs, *engine.outputs)
    if (
        not backend.batches
        # What decodes by itself has inputs whose first dimension is classes, or height and width.
        or names & {CLASSES_INPUT, SIZE_INPUT}
        or any(tensor.shape[:1] != (-1,) for tensor in tensors)
        or (engine.tensorrt is not None and any(one.min[0] > 1 for one in engine.tensorrt.profiles))
    ):
        return 0
    return min(most, engine.max_batch or most)
