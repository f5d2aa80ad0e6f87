"""What is known of engines without running them: parts, networks, and what runs in their place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from groupvit_runtime.manifest import Role


class MissingPart(Enum):
    """What is not there, so that a part of an engine cannot be looked at."""

    SOURCE_GRAPH = "the graph that a plan was built from"
    GROUPING_NODE = "the node of the grouping attention"
    GROUPING_RECORD = "the sizes of the grouping attention"
    TENSORS = "tensors of these names"
    PARSER = "the package that parses the graph"


@dataclass(frozen=True)
class Missing:
    """Why a part of an engine cannot be looked at.

    Attributes:
        part: what is not there.
        names: of it, where it has any.
    """

    part: MissingPart
    names: tuple[str, ...] = ()


class DecisionFault(Enum):
    """Why the group of a token is not the first of the largest float32 logits."""

    MADE_OTHERWISE = "the assignment is made by another layer"
    TAKES_OTHERS = "it takes others than the one largest over the groups"
    NOT_FLOAT32 = "logits of another dtype"
    SOFT_MAP_MADE_OTHERWISE = "the soft map is made by another layer"
    OTHER_VALUES = "other values than the logits of the soft map"


@dataclass(frozen=True)
class WrongDecision:
    """Of a parsed network.

    Attributes:
        stage: the grouping block, from 1.
        fault: what is wrong.
        found: what is there instead, as the parser names it; empty for nothing.
    """

    stage: int
    fault: DecisionFault
    found: tuple[str, ...] = ()


@dataclass(frozen=True)
class NetworkFacts:
    """What the target's own parser made of a graph.

    Attributes:
        layers: by type, how many.
        dtypes: by dtype of the first output, how many layers.
        normalizations: layers that are a LayerNorm, not taken apart.
        unread_casts: casts whose result nobody reads.
        round_trips: casts to a narrower type that are cast back at once, which only lose bits.
        byte_products: products of which both sides were dequantized from int8 just before.
        wrong_decisions: what is wrong with the way a token's group is chosen; empty where nothing.
    """

    layers: Mapping[str, int]
    dtypes: Mapping[str, int]
    normalizations: int
    unread_casts: tuple[str, ...]
    round_trips: tuple[str, ...]
    byte_products: int
    wrong_decisions: tuple[WrongDecision, ...]


@dataclass(frozen=True)
class ParsedGraphs:
    """The graphs that engines were built from, as the target's own parser understood them.

    Attributes:
        facts: by role.
        layer_norms: nodes of the graphs that are a LayerNorm.
    """

    facts: Mapping[Role, NetworkFacts]
    layer_norms: int


@dataclass(frozen=True)
class Substitution:
    """That engines were not run, and what was in their place: ONNX Runtime on the CPU.

    Attributes:
        target, precision: of the engines that were not run.
        no_gpu: why no GPU can be used here, as the runtime says it; None where none was asked for, and the
            CPU does not compute in this precision.
    """

    target: str
    precision: str
    no_gpu: str | None
