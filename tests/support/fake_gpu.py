"""A GPU and a TensorRT that are not there: device memory is the host's, plans are executed by ONNX Runtime.

They keep the rules of the real ones as far as the engine relies on them (error codes, streams, capture, lazy
set-up, addresses, profiles), so that its own logic is run where there is no GPU. What they cannot show is
whether the real ones do as documented.
"""

from __future__ import annotations

import ctypes
import enum
import itertools
import json
import threading
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from groupvit_export.graph.grouping_attention_function import inlined


class Code(enum.IntEnum):
    """`cudaError_t`."""

    SUCCESS = 0
    OUT_OF_MEMORY = 2
    INSUFFICIENT_DRIVER = 35
    NO_DEVICE = 100
    ILLEGAL_STATE = 401


class FakeCuda:
    """`cuda.bindings.runtime`, with device memory that is poisoned when it is handed out.

    Args:
        memory: bytes of device memory.
        driver: CUDA version of the driver, 0 for none.
        devices: how many there are.
        compute_capability: of the device.
    """

    cudaStreamNonBlocking = 1
    cudaHostAllocDefault = 0
    cudaDeviceAttr = types.SimpleNamespace(
        cudaDevAttrComputeCapabilityMajor="major", cudaDevAttrComputeCapabilityMinor="minor"
    )
    cudaMemcpyKind = types.SimpleNamespace(cudaMemcpyHostToDevice=1, cudaMemcpyDeviceToHost=2)
    cudaStreamCaptureMode = types.SimpleNamespace(cudaStreamCaptureModeThreadLocal=1)

    def __init__(
        self,
        memory: int = 1 << 30,
        driver: int = 13000,
        devices: int = 1,
        compute_capability: tuple[int, int] = (8, 9),
    ) -> None:
        self.memory = memory
        self.driver = driver
        self.devices = devices
        self.compute_capability = compute_capability
        self.live: dict[int, tuple[str, Any, int]] = {}
        self.capturing: dict[int, list[Callable[[], None]]] = {}
        self.graphs: dict[int, list[Callable[[], None]]] = {}
        self.launches = 0
        self.streams: set[int] = set()
        self._ids = itertools.count(1)
        self._lock = threading.RLock()

    def cudaDriverGetVersion(self):
        return Code.SUCCESS, self.driver

    def cudaRuntimeGetVersion(self):
        return Code.SUCCESS, 13050

    def cudaGetDeviceCount(self):
        if self.driver < 13000:
            return Code.INSUFFICIENT_DRIVER, None
        return (Code.SUCCESS, self.devices) if self.devices else (Code.NO_DEVICE, None)

    def cudaDeviceGetAttribute(self, attribute, device):
        return Code.SUCCESS, self.compute_capability[attribute == "minor"]

    def cudaGetDeviceProperties(self, device):
        return Code.SUCCESS, types.SimpleNamespace(name=b"Imagined GPU")

    def cudaGetErrorString(self, error):
        return Code.SUCCESS, Code(error).name.lower().encode()

    def cudaMemGetInfo(self):
        return Code.SUCCESS, self.free, self.memory

    @property
    def free(self) -> int:
        return self.memory - sum(size for kind, _, size in self.live.values() if kind == "device")

    def cudaMalloc(self, size):
        return self._take("device", size) if size <= self.free else (Code.OUT_OF_MEMORY, None)

    def cudaHostAlloc(self, size, flags):
        return self._take("pinned", size)

    def _take(self, kind, size):
        buffer = (ctypes.c_uint8 * size)()
        ctypes.memset(buffer, 0xFF, size)
        address = ctypes.addressof(buffer)
        with self._lock:
            self.live[address] = (kind, buffer, size)
        return Code.SUCCESS, address

    def cudaFree(self, address):
        return self._give(address, "device")

    def cudaFreeHost(self, address):
        return self._give(address, "pinned")

    def _give(self, address, kind):
        with self._lock:
            assert self.live.pop(address)[0] == kind
        return (Code.SUCCESS,)

    def cudaStreamCreateWithFlags(self, flags):
        stream = next(self._ids)
        self.streams.add(stream)
        return Code.SUCCESS, stream

    def cudaStreamDestroy(self, stream):
        self.streams.remove(stream)
        return (Code.SUCCESS,)

    def cudaStreamSynchronize(self, stream):
        return (Code.ILLEGAL_STATE if stream in self.capturing else Code.SUCCESS,)

    def cudaMemcpyAsync(self, target, source, size, kind, stream):
        for address in (target, source):
            assert self._holds(address, size), "a copy outside what was allocated"
        self.enqueue(stream, lambda: ctypes.memmove(target, source, size))
        return (Code.SUCCESS,)

    def _holds(self, address, size):
        return address in self.live and size <= self.live[address][2]

    def enqueue(self, stream: int, work: Callable[[], None]) -> None:
        """Do it, or note it where the stream is captured."""
        if stream in self.capturing:
            self.capturing[stream].append(work)
        else:
            work()

    def cudaStreamBeginCapture(self, stream, mode):
        self.capturing[stream] = []
        return (Code.SUCCESS,)

    def cudaStreamEndCapture(self, stream):
        return Code.SUCCESS, self.capturing.pop(stream)

    def cudaGraphInstantiate(self, graph, flags):
        number = next(self._ids)
        self.graphs[number] = list(graph)
        return Code.SUCCESS, number

    def cudaGraphDestroy(self, graph):
        return (Code.SUCCESS,)

    def cudaGraphExecDestroy(self, graph):
        del self.graphs[graph]
        return (Code.SUCCESS,)

    def cudaGraphLaunch(self, graph, stream):
        self.launches += 1
        for work in self.graphs[graph]:
            self.enqueue(stream, work)
        return (Code.SUCCESS,)


