"""Whether a loaded engine has the inputs and outputs that the manifest says."""

from __future__ import annotations

from collections.abc import Sequence

from groupvit_runtime.errors import EngineError
from groupvit_runtime.manifest import EngineInfo, TensorInfo


def check_interface(
    runtime: str, info: EngineInfo, inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo]
) -> None:
    """Compare the tensors of an engine with those of its record.

    Args:
        runtime: name and version, for the message.
        info: what the manifest says.
        inputs, outputs: what the engine itself says; -1 for a dimension that it leaves open.

    Raises:
        EngineError: an input is missing or one too many, an output is missing, or one has another dtype or
            shape.
    """
    own_inputs = {tensor.name: tensor for tensor in inputs}
    own_outputs = {tensor.name: tensor for tensor in outputs}
    fits = set(own_inputs) == {tensor.name for tensor in info.inputs} and all(
        tensor.name in own and _are_alike(own[tensor.name], tensor)
        for own, recorded in ((own_inputs, info.inputs), (own_outputs, info.outputs))
        for tensor in recorded
    )
    if not fits:
        raise EngineError(
            f"{runtime} finds other tensors in the engine than the manifest says",
            got=_described((*inputs, *outputs)),
            expected=_described((*info.inputs, *info.outputs)),
            fix="do not use this bundle; or export it again",
        )


def _are_alike(own: TensorInfo, recorded: TensorInfo) -> bool:
    return (
        own.dtype == recorded.dtype
        and len(own.shape) == len(recorded.shape)
        and all(-1 in sides or sides[0] == sides[1] for sides in zip(own.shape, recorded.shape, strict=True))
    )


def _described(tensors: Sequence[TensorInfo]) -> str:
    return ", ".join(f"{tensor.name} {tensor.dtype} {list(tensor.shape)}" for tensor in tensors)
