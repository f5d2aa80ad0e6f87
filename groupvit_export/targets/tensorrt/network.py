"""A graph as TensorRT's parser understood it, layer by layer. Needs no GPU."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import onnx

from groupvit_export.errors import ExportError
from groupvit_export.graph.grouping_attention_function import inlined
from groupvit_export.targets.inspection import (
    DecisionFault,
    Missing,
    MissingPart,
    NetworkFacts,
    ParsedGraphs,
    WrongDecision,
)
from groupvit_runtime.engines.tensorrt_flavors import FLAVORS, is_installed, logger_of
from groupvit_runtime.manifest import EngineInfo, Role, TensorRTInfo

_PASSED_THROUGH: Final = ("CAST", "IDENTITY", "SHUFFLE", "SQUEEZE", "UNSQUEEZE")
"""Layers that only dress a value; behind them stands what made it."""

_MOVING: Final = (*_PASSED_THROUGH[1:], "SLICE")
"""Layers that a builder moves a dequantization across, because they are the same on bytes."""


@dataclass(frozen=True, eq=False)
class ParsedNetwork:
    """A parsed graph; the objects live as long as this does.

    Attributes:
        network: `INetworkDefinition`.
        parser, builder: what it belongs to.
    """

    network: Any
    parser: Any
    builder: Any


def parse_graphs(
    engines: Mapping[Role, EngineInfo], plan: TensorRTInfo, root: Path, stages: int
) -> ParsedGraphs | Missing:
    """See `Target.parse_graphs`.

    Args:
        engines: by role.
        plan: of the image engine.
        root: the folder that they lie in.
        stages: how many grouping blocks there are.
    """
    flavor = FLAVORS[plan.flavor]
    if not is_installed(flavor):
        return Missing(MissingPart.PARSER, (flavor.title,))
    trt = importlib.import_module(flavor.module)
    facts: dict[Role, NetworkFacts] = {}
    layer_norms = 0
    for role, info in engines.items():
        if info.source is None:
            return Missing(MissingPart.SOURCE_GRAPH)
        model = onnx.load(info.source.verify(root))
        layer_norms += sum(node.op_type == "LayerNormalization" for node in model.graph.node)
        parsed = parse(trt, logger_of(trt), model)
        facts[role] = network_facts(trt, parsed.network, stages if role == "image" else 0)
    return ParsedGraphs(facts, layer_norms)


def parse(trt: Any, logger: Any, model: onnx.ModelProto) -> ParsedNetwork:
    """Parse a graph into a strongly typed network.

    Args:
        trt: the flavor's module.
        logger: remembers what it says.
        model: functions are put in place of their calls.

    Raises:
        ExportError: the parser refuses the graph; says at which node.
    """
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(inlined(model).SerializeToString()):
        first = parser.get_error(0) if parser.num_errors else None
        raise ExportError(
            "TensorRT's parser refuses the graph",
            got="no reason given" if first is None else f"node {first.node_name()!r}: {first.desc()}",
            expected="every operator understood",
            fix="install the versions of constraints.txt",
        )
    return ParsedNetwork(network, parser, builder)


def network_facts(trt: Any, network: Any, stages: int) -> NetworkFacts:
    """Read a parsed network.

    Args:
        trt: the flavor's module.
        network: `INetworkDefinition`.
        stages: how many grouping blocks there are.
    """
    view = _View(trt, network)
    casts = [layer for layer in view.layers if layer.type == trt.LayerType.CAST]
    return NetworkFacts(
        layers=MappingProxyType(dict(Counter(layer.type.name for layer in view.layers).most_common())),
        dtypes=MappingProxyType(
            dict(Counter(layer.get_output(0).dtype.name for layer in view.layers).most_common())
        ),
        normalizations=sum(layer.type == trt.LayerType.NORMALIZATION for layer in view.layers),
        unread_casts=tuple(layer.name for layer in casts if not view.is_read(layer.get_output(0).name)),
        round_trips=tuple(layer.name for layer in casts if view.undoes_a_cast(layer)),
        byte_products=sum(view.multiplies_bytes(layer) for layer in view.layers),
        wrong_decisions=tuple(
            wrong for stage in range(1, stages + 1) if (wrong := view.wrong_decision(stage)) is not None
        ),
    )


class _View:
    """Who makes and who reads which tensor."""

    def __init__(self, trt: Any, network: Any) -> None:
        self._trt = trt
        self.layers = [network.get_layer(index) for index in range(network.num_layers)]
        self._producer = {
            layer.get_output(index).name: layer for layer in self.layers for index in range(layer.num_outputs)
        }
        self._read = {
            layer.get_input(index).name
            for layer in self.layers
            for index in range(layer.num_inputs)
            if layer.get_input(index) is not None
        }
        self._read |= {network.get_output(index).name for index in range(network.num_outputs)}

    def is_read(self, tensor: str) -> bool:
        return tensor in self._read

    def undoes_a_cast(self, layer: Any) -> bool:
        """Whether a cast takes back what a cast to fewer bits has just done."""
        source = self._producer.get(layer.get_input(0).name)
        if source is None or source.type != self._trt.LayerType.CAST:
            return False
        wide, narrow, back = (
            source.get_input(0).dtype,
            source.get_output(0).dtype,
            layer.get_output(0).dtype,
        )
        return back == wide and narrow.itemsize < wide.itemsize

    def multiplies_bytes(self, layer: Any) -> bool:
        """Whether a builder may multiply int8 here, because nothing else reads the values as floats."""
        kinds, products = self._trt.LayerType, ("MATRIX_MULTIPLY", "CONVOLUTION")
        # A convolution whose kernel is no tensor has one input.
        if layer.type.name not in products or layer.num_inputs < 2:
            return False
        sides = [self._behind(layer.get_input(index).name, _MOVING) for index in (0, 1)]
        return all(
            side is not None and side.type == kinds.DEQUANTIZE and side.get_input(0).dtype == self._trt.int8
            for side in sides
        )

    def wrong_decision(self, stage: int) -> WrongDecision | None:
        """Why the group of a token is not the first of the largest float32 logits; None where it is."""
        trt = self._trt
        # For the last of several maxima the parser turns the axis round, takes the first, and counts back.
        chosen, soft = self._behind(f"assignment_{stage}"), self._behind(f"soft_map_{stage}")
        if chosen is None or chosen.type != trt.LayerType.TOPK:
            return WrongDecision(stage, DecisionFault.MADE_OTHERWISE, _kind(chosen))
        # The bindings give the base class; TensorRT's own samples narrow it like this.
        chosen.__class__ = trt.ITopKLayer
        logits = chosen.get_input(0)
        if chosen.op != trt.TopKOperation.MAX or chosen.k != 1 or chosen.axes != 1 << 1:
            found = (chosen.op.name, str(chosen.k), f"{chosen.axes:#b}")
            return WrongDecision(stage, DecisionFault.TAKES_OTHERS, found)
        if logits.dtype != trt.float32:
            return WrongDecision(stage, DecisionFault.NOT_FLOAT32, (logits.dtype.name,))
        if soft is None or soft.type != trt.LayerType.SOFTMAX:
            return WrongDecision(stage, DecisionFault.SOFT_MAP_MADE_OTHERWISE, _kind(soft))
        if self._root(soft.get_input(0).name) != self._root(logits.name):
            return WrongDecision(stage, DecisionFault.OTHER_VALUES)
        return None

    def _behind(self, tensor: str, through: tuple[str, ...] = _PASSED_THROUGH) -> Any:
        return self._producer.get(self._root(tensor, through))

    def _root(self, tensor: str, through: tuple[str, ...] = _PASSED_THROUGH) -> str:
        """The tensor that `tensor` only dresses."""
        layer = self._producer.get(tensor)
        while layer is not None and layer.type.name in through:
            tensor = layer.get_input(0).name
            layer = self._producer.get(tensor)
        return tensor


def _kind(layer: Any) -> tuple[str, ...]:
    return () if layer is None else (layer.type.name,)