@dataclass
class FakeTensorRT:
    """The module of a flavor: executes `graph`, whatever the plan is, unless that begins with "corrupt".

    Attributes:
        graph: an ONNX file.
        cuda: whose memory it works in.
        rtx: whether it has what TensorRT-RTX has beyond TensorRT.
        invalid: what TensorRT-RTX finds wrong with a plan.
        contexts: created so far.
        refitted: the graph whose weights were put into a stripped plan.
    """

    graph: Path
    cuda: FakeCuda
    rtx: bool = False
    __version__: str = "10.9.0.34"
    invalid: tuple[str, ...] = ()
    max_contexts: int = 100
    contexts: int = 0
    refitted: bytes | None = None
    executions: int = 0
    kernels: set[tuple[int, ...]] = field(default_factory=set)

    def __post_init__(self) -> None:
        outer = self

        class Severity(enum.IntEnum):
            INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)

        class ILogger:
            Severity: Any

            def __init__(self) -> None: ...

        ILogger.Severity = Severity
        self.ILogger = ILogger
        self.EngineValidity = enum.IntEnum("EngineValidity", "VALID SUBOPTIMAL INVALID", start=0)
        self.EngineInvalidityDiagnostics = enum.IntFlag(
            "EngineInvalidityDiagnostics",
            {"VERSION_MISMATCH": 1, "UNSUPPORTED_CC": 2, "MALFORMED_ENGINE": 32},
        )
        self.CudaGraphStrategy = enum.Enum("CudaGraphStrategy", "DISABLED WHOLE_GRAPH_CAPTURE")
        self.DynamicShapesKernelSpecializationStrategy = enum.Enum("Strategy", "LAZY EAGER NONE")

        class Runtime:
            engine_host_code_allowed = False
            get_engine_validity: Any

            def __init__(self, logger) -> None:
                self.logger = logger

            def deserialize_cuda_engine(self, plan):
                if plan.startswith(b"corrupt"):
                    self.logger.log(Severity.ERROR, "the magic tag does not match")
                    return None
                return _Engine(outer, self.logger)

        if self.rtx:

            def get_engine_validity(runtime, plan):
                found = [self.EngineInvalidityDiagnostics[name] for name in self.invalid]
                verdict = self.EngineValidity.INVALID if found else self.EngineValidity.VALID
                return verdict, sum(map(int, found))

            Runtime.get_engine_validity = get_engine_validity
        self.Runtime = Runtime

        class Refitter:
            def __init__(self, engine, logger) -> None: ...

            def refit_cuda_engine(self):
                return True

        class OnnxParserRefitter:
            def __init__(self, refitter, logger) -> None: ...

            def refit(self, graph):
                outer.refitted = graph
                return True

        self.Refitter, self.OnnxParserRefitter = Refitter, OnnxParserRefitter

    def __hash__(self) -> int:
        return id(self)

    @staticmethod
    def nptype(dtype):
        return np.dtype(dtype)


