"""The precisions of a model side by side: verdict, mIoU, agreement and latency."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from groupvit_export.metrics.decoding import RunImage
from groupvit_export.metrics.judge import Judge, Quality, RunText
from groupvit_export.metrics.latency import Latency, latencies
from groupvit_export.provenance import PrecisionRow
from groupvit_runtime.manifest import Verdict

Report = Callable[[str, float], None]
"""What goes on, and the share of it that is done."""


@dataclass(frozen=True, eq=False)
class Side:
    """A precision.

    Attributes:
        precision: "fp32", "int8".
        verdict: of the comparison with the reference.
        image, text: the engines.
        timed: whether the image engine's latency means anything: it runs here itself, and nothing in its
            place.
        notes: what a reader must know, in words.
    """

    precision: str
    verdict: Verdict
    image: RunImage
    text: RunText
    timed: bool = True
    notes: tuple[str, ...] = field(default=())


def precision_rows(
    judge: Judge, fp32: Side, others: Sequence[Side], report: Report = lambda what, share: None
) -> tuple[PrecisionRow, ...]:
    """Measure every precision on the same images; latencies in turns, at batch 1.

    Args:
        judge: on what, and by which decode.
        fp32: what the others are held against.
        others: lower precisions.
        report: told how far it is.

    Returns:
        A row each, fp32 first.
    """
    sides = [fp32, *others]
    total = len(sides) * len(judge.judged.images)
    done = 0

    def count() -> None:
        nonlocal done
        done += 1
        report("segment with every precision", done / total)

    found = [judge.label_maps(side.image, side.text(judge.words), count) for side in sides]
    qualities = [judge.compare(maps, found[0]) for maps in found]
    timed = [index for index, side in enumerate(sides) if side.timed]
    pixels = np.ascontiguousarray(judge.decoding.inputs(next(iter(judge.judged.images.values())))[:1])
    found_latencies: dict[int, Latency] = {}
    # One alone has nobody to be compared with.
    if len(timed) > 1:
        calls = [lambda run=sides[index].image: run(pixels) for index in timed]
        found_latencies = dict(zip(timed, latencies(calls), strict=True))
    return tuple(
        _row(side, quality, found_latencies.get(index), judge)
        for index, (side, quality) in enumerate(zip(sides, qualities, strict=True))
    )


def _row(side: Side, quality: Quality, latency: Latency | None, judge: Judge) -> PrecisionRow:
    return PrecisionRow(
        precision=side.precision,
        verdict=side.verdict,
        miou=quality.miou,
        agreement=quality.agreement,
        latency_ms=None if latency is None else latency.milliseconds,
        detail="; ".join((judge.described, *side.notes)),
        ratio=None if latency is None else latency.ratio,
        spread=None if latency is None else latency.spread,
    )
