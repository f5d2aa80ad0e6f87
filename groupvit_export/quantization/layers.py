"""A graph in which some layers are quantized and the others are as they were.

NNCF quantizes the whole graph once. What it did to a layer (quantize and dequantize nodes, smoothing) is
then put into the graph as it was captured, for any choice of layers.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import onnx
from onnx import numpy_helper

from groupvit_export.errors import ExportError

COMPUTING: Final = ("MatMul", "Gemm", "Conv")
MOVING: Final = ("Reshape", "Transpose", "Squeeze", "Unsqueeze", "Slice", "Split")
"""Operators that NNCF moves quantizers across, because they are cheaper on bytes."""


@dataclass(frozen=True, eq=False)
class QuantizedGraph:
    """The two graphs, and the layers that they differ in.

    Attributes:
        plain: as it was captured, the grouping attention still one node a stage.
        quantized: all of it quantized, the grouping attention taken apart.
        layers: names of their nodes, in the order of the graph.
    """

    plain: onnx.ModelProto
    quantized: onnx.ModelProto
    layers: tuple[str, ...]

    @staticmethod
    def of(plain: onnx.ModelProto, quantized: onnx.ModelProto) -> QuantizedGraph:
        """Find the layers.

        Raises:
            ExportError: there are none.
        """
        makers = _makers(quantized)
        names = {node.name for node in plain.graph.node}
        layers = tuple(
            node.name
            for node in quantized.graph.node
            if node.op_type in COMPUTING
            and node.name in names
            and any(_dequantized(makers, name) for name in node.input)
        )
        if not layers:
            raise ExportError("NNCF quantized no layer of the graph", expected="MatMul, Gemm or Conv nodes")
        return QuantizedGraph(plain, quantized, layers)

    def choose(self, names: Collection[str]) -> onnx.ModelProto:
        """The graph with these layers quantized, and all others as they were.

        Raises:
            KeyError: one of them is none.
        """
        unknown = set(names) - set(self.layers)
        if unknown:
            raise KeyError(min(unknown))
        return _Assembly(self, frozenset(names)).result()


class _Assembly:
    def __init__(self, graphs: QuantizedGraph, layers: frozenset[str]) -> None:
        self._plain = graphs.plain
        self._nodes = {node.name: node for node in graphs.quantized.graph.node if node.name}
        self._makers = _makers(graphs.quantized)
        self._weights = {tensor.name: tensor for tensor in graphs.quantized.graph.initializer}
        self._values = {name for node in graphs.plain.graph.node for name in node.output}
        self._values |= {value.name for value in graphs.plain.graph.input}
        self._layers = layers
        self._new: list[onnx.NodeProto] = []
        self._made: set[str] = set()
        self._own_weights: dict[str, onnx.TensorProto] = {}

    def result(self) -> onnx.ModelProto:
        model = onnx.ModelProto()
        model.CopyFrom(self._plain)
        for node in self._plain.graph.node:
            if node.name in self._layers:
                self._add_layer(self._nodes[node.name])
            else:
                self._new.append(node)
        _fold_smoothing(self._new, self._own_weights, _weights_of(self._plain))
        del model.graph.node[:]
        model.graph.node.extend(self._new)
        used = {name for node in self._new for name in node.input}
        used |= {value.name for value in model.graph.output}
        kept = [tensor for tensor in self._plain.graph.initializer if tensor.name in used]
        known = {tensor.name for tensor in kept}
        kept += [t for name, t in self._own_weights.items() if name in used and name not in known]
        del model.graph.initializer[:]
        model.graph.initializer.extend(kept)
        return model

    def _add_layer(self, node: onnx.NodeProto) -> None:
        new = onnx.NodeProto()
        new.CopyFrom(node)
        for index, name in enumerate(node.input):
            new.input[index] = self._bring(name, node)
        self._new.append(new)

    def _bring(self, name: str, reader: onnx.NodeProto) -> str:
        """A value of the quantized graph, with all that makes it of values of the plain one."""
        if name in self._weights:
            return self._weight(name)
        maker = self._makers.get(name)
        if maker is None or (name in self._values and not _dequantized(self._makers, name)):
            return name
        # ONNX Runtime recognizes a quantized layer only where no other reads its dequantized input.
        own = "" if name not in self._values and maker.op_type != "DequantizeLinear" else f"/{reader.name}"
        new = onnx.NodeProto()
        new.CopyFrom(maker)
        new.name = f"{maker.name}{own}.int8"
        new.output[:] = [f"{output}{own}.int8" for output in maker.output]
        brought = new.output[list(maker.output).index(name)]
        if brought not in self._made:
            self._made |= set(new.output)
            # ONNX Runtime's `session.x64quantprecision` refuses a model in which layers share a weight or a
            # zero point.
            mine = own if maker.op_type == "DequantizeLinear" and maker.input[0] in self._weights else ""
            new.input[:] = [
                self._weight(source, mine) if source in self._weights else self._bring(source, reader)
                for source in maker.input
            ]
            self._new.append(new)
        return brought

    def _weight(self, name: str, owner: str = "") -> str:
        """A constant of the quantized graph under a name of its own: NNCF changes some in place."""
        own = f"{name}{owner}.int8"
        if own not in self._own_weights:
            tensor = onnx.TensorProto()
            tensor.CopyFrom(self._weights[name])
            tensor.name = own
            self._own_weights[own] = tensor
        return own


def _fold_smoothing(
    nodes: list[onnx.NodeProto],
    own: dict[str, onnx.TensorProto],
    plain: dict[str, onnx.TensorProto],
) -> None:
    """Multiply smoothing factors into the LayerNorm before them, where nothing else reads it."""
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in nodes:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    for norm in [node for node in nodes if node.op_type == "LayerNormalization"]:
        reading = readers.get(norm.output[0], [])
        if len(reading) != 1 or reading[0].op_type != "Mul":
            continue
        smoothing = reading[0]
        factor = next((name for name in smoothing.input if name in own), None)
        if factor is None:
            continue
        factors = numpy_helper.to_array(own[factor]).reshape(-1)
        folded = onnx.NodeProto()
        folded.CopyFrom(norm)
        for index in range(1, len(norm.input)):
            values = numpy_helper.to_array(plain[norm.input[index]]) * factors
            name = f"{norm.name}.{index}.int8"
            own[name] = numpy_helper.from_array(values.astype(np.float32), name)
            folded.input[index] = name
        folded.output[0] = smoothing.output[0]
        nodes[nodes.index(norm)] = folded
        nodes.remove(smoothing)


def _makers(model: onnx.ModelProto) -> dict[str, onnx.NodeProto]:
    return {name: node for node in model.graph.node for name in node.output if name}


def _dequantized(makers: Mapping[str, onnx.NodeProto], name: str) -> bool:
    """Whether a value is made of bytes, be they moved in between."""
    node = makers.get(name)
    while node is not None and node.op_type in MOVING:
        node = makers.get(node.input[0])
    return node is not None and node.op_type == "DequantizeLinear"


def _weights_of(model: onnx.ModelProto) -> dict[str, onnx.TensorProto]:
    return {tensor.name: tensor for tensor in model.graph.initializer}
