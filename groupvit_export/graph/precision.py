"""A captured graph in float16 or bfloat16, with what decides and what is fragile left in float32.

The precision is written into the graph, as types and casts, because strongly typed builders (TensorRT 11)
know no other way to be told. Inputs and outputs of the graph stay what they are, so every engine has the
same interface; the weights of what is lowered are stored in half.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import ml_dtypes
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from groupvit_export.errors import ExportError, UsageError
from groupvit_export.graph.naming import grouping_nodes
from groupvit_kernels.grouping_attention_contract import OUTPUTS
from groupvit_runtime.contract import IMAGE_INPUT, IMAGE_OUTPUTS, LABELS_OUTPUT


@dataclass(frozen=True)
class Half:
    """A half-precision type: its number in ONNX, its NumPy dtype, and operators that ONNX lacks in it."""

    onnx_type: int
    dtype: np.dtype[np.generic]
    missing: frozenset[str]


HALVES: Final[Mapping[str, Half]] = MappingProxyType(
    {
        "fp16": Half(TensorProto.FLOAT16, np.dtype(np.float16), frozenset()),
        # Convolution has it from opset 22 on only.
        "bf16": Half(TensorProto.BFLOAT16, np.dtype(ml_dtypes.bfloat16), frozenset({"Conv"})),
    }
)
"""Precisions that are types in the graph; fp32 is the graph as it was captured."""


@dataclass(frozen=True)
class Float32Rule:
    """Nodes that stay in float32: why, and which they are."""

    reason: str
    find: Callable[[_Graph, Half], Iterable[onnx.NodeProto]]


@dataclass(frozen=True, eq=False)
class TypedGraph:
    """A graph of a precision.

    Attributes:
        model: the graph; the caller's own is not changed.
        kept: by name of a node that stays in float32, why it does. Empty for fp32.
    """

    model: onnx.ModelProto
    kept: Mapping[str, str]


def in_precision(model: onnx.ModelProto, precision: str) -> TypedGraph:
    """The graph in `precision`.

    Args:
        model: captured in float32, the grouping attention still one node a stage.
        precision: "fp32" or a key of `HALVES`.

    Raises:
        UsageError: there is no such precision.
        ExportError: a weight is beyond the range of the type.
    """
    if precision == "fp32":
        return TypedGraph(model, MappingProxyType({}))
    half = HALVES.get(precision)
    if half is None:
        raise UsageError(
            "a graph cannot be typed in this precision",
            got=precision,
            expected=", ".join(("fp32", *HALVES)),
        )
    graph = _Graph(model)
    kept: dict[str, str] = {}
    for island in FLOAT32_RULES:
        for node in island.find(graph, half):
            if graph.computes_floats(node):
                kept.setdefault(node.name, island.reason)
    kept = {node.name: kept[node.name] for node in model.graph.node if node.name in kept}
    return TypedGraph(_Lowering(graph, half, precision, frozenset(kept)).result(), MappingProxyType(kept))


def deciding_nodes(model: onnx.ModelProto) -> dict[str, str]:
    """What stays in float32 whatever the precision of the rest is: why, by name of the node.

    Args:
        model: captured in float32, the grouping attention still one node a stage.
    """
    graph, kept = _Graph(model), dict[str, str]()
    for island in DECIDING_RULES:
        for node in island.find(graph, HALVES["bf16"]):
            kept.setdefault(node.name, island.reason)
    return {node.name: kept[node.name] for node in model.graph.node if node.name in kept}


class _Graph:
    """Who makes and who reads which value, and which values are float32."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        self.nodes = list(model.graph.node)
        self.producer = {name: node for node in self.nodes for name in node.output if name}
        self.readers: dict[str, list[onnx.NodeProto]] = {}
        for node in self.nodes:
            for name in node.input:
                self.readers.setdefault(name, []).append(node)
        self.weights = {tensor.name: tensor for tensor in model.graph.initializer}
        inferred = onnx.shape_inference.infer_shapes(model).graph
        typed = [*inferred.value_info, *inferred.input, *inferred.output]
        self.floats = {v.name for v in typed if v.type.tensor_type.elem_type == TensorProto.FLOAT}
        self.floats |= {name for name, t in self.weights.items() if t.data_type == TensorProto.FLOAT}
        for node in grouping_nodes(model):
            named = dict(zip(OUTPUTS, node.output, strict=True))
            self.floats |= {named[name] for name in ("means", "soft", "count")}

    def computes_floats(self, node: onnx.NodeProto) -> bool:
        """Whether anything of the node is float32."""
        return any(name in self.floats for name in (*node.input, *node.output))

    def between(
        self, starts: Iterable[str], stop: Callable[[onnx.NodeProto], bool], *, inclusive: bool
    ) -> list[onnx.NodeProto]:
        """The nodes that lead to the values `starts`, back to those where `stop` holds."""
        found: dict[str, onnx.NodeProto] = {}
        waiting = deque(starts)
        while waiting:
            node = self.producer.get(waiting.popleft())
            if node is None or node.name in found:
                continue
            stops = stop(node)
            if not stops or inclusive:
                found[node.name] = node
            if not stops:
                waiting.extend(node.input)
        return list(found.values())


