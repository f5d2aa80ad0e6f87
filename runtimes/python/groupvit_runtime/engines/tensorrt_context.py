"""One execution context of a TensorRT engine with the memory it works in."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from groupvit_runtime.engines import Tensors
from groupvit_runtime.engines.cuda import Cuda
from groupvit_runtime.engines.failure import one_line
from groupvit_runtime.errors import EngineError
from groupvit_runtime.manifest import EngineInfo, TensorInfo

_GRAPHS: Final = 16
"""Shapes whose CUDA graphs are kept."""

Shapes = tuple[tuple[int, ...], ...]


class _Buffer:
    """Device memory for one tensor and the page-locked memory it is copied through; grows, never shrinks."""

    def __init__(self, cuda: Cuda) -> None:
        self._cuda = cuda
        self._capacity = 0
        self.device = 0
        self._pinned = 0
        self.host: NDArray[np.uint8] = np.empty(0, np.uint8)

    def reserve(self, size: int) -> bool:
        """Make room for `size` bytes; says whether addresses have changed."""
        if size <= self._capacity:
            return False
        self.close()
        self.device = self._cuda.allocate(size)
        self._pinned, self.host = self._cuda.pinned(size)
        self._capacity = size
        return True

    @property
    def address(self) -> int:
        """Of the page-locked memory."""
        return self._pinned

    def close(self) -> None:
        """Give everything back."""
        if self.device:
            self._cuda.free(self.device)
        if self._pinned:
            self.host = np.empty(0, np.uint8)
            self._cuda.free_pinned(self._pinned)
        self.device = self._pinned = self._capacity = 0


class Context:
    """Runs one call at a time, on a stream of its own.

    Args:
        raw: `IExecutionContext`.
        cuda: the CUDA runtime.
        info: of the engine.
        logger: which says why something was refused.
        capture: whether a shape that comes again is replayed as a CUDA graph.
    """

    def __init__(self, raw: Any, cuda: Cuda, info: EngineInfo, logger: Any, *, capture: bool) -> None:
        self._raw = raw
        self._cuda = cuda
        self._info = info
        self._logger = logger
        self._capture = capture
        self._stream = cuda.stream()
        self._buffers = {tensor.name: _Buffer(cuda) for tensor in (*info.inputs, *info.outputs)}
        # None: the shape was run once, and is captured when it comes again.
        self._graphs: OrderedDict[Shapes, Any] = OrderedDict()
        # Contexts after the first may be created without a profile.
        if raw.active_optimization_profile != 0 and not raw.set_optimization_profile_async(
            0, int(self._stream)
        ):
            raise self._refused("refused its own profile")

    def run(self, inputs: Tensors) -> dict[str, NDArray[np.generic]]:
        """Copy in, execute, copy out; arrays as in `Engine.run`."""
        given = self._bind_inputs(inputs)
        shapes = self._bind_outputs()
        sizes = {t.name: self._size(t, shapes[t.name]) for t in (*self._info.inputs, *self._info.outputs)}
        for name, array in given.items():
            self._buffers[name].host[: array.nbytes] = array.reshape(-1).view(np.uint8)
        self._execute(tuple(shapes[tensor.name] for tensor in self._info.inputs), sizes)
        return {
            tensor.name: self._buffers[tensor.name]
            .host[: sizes[tensor.name]]
            .view(tensor.dtype)
            .reshape(shapes[tensor.name])
            .copy()
            for tensor in self._info.outputs
        }

    def close(self) -> None:
        """Give memory, graphs and stream back."""
        self._forget_graphs()
        for buffer in self._buffers.values():
            buffer.close()
        self._cuda.destroy_stream(self._stream)
        self._raw = None

    def _bind_inputs(self, inputs: Tensors) -> dict[str, NDArray[np.generic]]:
        given: dict[str, NDArray[np.generic]] = {}
        for tensor in self._info.inputs:
            array = np.ascontiguousarray(inputs[tensor.name])
            if array.dtype.name != tensor.dtype:
                raise EngineError(
                    f"{tensor.name} has another dtype than the engine takes",
                    got=array.dtype.name,
                    expected=tensor.dtype,
                )
            if not self._raw.set_input_shape(tensor.name, array.shape):
                raise self._refused(f"refused the shape {list(array.shape)} of {tensor.name}")
            self._place(tensor.name, array.nbytes)
            given[tensor.name] = array
        return given

    def _bind_outputs(self) -> dict[str, tuple[int, ...]]:
        shapes = {t.name: tuple(self._raw.get_tensor_shape(t.name)) for t in self._info.inputs}
        for tensor in self._info.outputs:
            shape = tuple(self._raw.get_tensor_shape(tensor.name))
            if any(side < 0 for side in shape):
                raise self._refused(f"does not know the shape of {tensor.name}")
            shapes[tensor.name] = shape
            self._place(tensor.name, self._size(tensor, shape))
        return shapes

    def _place(self, name: str, size: int) -> None:
        # An empty allocation has no address, and TensorRT takes no null.
        if self._buffers[name].reserve(max(size, 1)):
            # Graphs hold the old addresses.
            self._forget_graphs()
            if not self._raw.set_tensor_address(name, self._buffers[name].device):
                raise self._refused(f"refused the memory of {name}")

    def _execute(self, key: Shapes, sizes: dict[str, int]) -> None:
        graph = self._graphs.get(key)
        if graph is not None:
            self._graphs.move_to_end(key)
            self._cuda.launch(graph, self._stream)
            self._cuda.synchronize(self._stream)
            return
        self._enqueue(sizes)
        self._cuda.synchronize(self._stream)
        if not self._capture:
            return
        # Captured right behind a plain run of the same shape: TensorRT sets up for a new shape when it is
        # first executed, which must not be part of a graph.
        seen = key in self._graphs
        self._graphs[key] = self._cuda.capture(self._stream, lambda: self._enqueue(sizes)) if seen else None
        self._graphs.move_to_end(key)
        if len(self._graphs) > _GRAPHS:
            _, oldest = self._graphs.popitem(last=False)
            if oldest is not None:
                self._cuda.destroy_graph(oldest)

    def _enqueue(self, sizes: dict[str, int]) -> None:
        cuda, stream = self._cuda, self._stream
        for tensor in self._info.inputs:
            buffer = self._buffers[tensor.name]
            cuda.to_device(buffer.device, buffer.address, sizes[tensor.name], stream)
        if not self._raw.execute_async_v3(int(stream)):
            raise self._refused("could not execute the engine")
        for tensor in self._info.outputs:
            buffer = self._buffers[tensor.name]
            cuda.to_host(buffer.address, buffer.device, sizes[tensor.name], stream)

    def _forget_graphs(self) -> None:
        for graph in self._graphs.values():
            if graph is not None:
                self._cuda.destroy_graph(graph)
        self._graphs.clear()

    @staticmethod
    def _size(tensor: TensorInfo, shape: tuple[int, ...]) -> int:
        return int(np.prod(shape, dtype=np.int64)) * np.dtype(tensor.dtype).itemsize

    def _refused(self, what: str) -> EngineError:
        return EngineError(f"TensorRT {what}", got=one_line(self._logger.take()) or "no reason given")