class _Engine:
    def __init__(self, trt: FakeTensorRT, logger: Any) -> None:
        import onnx

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        # Without threads of its own it can be destroyed in a forked child, as an engine of TensorRT is.
        options.intra_op_num_threads = 1
        self.trt, self.logger = trt, logger
        self.session = onnxruntime.InferenceSession(
            inlined(onnx.load(trt.graph)).SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        self.values = {v.name: v for v in (*self.session.get_inputs(), *self.session.get_outputs())}
        self.num_io_tensors = len(self.values)

    def get_tensor_name(self, index):
        return list(self.values)[index]

    def get_tensor_dtype(self, name):
        return {"tensor(float)": "float32", "tensor(int64)": "int64"}[self.values[name].type]

    def create_runtime_config(self):
        return _RuntimeConfig(self.trt)

    def create_execution_context(self, config=None):
        if self.trt.contexts >= self.trt.max_contexts:
            self.logger.log(self.trt.ILogger.Severity.ERROR, "out of memory for activations")
            return None
        self.trt.contexts += 1
        return _Context(self, config)


class _RuntimeConfig:
    def __init__(self, trt: FakeTensorRT) -> None:
        self.trt = trt

    def create_runtime_cache(self):
        return _Cache(self.trt)

    def set_runtime_cache(self, cache):
        self.cache = cache


class _Cache:
    """Shapes that kernels were compiled for."""

    def __init__(self, trt: FakeTensorRT) -> None:
        self.trt = trt

    def deserialize(self, data):
        if not data.startswith(b"kernels"):
            return False
        self.trt.kernels |= {tuple(shape) for shape in json.loads(data.removeprefix(b"kernels"))}
        return True

    def serialize(self):
        return b"kernels" + json.dumps(sorted(self.trt.kernels)).encode()


class _Context:
    def __init__(self, engine: _Engine, config: Any) -> None:
        self.engine, self.config = engine, config
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.addresses: dict[str, int] = {}
        self.last: tuple[tuple[int, ...], ...] | None = None
        # As the real one: only the first context has the profile from the start.
        self.active_optimization_profile = 0 if engine.trt.contexts == 1 else -1

    def set_optimization_profile_async(self, index, stream):
        assert stream in self.engine.trt.cuda.streams
        self.active_optimization_profile = index
        return True

    def set_input_shape(self, name, shape):
        self.shapes[name] = tuple(shape)
        return True

    def get_tensor_shape(self, name):
        if name in self.shapes:
            return self.shapes[name]
        # As the real one: sizes that follow from the inputs'.
        return self._results()[name].shape

    def _results(self):
        session = self.engine.session
        feeds = {
            v.name: np.zeros(self.shapes[v.name], self.engine.get_tensor_dtype(v.name))
            for v in session.get_inputs()
        }
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(names, feeds), strict=True))

    def set_tensor_address(self, name, address):
        assert address in self.engine.trt.cuda.live
        self.addresses[name] = address
        return True

    def execute_async_v3(self, stream):
        trt, session = self.engine.trt, self.engine.session
        shapes = dict(self.shapes)
        key = tuple(shapes[v.name] for v in session.get_inputs())
        assert stream in trt.cuda.streams
        if stream in trt.cuda.capturing:
            assert key == self.last, "captured before it was set up for this shape"
        assert self.active_optimization_profile == 0, "executed without a profile"
        self.last = key
        trt.kernels |= set(key)
        addresses = dict(self.addresses)

        def work() -> None:
            trt.executions += 1
            feeds = {
                v.name: self._view(addresses[v.name], shapes[v.name], v.name).copy()
                for v in session.get_inputs()
            }
            names = [output.name for output in session.get_outputs()]
            for name, value in zip(names, session.run(names, feeds), strict=True):
                self._view(addresses[name], value.shape, name)[...] = value

        trt.cuda.enqueue(stream, work)
        return True

    def _view(self, address, shape, name):
        dtype = np.dtype(self.engine.get_tensor_dtype(name))
        size = int(np.prod(shape)) * dtype.itemsize
        assert self.engine.trt.cuda._holds(address, size), f"{name} would be written outside its memory"
        return np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(address)).view(dtype).reshape(shape)