def _deciding(graph: _Graph, half: Half) -> Iterable[onnx.NodeProto]:
    for node in grouping_nodes(graph.model):
        yield node
        # Up to the LayerNorms that made tokens and groups: the products in between touch G rows only.
        yield from graph.between(node.input, lambda n: n.op_type == "LayerNormalization", inclusive=True)


def _normalizing(graph: _Graph, half: Half) -> Iterable[onnx.NodeProto]:
    # Where the engine takes pixels, the normalized ones are a value inside it.
    return graph.between([IMAGE_INPUT], lambda node: False, inclusive=False)


def _decoding(graph: _Graph, half: Half) -> Iterable[onnx.NodeProto]:
    return graph.between(
        [LABELS_OUTPUT], lambda node: any(name in IMAGE_OUTPUTS for name in node.output), inclusive=False
    )


def _masks(graph: _Graph, half: Half) -> Iterable[onnx.NodeProto]:
    blocks = {node.name for node in grouping_nodes(graph.model)}
    return graph.between(["masks"], lambda node: node.name in blocks, inclusive=False)


def _counts(graph: _Graph, half: Half) -> Iterable[onnx.NodeProto]:
    exact = {dict(zip(OUTPUTS, node.output, strict=True))["count"] for node in grouping_nodes(graph.model)}
    for node in graph.nodes:
        floats = [name for name in node.input if name in graph.floats and name not in graph.weights]
        if floats and all(name in exact for name in floats):
            exact |= set(node.output)
            yield node


def _of_type(*op_types: str) -> Callable[[_Graph, Half], Iterable[onnx.NodeProto]]:
    return lambda graph, half: [node for node in graph.nodes if node.op_type in op_types]


def _normalization(graph: _Graph, half: Half) -> Iterable[onnx.NodeProto]:
    for square in graph.nodes:
        if square.op_type == "Mul" and square.input[0] == square.input[1]:
            for total in graph.readers.get(square.output[0], ()):
                for root in graph.readers.get(total.output[0], ()):
                    if total.op_type == "ReduceSum" and root.op_type == "Sqrt":
                        yield from (square, total, root, *graph.readers[root.output[0]])


def _missing(graph: _Graph, half: Half) -> Iterable[onnx.NodeProto]:
    return [node for node in graph.nodes if node.op_type in half.missing]


DECIDING_RULES: Final = (
    Float32Rule("decides the assignment", _deciding),
    Float32Rule("makes the masks of soft maps", _masks),
    Float32Rule("decodes label maps", _decoding),
)
"""What is float32 in every precision, int8 too."""

