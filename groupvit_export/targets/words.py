"""What targets say of engines, in words: made where they are printed or recorded."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from groupvit_export.targets.inspection import (
    DecisionFault,
    Missing,
    MissingPart,
    Substitution,
    WrongDecision,
)

MISSING_WORDS: Final[Mapping[MissingPart, str]] = MappingProxyType(
    {
        MissingPart.SOURCE_GRAPH: "the bundle lacks the graph that the plan was built from",
        MissingPart.GROUPING_NODE: "the file has no node of the grouping attention",
        MissingPart.GROUPING_RECORD: "the package has no grouping attention",
        MissingPart.TENSORS: "the file has no tensors {names}",
        MissingPart.PARSER: "{names} is not installed",
    }
)

DECISION_WORDS: Final[Mapping[DecisionFault, str]] = MappingProxyType(
    {
        DecisionFault.MADE_OTHERWISE: "makes its assignment by {found}",
        DecisionFault.TAKES_OTHERS: "takes {found} (operation, how many, axes)",
        DecisionFault.NOT_FLOAT32: "decides on {found}",
        DecisionFault.SOFT_MAP_MADE_OTHERWISE: "makes its soft map by {found}",
        DecisionFault.OTHER_VALUES: "decides on other values than the logits of the soft map",
    }
)

HALF_ON_CPU: Final[Mapping[str, str]] = MappingProxyType(
    {"fp16": "computes fp16 in float32", "bf16": "cannot compute in bf16"}
)
"""What ONNX Runtime does with half precision where there is no GPU."""

SUBSTITUTE_WORDS: Final = (
    "the {target} engine itself was not run: {why}. In its place ONNX Runtime computed the graph that it was "
    "built from{rounded}"
)


def missing_words(missing: Missing) -> str:
    """Why a part of an engine cannot be looked at."""
    return MISSING_WORDS[missing.part].format(names=", ".join(missing.names))


def decision_words(wrong: WrongDecision) -> str:
    """What a stage of a parsed network does otherwise than it must."""
    return DECISION_WORDS[wrong.fault].format(found=", ".join(wrong.found) or "nothing")


def substitute_words(substitution: Substitution) -> str:
    """What was not run, why, and what was in its place."""
    why = substitution.no_gpu
    if why is None:
        why = f"it is for CUDA; on a CPU ONNX Runtime {HALF_ON_CPU[substitution.precision]}"
    rounded = "" if substitution.precision == "fp32" else f", rounded as {substitution.precision}"
    return SUBSTITUTE_WORDS.format(target=substitution.target, why=why, rounded=rounded)
