"""LiteRT's files as objects: who makes a tensor, who reads it, and a part of a graph as a file of its own."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from copy import copy
from typing import Any, Final

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from groupvit_runtime.engines.litert import SIGNATURE

_IDENTIFIER: Final = b"TFL3"
_NAMES: Final = {number: name for name, number in vars(schema.BuiltinOperator).items() if name.isupper()}


class Graph:
    """The first graph of a file.

    Args:
        data: the file.
    """

    def __init__(self, data: bytes) -> None:
        self.model: Any = schema.ModelT.InitFromPackedBuf(data, 0)
        self.graph: Any = self.model.subgraphs[0]
        self._made = {int(tensor): op for op in self.graph.operators for tensor in op.outputs}

    def outputs(self) -> dict[str, int]:
        """Tensors by the name that they have as an output."""
        (signature,) = (s for s in self.model.signatureDefs if s.signatureKey.decode() == SIGNATURE)
        return {item.name.decode(): int(item.tensorIndex) for item in signature.outputs}

    def kind(self, op: Any) -> str:
        """Name of an operator: "ARG_MAX"."""
        code = self.model.operatorCodes[op.opcodeIndex]
        return str(_NAMES[max(code.builtinCode, code.deprecatedBuiltinCode)])

    def maker(self, tensor: int, through: Collection[str] = ()) -> Any:
        """The operator that a tensor comes from, some kinds left out; None of an input or a constant."""
        op = self._made.get(tensor)
        while op is not None and self.kind(op) in through:
            op = self._made.get(int(op.inputs[0]))
        return op

    def readers(self, tensor: int, kind: str, through: Collection[str] = ()) -> list[Any]:
        """The operators of a kind that read a tensor, itself or what others of some kinds make of it."""
        found = []
        for op in self.graph.operators:
            if tensor not in op.inputs:
                continue
            if self.kind(op) == kind:
                found.append(op)
            elif self.kind(op) in through:
                found += self.readers(int(op.outputs[0]), kind, through)
        return found

    def is_constant(self, tensor: int) -> bool:
        """Whether its values are in the file."""
        return tensor not in self._made and tensor not in self.graph.inputs

    def is_weight(self, tensor: int) -> bool:
        """Whether its values are in the file, in whatever precision."""
        maker = self._made.get(tensor)
        if maker is not None and self.kind(maker) == "DEQUANTIZE":
            return self.is_constant(int(maker.inputs[0]))
        return self.is_constant(tensor)

    def values(self, tensor: int) -> NDArray[np.float32]:
        """Of a float32 constant."""
        data = np.asarray(self.model.buffers[self.graph.tensors[tensor].buffer].data, np.uint8)
        return data.view("<f4").reshape(self.shape(tensor))

    def shape(self, tensor: int) -> tuple[int, ...]:
        """Its sides."""
        return tuple(int(side) for side in self.graph.tensors[tensor].shape)

    def between(self, first: Collection[int], last: Collection[int]) -> list[Any] | None:
        """The operators that make some tensors of others; None where they need more than these."""
        needed: set[int] = set()
        waiting = [tensor for tensor in last if tensor not in first]
        while waiting:
            tensor = waiting.pop()
            op = self._made.get(tensor)
            if op is None:
                return None
            if id(op) in needed:
                continue
            needed.add(id(op))
            waiting += [
                int(t) for t in op.inputs if t >= 0 and t not in first and not self.is_constant(int(t))
            ]
        return [op for op in self.graph.operators if id(op) in needed]


class Part:
    """Operators of a graph, with inputs and outputs of their own.

    Args:
        whole: what they are taken from.
        ops: in their order.
    """

    def __init__(self, whole: Graph, ops: Sequence[Any]) -> None:
        self._whole = whole
        self._model: Any = schema.ModelT()
        self._model.version = whole.model.version
        self._model.operatorCodes = list(whole.model.operatorCodes)
        self._model.buffers = [schema.BufferT()]
        self._tensors: list[Any] = []
        self._places: dict[int, int] = {}
        self._before: list[Any] = []
        self._after: list[Any] = []
        self._ops = [self._brought(op) for op in ops]

    def input(self, name: str, tensor: int, shape: Sequence[int]) -> tuple[str, int]:
        """Give a tensor from outside, in a shape of the same size; its name and place."""
        place = self._add(name, shape, self._whole.graph.tensors[tensor].type)
        self._before.append(self._reshape(place, self._place(tensor), self._whole.shape(tensor)))
        return name, place

    def output(self, name: str, tensor: int, shape: Sequence[int]) -> tuple[str, int]:
        """Give a tensor out, in a shape of the same size; its name and place."""
        place = self._add(name, shape, self._whole.graph.tensors[tensor].type)
        self._after.append(self._reshape(self._place(tensor), place, shape))
        return name, place

    def to_bytes(self, inputs: Mapping[str, int], outputs: Mapping[str, int]) -> bytes:
        """The file.

        Args:
            inputs, outputs: places by name.
        """
        graph = schema.SubGraphT()
        graph.tensors = self._tensors
        graph.operators = [*self._before, *self._ops, *self._after]
        graph.inputs, graph.outputs = list(inputs.values()), list(outputs.values())
        self._model.subgraphs = [graph]
        signature = schema.SignatureDefT()
        signature.signatureKey, signature.subgraphIndex = SIGNATURE, 0
        signature.inputs, signature.outputs = _named(inputs), _named(outputs)
        self._model.signatureDefs = [signature]
        return to_bytes(self._model)

    def _brought(self, op: Any) -> Any:
        own = copy(op)
        own.inputs = [self._place(int(tensor)) for tensor in op.inputs]
        own.outputs = [self._place(int(tensor)) for tensor in op.outputs]
        return own

    def _place(self, tensor: int) -> int:
        """Where a tensor of the whole graph is here."""
        if tensor < 0:
            return tensor
        if tensor not in self._places:
            own = copy(self._whole.graph.tensors[tensor])
            own.buffer = (
                self._buffer(self._whole.model.buffers[own.buffer].data)
                if self._whole.is_constant(tensor)
                else 0
            )
            self._places[tensor] = len(self._tensors)
            self._tensors.append(own)
        return self._places[tensor]

    def _add(self, name: str, shape: Sequence[int], kind: int, buffer: int = 0) -> int:
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type, tensor.buffer = name, list(shape), kind, buffer
        self._tensors.append(tensor)
        return len(self._tensors) - 1

    def _buffer(self, data: Any) -> int:
        buffer = schema.BufferT()
        buffer.data = data
        self._model.buffers.append(buffer)
        return len(self._model.buffers) - 1

    def _reshape(self, source: int, result: int, shape: Sequence[int]) -> Any:
        sides = self._buffer(np.frombuffer(np.array(shape, "<i4").tobytes(), np.uint8))
        op = schema.OperatorT()
        op.opcodeIndex = len(self._model.operatorCodes)
        code = schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.RESHAPE
        code.version = 1
        self._model.operatorCodes.append(code)
        op.inputs = [source, self._add("shape", [len(shape)], schema.TensorType.INT32, sides)]
        op.outputs = [result]
        return op


def to_bytes(model: Any) -> bytes:
    """The file of a model."""
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=_IDENTIFIER)
    return bytes(builder.Output())


def _named(places: Mapping[str, int]) -> list[Any]:
    tensors = []
    for name, place in places.items():
        tensor = schema.TensorMapT()
        tensor.name, tensor.tensorIndex = name, place
        tensors.append(tensor)
    return tensors