FLOAT32_RULES: Final = (
    *DECIDING_RULES,
    Float32Rule("normalizes pixels", _normalizing),
    Float32Rule("counts tokens, exactly", _counts),
    Float32Rule("statistics of a LayerNorm", _of_type("LayerNormalization")),
    Float32Rule("statistics of a BatchNorm", _of_type("BatchNormalization")),
    Float32Rule("cosine normalization", _normalization),
    Float32Rule("ONNX has no such operator in this type", _missing),
    Float32Rule("makes floats of something else", _of_type("Cast", "Range", "ConstantOfShape", "Constant")),
)
"""What stays in float32, the first that applies; everything else is lowered."""


class _Lowering:
    """The new graph, node by node in the order of the old one."""

    def __init__(self, graph: _Graph, half: Half, precision: str, kept: frozenset[str]) -> None:
        self._graph = graph
        self._half = half
        self._suffix = precision
        self._kept = kept
        self._nodes: list[onnx.NodeProto] = []
        self._weights: dict[str, onnx.TensorProto] = {}
        self._halved: set[str] = set()
        self._casts: dict[tuple[str, int], str] = {}

    def result(self) -> onnx.ModelProto:
        graph = self._graph
        outputs = {value.name for value in graph.model.graph.output}
        for node in graph.nodes:
            lowered = graph.computes_floats(node) and node.name not in self._kept
            new = onnx.NodeProto()
            new.CopyFrom(node)
            new.input[:] = [self._read(name, lowered) for name in node.input]
            if lowered:
                made = [name for name in node.output if name in graph.floats]
                self._halved |= set(made)
                new.output[:] = [
                    f"{name}.{self._suffix}" if name in outputs and name in made else name
                    for name in node.output
                ]
            self._nodes.append(new)
            if lowered:
                for name in made:
                    if name in outputs:
                        self._cast(f"{name}.{self._suffix}", name, TensorProto.FLOAT)
                        self._halved.discard(name)
        model = onnx.ModelProto()
        model.CopyFrom(graph.model)
        del model.graph.node[:]
        del model.graph.initializer[:]
        # Types that were inferred for float32; they are inferred again by whoever reads the file.
        del model.graph.value_info[:]
        model.graph.node.extend(self._nodes)
        model.graph.initializer.extend(self._weights.values())
        return model

    def _read(self, name: str, lowered: bool) -> str:
        if name not in self._graph.floats:
            if name in self._graph.weights:
                self._weights[name] = self._graph.weights[name]
            return name
        if name in self._graph.weights:
            return self._weight(name, lowered)
        if lowered == (name in self._halved):
            return name
        to = self._half.onnx_type if lowered else TensorProto.FLOAT
        known = self._casts.get((name, to))
        if known is None:
            known = f"{name}.{self._suffix if lowered else 'fp32'}"
            self._cast(name, known, to)
            self._casts[name, to] = known
        return known

    def _cast(self, source: str, target: str, to: int) -> None:
        self._nodes.append(onnx.helper.make_node("Cast", [source], [target], name=f"cast_{target}", to=to))

    def _weight(self, name: str, lowered: bool) -> str:
        tensor = self._graph.weights[name]
        if not lowered:
            self._weights[name] = tensor
            return name
        own = f"{name}.{self._suffix}"
        if own not in self._weights:
            self._weights[own] = numpy_helper.from_array(self._rounded(name), own)
        return own

    def _rounded(self, name: str) -> NDArray[Any]:
        array = numpy_helper.to_array(self._graph.weights[name])
        limits = ml_dtypes.finfo(self._half.dtype)
        masked = array == np.finfo(np.float32).min
        with np.errstate(over="ignore"):
            rounded = array.astype(self._half.dtype)
        # The lowest float32 is no weight: the text encoder masks what is ahead with it.
        rounded[masked] = limits.min
        beyond = np.isinf(rounded) & np.isfinite(array)
        if beyond.any():
            raise ExportError(
                f"a weight is beyond the range of {self._suffix}",
                got=f"{name} reaches {np.abs(array[beyond]).max():.3g}",
                expected=f"at most {float(limits.max):.3g}",
                fix="--precision bf16, which has the range of float32",
            )
        return rounded
