"""The CUDA runtime as far as an engine needs it: device, streams, memory, graphs. No PyTorch, no CuPy."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from groupvit_runtime.errors import EngineError, MissingDependencyError

_OUT_OF_MEMORY: Final = 2
_INSUFFICIENT_DRIVER: Final = 35
_NO_DEVICE: Final = 100


@dataclass(frozen=True)
class DeviceInfo:
    """A GPU: its name, compute capability as "9.0", and the CUDA version its driver supports as "13.0"."""

    name: str
    compute_capability: str
    driver: str


class Cuda:
    """Calls into the CUDA runtime; every error code becomes an exception.

    Args:
        api: the module `cuda.bindings.runtime`.

    Raises:
        EngineError: there is no driver, it is too old, or there is no GPU.
    """

    def __init__(self, api: Any) -> None:
        self._api = api
        (driver,) = self._call(api.cudaDriverGetVersion)
        if driver == 0:
            raise EngineError(
                "there is no NVIDIA driver on this machine",
                got="no libcuda",
                expected="an NVIDIA GPU with its driver",
                fix="install the driver, start the container with --gpus all, or export for another target: "
                "groupvit export --target openvino",
            )
        error, count = api.cudaGetDeviceCount()
        if int(error) == _INSUFFICIENT_DRIVER:
            (runtime,) = self._call(api.cudaRuntimeGetVersion)
            raise EngineError(
                "the NVIDIA driver is too old",
                got=f"a driver for CUDA {_version(driver)}",
                expected=f"one for CUDA {_version(runtime)} or newer",
                fix=f"update the driver, or pip install 'cuda-bindings<{driver // 1000 + 1}'",
            )
        if int(error) == _NO_DEVICE or count == 0:
            raise EngineError(
                "there is a driver, but no GPU is visible",
                got=self._words(error),
                expected="at least one device",
                fix="nvidia-smi lists the GPUs; CUDA_VISIBLE_DEVICES hides them",
            )
        self._check(error, "count the devices")
        attribute = api.cudaDeviceAttr
        major, minor = (
            self._call(api.cudaDeviceGetAttribute, kind, 0)[0]
            for kind in (
                attribute.cudaDevAttrComputeCapabilityMajor,
                attribute.cudaDevAttrComputeCapabilityMinor,
            )
        )
        (properties,) = self._call(api.cudaGetDeviceProperties, 0)
        name = properties.name
        self.device = DeviceInfo(
            name=(name.decode() if isinstance(name, bytes) else str(name)).rstrip("\0"),
            compute_capability=f"{major}.{minor}",
            driver=_version(driver),
        )

    def stream(self) -> Any:
        """A new stream that does not wait for the default stream."""
        return self._call(self._api.cudaStreamCreateWithFlags, self._api.cudaStreamNonBlocking)[0]

    def destroy_stream(self, stream: Any) -> None:
        """Give a stream back."""
        self._call(self._api.cudaStreamDestroy, stream)

    def synchronize(self, stream: Any) -> None:
        """Wait until everything in the stream is done."""
        self._call(self._api.cudaStreamSynchronize, stream)

    def allocate(self, size: int) -> int:
        """Address of `size` bytes of device memory.

        Raises:
            EngineError: there is not enough; says how much is free.
        """
        error, address = self._api.cudaMalloc(size)
        if int(error) == _OUT_OF_MEMORY:
            raise self.not_enough_memory(f"{size:,} bytes for a tensor")
        self._check(error, "allocate device memory")
        return int(address)

    def free(self, address: int) -> None:
        """Give device memory back."""
        self._call(self._api.cudaFree, address)

    def not_enough_memory(self, wanted: str) -> EngineError:
        """The error for an allocation that failed, with what is free."""
        free, total = self._call(self._api.cudaMemGetInfo)
        return EngineError(
            "there is not enough memory on the GPU",
            got=f"{free:,} of {total:,} bytes free",
            expected=wanted,
            fix="stop other processes on the GPU, use smaller batches, or export with a smaller --batch",
        )

    def pinned(self, size: int) -> tuple[int, NDArray[np.uint8]]:
        """Page-locked host memory: its address, for `free_pinned`, and the same as bytes."""
        (address,) = self._call(self._api.cudaHostAlloc, size, self._api.cudaHostAllocDefault)
        view = (ctypes.c_uint8 * size).from_address(int(address))
        return int(address), np.ctypeslib.as_array(view)

    def free_pinned(self, address: int) -> None:
        """Give page-locked memory back; nothing may look at it any more."""
        self._call(self._api.cudaFreeHost, address)

    def to_device(self, target: int, source: int, size: int, stream: Any) -> None:
        """Copy from page-locked memory, asynchronously."""
        kind = self._api.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._call(self._api.cudaMemcpyAsync, target, source, size, kind, stream)

    def to_host(self, target: int, source: int, size: int, stream: Any) -> None:
        """Copy to page-locked memory, asynchronously."""
        kind = self._api.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self._call(self._api.cudaMemcpyAsync, target, source, size, kind, stream)

    def capture(self, stream: Any, enqueue: Callable[[], None]) -> Any:
        """What `enqueue` puts into the stream, as an executable graph.

        Raises:
            EngineError: it cannot be captured.
        """
        api = self._api
        # Thread-local: other threads go on allocating and copying meanwhile.
        self._call(
            api.cudaStreamBeginCapture, stream, api.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        )
        try:
            enqueue()
        finally:
            error, graph = api.cudaStreamEndCapture(stream)
        self._check(error, "capture a CUDA graph")
        (executable,) = self._call(api.cudaGraphInstantiate, graph, 0)
        self._call(api.cudaGraphDestroy, graph)
        return executable

    def launch(self, graph: Any, stream: Any) -> None:
        """Replay a captured graph."""
        self._call(self._api.cudaGraphLaunch, graph, stream)

    def destroy_graph(self, graph: Any) -> None:
        """Give an executable graph back."""
        self._call(self._api.cudaGraphExecDestroy, graph)

    def _call(self, function: Callable[..., tuple[Any, ...]], *arguments: Any) -> tuple[Any, ...]:
        error, *results = function(*arguments)
        self._check(error, getattr(function, "__name__", "call CUDA"))
        return tuple(results)

    def _check(self, error: Any, what: str) -> None:
        if int(error) != 0:
            raise EngineError(f"CUDA could not {what}", got=self._words(error))

    def _words(self, error: Any) -> str:
        _, text = self._api.cudaGetErrorString(error)
        return f"error {int(error)}: {text.decode() if isinstance(text, bytes) else text}"


def open_cuda() -> Cuda:
    """The CUDA runtime of this machine.

    Raises:
        MissingDependencyError: the package cuda-bindings is not installed.
        EngineError: there is no driver, it is too old, or there is no GPU.
    """
    try:
        from cuda.bindings import runtime
    except ImportError as error:
        raise MissingDependencyError(
            "the package cuda-bindings is not installed",
            got=str(error),
            fix="pip install cuda-bindings, of the major version of your CUDA driver",
        ) from error
    return Cuda(runtime)


def _version(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"
