"""`config.pbtxt`, by the messages of Triton's own client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from groupvit_export.errors import ExportError
from groupvit_export.triton_server.backends import Backend, batch_limit
from groupvit_export.triton_server.options import TritonOptions
from groupvit_runtime.contract import CLASSES_INPUT, SIZE_INPUT
from groupvit_runtime.manifest import EngineInfo, TensorInfo
from groupvit_runtime.optional import optional
from groupvit_runtime.triton_server import contract

if TYPE_CHECKING:
    ModelConfig = Any

IMAGE_MODEL: Final = "groupvit_image"
TEXT_MODEL: Final = "groupvit_text"
SEGMENT_MODEL: Final = "groupvit_segment"

WARMUP_FOLDER: Final = "warmup"
"""Where the server looks for the data of warm-up requests."""

SIZE_FILE: Final = "size"
WARM_SIDE: Final = 32

_TYPES: Final = {
    "bool": "TYPE_BOOL",
    "uint8": "TYPE_UINT8",
    "int32": "TYPE_INT32",
    "int64": "TYPE_INT64",
    "float16": "TYPE_FP16",
    "float32": "TYPE_FP32",
}
_MICROSECONDS: Final = 1_000_000
_WARM_TOKENS: Final = 8


def messages() -> Any:
    """The module of the protocol's messages.

    Raises:
        MissingDependencyError: Triton's client is not installed.
    """
    with optional("tritonclient[grpc]", extra="triton", needed_for="a model repository"):
        from tritonclient.grpc import model_config_pb2
    return model_config_pb2


def config_text(config: ModelConfig) -> str:
    """What a `config.pbtxt` holds."""
    from google.protobuf import text_format

    return str(text_format.MessageToString(config))


def engine_config(
    name: str, engine: EngineInfo, backend: Backend, options: TritonOptions, *, cached: bool
) -> ModelConfig:
    """Of a model whose version is an engine file.

    Args:
        name: of the model.
        engine: what the manifest says of it.
        backend: that executes it.
        options: of the repository.
        cached: whether the server remembers answers, where it is started with a cache.

    Raises:
        ExportError: a tensor of a type that Triton does not have.
    """
    most = batch_limit(engine, backend, options.max_batch)
    config = _common(name, backend.name, most, options)
    config.default_model_filename = engine.files[0].path.rpartition("/")[2]
    for tensor in engine.inputs:
        _add(config.input, tensor.name, _type_of(tensor), tensor.shape[1:] if most else tensor.shape)
    for tensor in engine.outputs:
        _add(config.output, tensor.name, _type_of(tensor), tensor.shape[1:] if most else tensor.shape)
    config.response_cache.enable = cached
    warmup = config.model_warmup.add(name="zeros", batch_size=1)
    for tensor in engine.inputs:
        shape = _warm_shape(tensor, engine)
        data = warmup.inputs[tensor.name]
        data.data_type = messages().DataType.Value(_type_of(tensor))
        data.dims.extend(shape[1:] if most else shape)
        if tensor.name == SIZE_INPUT:
            # Label maps of no pixels cannot be made.
            data.input_data_file = SIZE_FILE
        else:
            data.zero_data = True
    return config


def segment_config(parameters: Mapping[str, str], options: TritonOptions) -> ModelConfig:
    """Of `groupvit_segment`: its batches are requests, each with an image of its own size."""
    config = _common(SEGMENT_MODEL, "python", options.max_batch, options)
    inputs = (
        (contract.IMAGE, "TYPE_STRING", (1,)),
        (contract.PIXELS, "TYPE_UINT8", (-1, -1, 3)),
        (contract.LABELS, "TYPE_STRING", (-1,)),
        (contract.VOCABULARY, "TYPE_STRING", (1,)),
        (contract.NEGATIVES, "TYPE_STRING", (-1,)),
        (contract.THRESHOLD, "TYPE_FP32", (1,)),
        (contract.BACKGROUND_THRESHOLD, "TYPE_FP32", (1,)),
        (contract.DECODE, "TYPE_STRING", (1,)),
    )
    for name, kind, dims in inputs:
        added = _add(config.input, name, kind, dims)
        added.optional = True
        # Without it only requests of equal shapes would be handed over together.
        added.allow_ragged_batch = -1 in dims
    _add(config.output, contract.LABEL_MAP, "TYPE_UINT16", (-1, -1))
    _add(config.output, contract.NAMES, "TYPE_STRING", (-1,))
    _add(config.output, contract.SCORES, "TYPE_FP32", (-1,))
    for name, value in sorted(parameters.items()):
        config.parameters[name].string_value = value
    return config


def _common(name: str, backend: str, most: int, options: TritonOptions) -> ModelConfig:
    pb = messages()
    config = pb.ModelConfig(name=name, backend=backend, max_batch_size=most)
    config.version_policy.latest.num_versions = 1
    kind = pb.ModelInstanceGroup.KIND_GPU if options.device == "cuda" else pb.ModelInstanceGroup.KIND_CPU
    group = config.instance_group.add(kind=kind, count=options.instances)
    if options.device == "cuda" and backend == "python":
        # The runtime uses the first one.
        group.gpus.append(0)
    if most:
        config.dynamic_batching.max_queue_delay_microseconds = round(options.batch_wait * _MICROSECONDS)
        policy = config.dynamic_batching.default_queue_policy
        policy.timeout_action = pb.ModelQueuePolicy.REJECT
        policy.default_timeout_microseconds = round(options.timeout * _MICROSECONDS)
        policy.max_queue_size = options.queue
    return config


def _add(tensors: Any, name: str, kind: str, dims: tuple[int, ...]) -> Any:
    return tensors.add(name=name, data_type=messages().DataType.Value(kind), dims=dims)


def _type_of(tensor: TensorInfo) -> str:
    try:
        return _TYPES[tensor.dtype]
    except KeyError:
        raise ExportError(
            "Triton has no such type of tensor",
            got=f"{tensor.dtype} of {tensor.name}",
            expected=", ".join(_TYPES),
            fix="export the bundle in another precision",
        ) from None


def _warm_shape(tensor: TensorInfo, engine: EngineInfo) -> tuple[int, ...]:
    """A shape that the engine takes: TensorRT's tuned one, else 1 class, image or sentence."""
    profiles = () if engine.tensorrt is None else engine.tensorrt.profiles
    tuned = next((profile.opt[1:] for profile in profiles if profile.name == tensor.name), None)
    if tuned is not None:
        return (1, *tuned)
    return tuple(
        side if side > 0 else 1 if axis == 0 or tensor.name == CLASSES_INPUT else _WARM_TOKENS
        for axis, side in enumerate(tensor.shape)
    )
