"""What the project set out to reach, and whether it did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.peers.fresh import TITLES
from benchmarks.peers.sides import OURS, SIDES

NOT_RUN: Final = "not run"


@dataclass(frozen=True)
class Ratio:
    """Their median time over ours, at least `goal`.

    Attributes:
        table: "image" or "engine".
        ours: names of bundles.
    """

    what: str
    table: str
    peer: str
    goal: float
    ours: tuple[str, ...]


@dataclass(frozen=True)
class Share:
    """Ours in percent of transformers', at most `goal`; `key` is a figure of a fresh process."""

    what: str
    key: str
    goal: float


_DEPLOYED: Final = (*OURS, "ours-openvino-int8", "ours-onnxruntime-int8")

RATIOS: Final = (
    Ratio(
        "image to label map against transformers as users call it",
        "image",
        "transformers",
        20.0,
        _DEPLOYED,
    ),
    Ratio(
        "image to label map against transformers with cached text",
        "image",
        "transformers-cached",
        4.0,
        _DEPLOYED,
    ),
    Ratio(
        "image engine, fp32, against plain OpenVINO f32", "engine", "plain-openvino", 1.1, ("ours-openvino",)
    ),
    Ratio(
        "image engine, fp32, against plain ONNX Runtime",
        "engine",
        "plain-onnxruntime",
        1.2,
        ("ours-onnxruntime",),
    ),
    Ratio(
        "image engine, bf16, against plain OpenVINO bf16",
        "engine",
        "plain-openvino-bf16",
        1.25,
        ("ours-openvino-bf16",),
    ),
    Ratio(
        "image engine, int8, against plain OpenVINO bf16",
        "engine",
        "plain-openvino-bf16",
        1.6,
        ("ours-openvino-int8",),
    ),
)

SHARES: Final = (
    Share("peak memory of a fresh process, against transformers as users call it", "peak_resident_mb", 40.0),
    Share("cold start to the first mask, against transformers as users call it", "total_s", 25.0),
)


def evaluate_targets(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every target beside what was reached; `reached` is None and `verdict` says so where nothing was run.

    A ratio is reached, or not, where its whole interval lies on that side of the goal.
    """
    rows: list[dict[str, Any]] = []
    for target in RATIOS:
        for ours in target.ours:
            row = record.get(target.table, {}).get(target.peer, {})
            found = row.get("over", {}).get(ours)
            verdict = NOT_RUN if found is None else judged(found, target.goal)
            sides = record.get("sides", {})
            missing = (sides.get(side, {}).get("not_run") for side in (ours, target.peer))
            why = next(filter(None, missing), "") if found is None else ""
            title = SIDES[ours].title
            rows.append(_row(target.what, title, "at least", target.goal, "times", found, verdict, why))
    fresh = record.get("fresh", {})
    for share in SHARES:
        # With the words as well: transformers encodes them, and a stored vocabulary spares that.
        for ours in (name for name in TITLES if name != "transformers"):
            reached = None
            if ours in fresh and "transformers" in fresh:
                percent = 100 * fresh[ours][share.key] / fresh["transformers"][share.key]
                reached = {"ratio": round(percent, 1)}
            verdict = NOT_RUN if reached is None else _at_most(reached["ratio"], share.goal)
            rows.append(_row(share.what, TITLES[ours], "at most", share.goal, "%", reached, verdict, ""))
    return rows


def judged(found: Mapping[str, float], goal: float) -> str:
    """Reached, or not, where the whole interval lies on that side of the goal."""
    if found["low"] >= goal:
        return "reached"
    return "not reached" if found["high"] < goal else "undecided"


def _at_most(percent: float, goal: float) -> str:
    return "reached" if percent <= goal else "not reached"


def _row(
    what: str, ours: str, bound: str, goal: float, unit: str, reached: object, verdict: str, why: str
) -> dict[str, Any]:
    return {
        "what": what,
        "ours": ours,
        "bound": bound,
        "goal": goal,
        "unit": unit,
        "reached": reached,
        "verdict": verdict,
        "why": why,
    }
