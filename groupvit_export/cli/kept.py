"""The nodes that stayed in float32, as text."""

from __future__ import annotations

import textwrap

from groupvit_export.cli.tables import Block, separated
from groupvit_export.provenance import EngineProvenance, Provenance
from groupvit_runtime.manifest import Manifest


def kept_nodes(manifest: Manifest, provenance: Provenance) -> list[Block]:
    """By engine and reason, every node by name; empty where everything is float32 anyway."""
    engines = [(engine, manifest.engine(engine.role).precision) for engine in provenance.engines]
    engines += [(other.engine, other.precision) for other in provenance.alternatives]
    return separated([_engine(engine, precision)] for engine, precision in engines if engine.kept)


def _engine(engine: EngineProvenance, precision: str) -> str:
    count = sum(len(item.nodes) for item in engine.kept)
    lines = [f"{engine.role} engine, {precision}: {count} nodes stay in float32"]
    for item in engine.kept:
        lines.append(f"  {item.reason} ({len(item.nodes)}):")
        lines += textwrap.wrap(", ".join(item.nodes), 100, initial_indent="    ", subsequent_indent="    ")
    return "\n".join(lines)
