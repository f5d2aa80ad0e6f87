"""OpenVINO on the CPU."""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groupvit_runtime.engines import EngineOptions, Tensors
from groupvit_runtime.engines.failure import load_failed, run_failed
from groupvit_runtime.engines.held_weights import page_aligned
from groupvit_runtime.engines.interface import check_interface
from groupvit_runtime.errors import EngineError
from groupvit_runtime.manifest import EngineInfo, TensorInfo
from groupvit_runtime.without_telemetry.openvino import openvino as ov

Shape = tuple[int, ...]

# Of int8, what is not quantized in the file is float32.
_PRECISION_HINTS = {"fp32": ov.Type.f32, "bf16": ov.Type.bf16, "int8": ov.Type.f32}


class OpenVINOEngine:
    """A compiled model with a pool of infer requests, as many as there are streams.

    More would only wait in OpenVINO, each with memory for its own activations.

    An image engine has two, each compiled when it is first needed but the first: one of a static shape for a
    single image, which OpenVINO plans once rather than at every call, and one for all other batches, which
    gain nothing by that. Which of them computes depends on the shape alone, so that verification judges what
    runs: they may round differently.
    """

    def __init__(self, info: EngineInfo, root: Path, options: EngineOptions) -> None:
        self._info = info
        hint = _PRECISION_HINTS.get(info.precision)
        if hint is None:
            raise EngineError(
                "this runtime has no OpenVINO setting for the engine's precision",
                got=info.precision,
                expected=" or ".join(_PRECISION_HINTS),
            )
        _check_version(info)
        properties = {
            # Left alone, OpenVINO computes in bf16 where the CPU has it, and hundreds of tokens change group.
            "INFERENCE_PRECISION_HINT": hint,
            "PERFORMANCE_HINT": (options.performance or "latency").upper(),
        }
        if options.streams is not None:
            properties["NUM_STREAMS"] = options.streams
        if options.threads is not None:
            properties["INFERENCE_NUM_THREADS"] = options.threads
        graph, weights = info.files
        text = graph.read(root)
        # OpenVINO would map the file, which may change; it reads weights as long as it lives.
        self._weights = np.frombuffer(weights.read_into(root, page_aligned), np.uint8)
        try:
            core = ov.Core()
            model = core.read_model(text, ov.Tensor(self._weights, shared_memory=True))
            single = _single_shape(model)
            self._plans = _Plans(core, model, properties, single)
            compiled = self._plans.get(single).compiled
        except (RuntimeError, ValueError) as error:
            raise load_failed(
                f"OpenVINO {_runtime_version()}", info, error, fix="export the bundle again on this machine"
            ) from error
        self._active = compiled.get_property("INFERENCE_PRECISION_HINT")
        if self._active != hint:
            raise EngineError(
                "OpenVINO runs in another precision than was asked for",
                got=f"{self._active.get_type_name()} on {core.get_property('CPU', 'FULL_DEVICE_NAME')}",
                expected=hint.get_type_name(),
                fix="run it on a CPU that has this precision, or export with --precision fp32",
            )
        check_interface(
            f"OpenVINO {_runtime_version()}",
            info,
            _tensors(model.inputs, info.inputs),
            _tensors(model.outputs, info.outputs),
        )
        self._outputs = [output.name for output in info.outputs]
        self._streams = max(compiled.get_property("NUM_STREAMS"), 1)
        self._turns = threading.BoundedSemaphore(self._streams)

    @property
    def device(self) -> str:
        return "cpu"

    @property
    def description(self) -> str:
        mixed = "int8 and " if self._info.precision == "int8" else ""
        divided = f", {self._streams} streams" if self._streams > 1 else ""
        return f"OpenVINO {_runtime_version()}, CPU, {mixed}{self._active.get_type_name()}{divided}"

    def run(self, inputs: Tensors) -> dict[str, NDArray[np.generic]]:
        with self._turns:
            return self._run(inputs)

    def _run(self, inputs: Tensors) -> dict[str, NDArray[np.generic]]:
        try:
            plan = self._plans.get(*(array.shape for array in inputs.values()))
            with plan.request() as request:
                request.infer(dict(inputs), share_inputs=True)
                # Copied: the tensors belong to the request, which the next call overwrites.
                return {name: request.get_tensor(name).data.copy() for name in self._outputs}
        except (RuntimeError, ValueError, TypeError) as error:
            raise run_failed(f"OpenVINO {_runtime_version()}", self._info, inputs, error) from error


class _Plan:
    """A compiled model and its requests that are not in use."""

    def __init__(self, compiled: Any) -> None:
        self.compiled = compiled
        self._idle: queue.SimpleQueue[ov.InferRequest] = queue.SimpleQueue()

    @contextmanager
    def request(self) -> Iterator[Any]:
        try:
            request = self._idle.get_nowait()
        except queue.Empty:
            request = self.compiled.create_infer_request()
        try:
            yield request
        finally:
            self._idle.put(request)


class _Plans:
    """The model compiled for one shape, where there is such, and for all others; each when it is needed."""

    def __init__(self, core: Any, model: Any, properties: dict[str, Any], single: Shape | None) -> None:
        self._core, self._model, self._properties, self._single = core, model, properties, single
        self._compiling = threading.Lock()
        self._plans: dict[bool, _Plan] = {}

    def get(self, *shapes: Shape | None) -> _Plan:
        """The plan for inputs of these shapes."""
        is_single = self._single is not None and shapes == (self._single,)
        with self._compiling:
            if is_single not in self._plans:
                self._plans[is_single] = _Plan(self._compiled(is_single))
            return self._plans[is_single]

    def _compiled(self, is_single: bool) -> Any:
        model = self._model
        if is_single:
            model = model.clone()
            model.reshape(list(self._single or ()))
        return self._core.compile_model(model, "CPU", self._properties)


def _single_shape(model: Any) -> Shape | None:
    """Of a batch of one, where the batch is all that the model leaves open; None for other models."""
    shapes = [_shape(port.get_partial_shape()) for port in model.inputs]
    if len(shapes) == 1 and shapes[0][:1] == (-1,) and -1 not in shapes[0][1:]:
        return (1, *shapes[0][1:])
    return None


def _tensors(ports: Sequence[Any], recorded: Sequence[TensorInfo]) -> list[TensorInfo]:
    """What the ports are, by the names that are recorded: a port may have several, and then one is enough."""
    known = {tensor.name for tensor in recorded}
    return [
        TensorInfo(name, _dtype(port.get_element_type()), _shape(port.get_partial_shape()))
        for port in ports
        for name in sorted(port.get_names() & known) or sorted(port.get_names())[:1]
    ]


def _dtype(kind: Any) -> str:
    try:
        return str(np.dtype(kind.to_dtype()).name)
    except (RuntimeError, ValueError, TypeError):  # one that NumPy does not have
        return str(kind.get_type_name())


def _shape(shape: Any) -> tuple[int, ...]:
    if shape.rank.is_dynamic:
        return ()
    return tuple(-1 if side.is_dynamic else side.get_length() for side in shape)


def _runtime_version() -> str:
    return str(ov.__version__).split("-")[0]


def _check_version(info: EngineInfo) -> None:
    """IR is read by the version that wrote it and by newer ones; older ones may misread it."""
    built = info.versions.get("openvino", "")
    if _numbers(built)[:2] > _numbers(_runtime_version())[:2]:
        raise EngineError(
            "the engine was built by a newer OpenVINO than this one",
            got=f"OpenVINO {_runtime_version()} here",
            expected=f"OpenVINO {built} or newer",
            fix=f"pip install 'openvino>={built}', or export the bundle again with the version you have",
        )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])
