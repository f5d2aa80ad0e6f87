"""Rewrite docs/benchmarks.md from the results alone: no number of the page comes from anywhere else.

Usage: python -m benchmarks.report
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks import report_deployment, report_parts, report_peers, report_runtime
from benchmarks.goals import goals_table
from benchmarks.kinds import TITLES
from benchmarks.markdown import Record, measured_with, number, table
from benchmarks.record import RESULTS
from benchmarks.report_demo import demo_sections

_ROOT = Path(__file__).parent.parent
PAGE: Final = _ROOT / "docs" / "benchmarks.md"


@dataclass(frozen=True)
class Results:
    """What the benchmarks wrote, each by the script of its name; empty for not run.

    Attributes:
        peers: by the kind of processor.
    """

    peers: Mapping[str, Record] = field(default_factory=dict)
    roofline: Record = field(default_factory=dict)
    evaluation: Record = field(default_factory=dict)
    precisions: Record = field(default_factory=dict)
    soft_scores: Record = field(default_factory=dict)
    folder: Record = field(default_factory=dict)
    static_shapes: Record = field(default_factory=dict)
    litert: Record = field(default_factory=dict)
    serving: Record = field(default_factory=dict)
    bulk: Record = field(default_factory=dict)


def main() -> None:
    """Write the page."""
    PAGE.write_text(render(read_results()), encoding="utf-8")


def read_results(folder: Path = RESULTS) -> Results:
    """What is in the folder."""
    peers = {kind: _read(folder / "peers" / f"{kind}.json") for kind in TITLES}
    others = {
        name: _read(folder / f"{name.replace('_', '-')}.json")
        for name in Results.__dataclass_fields__
        if name != "peers"
    }
    return Results(peers={kind: record for kind, record in peers.items() if record}, **others)  # type: ignore[arg-type]


def render(results: Results) -> str:
    """The page."""
    peers = results.peers
    parts = [
        "# Figures",
        "Written by `python -m benchmarks.report` from the files in `benchmarks/results`, each by the script "
        "of its name; `make bench` measures anew. Do not edit. Times are of the full-size architecture with "
        "random weights, label maps of the demo checkpoint. Every kind of processor has figures of its own, "
        "measured on such a one; where there are none, it says so.",
        *report_peers.cautions(peers),
        "## Goals",
        "A ratio is that of medians, theirs over ours: above one, ours is faster. In brackets its 95 % "
        "interval. *Default export*: `groupvit export --target openvino`, nothing else said.",
        goals_table(peers),
        "## Image in, label map out",
        *report_peers.times(peers, "image"),
        "## Image engine only",
        *report_peers.times(peers, "engine"),
        "## What ran",
        *report_peers.engines(peers),
        "## Memory and cold start",
        *report_parts.fresh(peers),
        "## Images a second",
        *report_parts.throughput(peers),
        "## Sliding windows",
        *report_parts.windows(peers),
        "## C++ beside Python",
        *report_parts.cpp(peers),
        "## Scores beside the label map",
        *report_runtime.soft_scores(results.soft_scores),
        "## A folder of images",
        *report_runtime.folder(results.folder),
        "## One shape or a dynamic batch",
        *report_runtime.static_shapes(results.static_shapes),
        "## LiteRT beside other engines",
        *report_deployment.litert(results.litert),
        "## A server beside a loop",
        *report_deployment.serving(results.serving),
        "## Ray beside a loop",
        *report_deployment.bulk(results.bulk),
        "## Roofline",
        *_roofline(results.roofline),
        *demo_sections(results.evaluation, results.precisions),
        "## How it was measured",
        *report_peers.machines(peers),
        "A process a side, taking turns: "
        "[benchmarking.md](benchmarking.md#beside-what-a-user-would-otherwise-have) says how, and what the "
        "peers are.",
    ]
    return "\n\n".join(parts) + "\n"


def _roofline(roofline: Record) -> list[str]:
    peaks = roofline.get("peak", {})
    memory = roofline.get("memory", {})
    ceilings = [
        *([f"torch.mm {name}", f"{number(peak['tflop_per_s'])} TFLOP/s"] for name, peak in peaks.items()),
        *([key.split("_")[0], f"{number(memory[key])} GB/s"] for key in list(memory)[:2]),
    ]
    rows = []
    for batch, row in roofline.get("image_encoder", {}).items():
        rows += [
            [
                batch,
                engine["title"],
                *(number(row[key]) for key in ("gflop", "mb")),
                f"{number(row['bound_ms'])} ({row['bound_by']})",
                number(engine["median_ms"]),
                f"{number(engine['share_percent'])} %",
            ]
            for engine in row["engines"].values()
        ]
    return [
        table(["ceiling of this machine", "measured"], ceilings),
        "The image encoder in float32. The bound is the longer of operations over the float32 ceiling and "
        "bytes (weights, inputs, outputs, each once) over the better bandwidth; operations are those of "
        "matrix products and convolutions, a multiplication and an addition counted apart. Square products "
        "of torch are the ceiling: an engine with better products could pass it.",
        table(["batch", "", "GFLOP", "MB", "bound, ms", "median, ms", "share of the bound"], rows),
        *([measured_with(roofline["machine"], roofline["versions"])] if roofline else []),
    ]


def _read(path: Path) -> Record:
    record: Record = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return record


if __name__ == "__main__":
    main()
