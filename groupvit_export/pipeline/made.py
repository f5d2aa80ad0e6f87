"""What an export made, before it is written down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from groupvit_export.build.api import Build
from groupvit_export.graph.precision import TypedGraph
from groupvit_export.provenance import (
    AlternativeProvenance,
    EngineProvenance,
    Float32Nodes,
    ParitySummary,
    PrecisionChoice,
    PrecisionRow,
    QuantizationRecord,
)
from groupvit_runtime.manifest import EngineInfo, MeasuredInfo, Verdict


@dataclass(frozen=True, eq=False)
class Made:
    """Engines, judged.

    Attributes:
        built: what they were built with.
        engines: as the manifest lists them, and `provenance` how they were made.
        verdict: of the bundle.
        parity: of `engines`.
        precisions: side by side.
        alternatives, measured: of the manifest.
        alternative_provenance, choice: of the provenance.
    """

    built: Build
    engines: tuple[EngineInfo, EngineInfo]
    provenance: tuple[EngineProvenance, EngineProvenance]
    verdict: Verdict
    parity: ParitySummary
    precisions: tuple[PrecisionRow, ...]
    alternatives: tuple[EngineInfo, ...] = ()
    measured: MeasuredInfo | None = None
    alternative_provenance: tuple[AlternativeProvenance, ...] = ()
    choice: PrecisionChoice | None = None


def image_provenance(graph: TypedGraph, record: QuantizationRecord | None) -> EngineProvenance:
    """How an image engine was made."""
    return EngineProvenance("image", _float32_nodes(graph.kept), record)


def text_provenance(built: Build) -> EngineProvenance:
    """How the text engine was made."""
    return EngineProvenance("text", _float32_nodes(built.graphs.typed["text"].kept))


def _float32_nodes(kept: Mapping[str, str]) -> tuple[Float32Nodes, ...]:
    """Nodes with the reason of each, by reason."""
    return tuple(
        Float32Nodes(reason, tuple(node for node, why in kept.items() if why == reason))
        for reason in dict.fromkeys(kept.values())
    )
