"""The measurements as one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from groupvit_export.benchmark.compare import Comparison, Verdict
from groupvit_export.benchmark.records import Record
from groupvit_export.benchmark.settings import Setting
from groupvit_export.benchmark.stages import STAGES, WAIT
from groupvit_export.benchmark.text import (
    COLD_COLUMNS,
    LATENCY_COLUMNS,
    caution_lines,
    cold_rows,
    latency_row,
    setting_cells,
)
from groupvit_export.html.charts import Axis, Part, Series, bars, chart, color
from groupvit_export.html.page import Cells, Figure, Headline, Origin, render, warnings_below

_TONES: Final[Mapping[Verdict, str]] = {"faster": "good", "slower": "doubtful", "no difference": "neutral"}
_SETTING_COLUMNS: Final = ("bundle", "threads", "batch", "streams")


def html_report(records: Sequence[Record], comparisons: Sequence[Comparison], origin: Origin) -> str:
    """The whole page.

    Args:
        records: at least one.
        comparisons: of them; empty for none.
        origin: command and date.

    Returns:
        HTML with its charts inside.

    Raises:
        MissingDependencyError: what makes pages is not installed.
    """
    names = list(dict.fromkeys(record.bundle.name for record in records))
    outer = [name for name, kind in STAGES.items() if kind.inside is None]
    known = [(record, record.accuracy) for record in records if record.accuracy is not None]
    return render(
        "benchmark.html.j2",
        _headline(records, comparisons, names),
        origin,
        about=_about(records[0]),
        cautions=caution_lines(records),
        comparisons=comparisons,
        comparison_notes=list(dict.fromkeys(note for c in comparisons for note in c.notes)),
        paced=any(record.late for record in records),
        latencies=_latencies(records),
        bundles=[(color(place), name) for place, name in enumerate(names)],
        distributions=_distributions(records, names),
        throughput=_throughput(records, names),
        stages=[
            (color(place), STAGES[name].words)
            for place, name in enumerate(outer)
            if name in _measured(records)
        ],
        split=_split(records, outer),
        split_cells=_split_cells(records),
        reasons=_reasons(records),
        accuracy=_accuracy(records, names) if known else None,
        sources=list(
            dict.fromkeys(
                f"{record.bundle.name}: {100 * accuracy.miou:.2f} % on {accuracy.images} images of "
                + accuracy.dataset
                + (" (part of the data set)" if accuracy.partial else "")
                for record, accuracy in known
            )
        ),
        cold=Cells(["bundle", "threads", *COLD_COLUMNS], cold_rows(records)),
        circumstances=_circumstances(records),
    )


def _headline(records: Sequence[Record], comparisons: Sequence[Comparison], names: Sequence[str]) -> Headline:
    title, doubt = ", ".join(names), warnings_below(len(caution_lines(records)))
    if comparisons:
        worst = max(comparisons, key=lambda c: (c.regressed, c.interval.ratio))
        verdict: str = "REGRESSION" if worst.regressed else worst.verdict
        sentence = _compared(worst, len(comparisons))
        return Headline(title, verdict, "bad" if worst.regressed else _TONES[worst.verdict], sentence + doubt)
    best = min(records, key=lambda record: record.latency.p50 / record.setting.batch)
    verdict = f"{best.latency.p50 / best.setting.batch:.2f} ms an image"
    return Headline(title, verdict, "neutral", _fastest(best, len(records)) + doubt)


def _compared(worst: Comparison, settings: int) -> str:
    interval = worst.interval
    which = worst.setting if settings == 1 else f"{worst.setting}; the worst of {settings} settings"
    return (
        f"{worst.second} takes {interval.ratio:.2f} times as long as {worst.first}: {worst.second_ms:.2f} ms "
        f"against {worst.first_ms:.2f} ms at the median, 95 % interval {interval.low:.2f} to "
        f"{interval.high:.2f} ({which})."
    )


def _fastest(best: Record, records: int) -> str:
    batch = best.setting.batch
    return (
        f"{best.bundle.name} with {best.setting.words}{' is the fastest here' if records > 1 else ''}: "
        f"{best.latency.p50:.2f} ms a call{f' of {batch} images' if batch > 1 else ''} at the median, "
        f"{best.latency.p99:.2f} ms at p99, {best.images_per_second:.1f} images a second."
    )


def _about(record: Record) -> str:
    image, machine = record.image, record.machine
    return (
        f"{image.name}, {image.height}×{image.width} {image.format}{', resized' if image.resized else ''}, "
        f"{record.classes} classes, {record.decode} decode; {machine.cpu}, {machine.usable_cores} of "
        f"{machine.cores} cores; measured {record.created}"
    )


def _latencies(records: Sequence[Record]) -> Cells:
    paced = any(record.late for record in records)
    rows = [
        [
            record.bundle.name,
            *setting_cells(record),
            *latency_row(record),
            *([f"{record.late.late} of {record.late.calls}" if record.late else "–"] if paced else []),
        ]
        for record in records
    ]
    return Cells([*_SETTING_COLUMNS, *LATENCY_COLUMNS, *(["late"] if paced else [])], rows)


def _distributions(records: Sequence[Record], names: Sequence[str]) -> list[Figure]:
    percent = Axis("share of the calls, %", ticks=(0, 25, 50, 75, 100))
    return [
        chart(
            [
                Series(_cumulative(record), names.index(record.bundle.name))
                for record in records
                if record.setting == setting
            ],
            Axis("ms", from_zero=False),
            percent,
            setting.words,
        )
        for setting in _settings(records)
    ]


def _cumulative(record: Record) -> tuple[tuple[float, float], ...]:
    values = np.sort(record.samples, axis=None)
    # A page of a long run needs no more points than a screen has pixels.
    places = np.unique(np.linspace(0, len(values) - 1, min(len(values), 400)).round().astype(int))
    return (
        (float(values[0]), 0.0),
        *((float(values[i]), 100 * (i + 1) / len(values)) for i in places.tolist()),
    )


def _throughput(records: Sequence[Record], names: Sequence[str]) -> list[Figure]:
    batches = sorted({record.setting.batch for record in records})
    if len(batches) < 2:
        return []
    figures = []
    for threads, streams in dict.fromkeys((r.setting.threads, r.setting.streams) for r in records):
        series = []
        for place, name in enumerate(names):
            points = [
                (float(r.setting.batch), r.images_per_second)
                for r in records
                if (r.bundle.name, r.setting.threads, r.setting.streams) == (name, threads, streams)
            ]
            series.append(Series(tuple(sorted(points)), place, markers=True))
        caption = f"{'auto threads' if threads is None else f'threads: {threads}'}, streams: {streams}"
        axis = Axis("batch", ticks=tuple(map(float, batches)))
        figures.append(chart(series, axis, Axis("images a second"), caption))
    return figures


def _measured(records: Sequence[Record]) -> list[str]:
    """Names of the stages that any record has a time of."""
    return [
        name
        for name in STAGES
        if any(stage.name == name and stage.mean is not None for r in records for stage in r.stages)
    ]


def _split(records: Sequence[Record], outer: Sequence[str]) -> Figure:
    rows = []
    for record in records:
        means = {stage.name: stage.mean for stage in record.stages}
        parts = [
            Part(mean, place) for place, name in enumerate(outer) if (mean := means.get(name)) is not None
        ]
        rows.append((f"{record.bundle.name}: {record.setting.words}", parts))
    return bars(rows, "ms of a mean call", "The stages of a mean call, one after the other.")


def _split_cells(records: Sequence[Record]) -> Cells:
    seen = _measured(records)
    rows = [
        [
            record.bundle.name,
            *setting_cells(record),
            *(
                "–"
                if (s := times.get(name)) is None or s.mean is None
                else f"{s.mean:.3f} ({s.share or 0:.1%})"
                for times in [{stage.name: stage for stage in record.stages}]
                for name in seen
            ),
        ]
        for record in records
    ]
    return Cells([*_SETTING_COLUMNS, *(STAGES[name].words for name in seen)], rows)


def _reasons(records: Sequence[Record]) -> list[str]:
    """Why stages have no times."""
    return list(
        dict.fromkeys(
            f"{STAGES[stage.name].words}: {stage.reason}"
            for record in records
            for stage in record.stages
            if stage.reason is not None and stage.name != WAIT
        )
    )


def _accuracy(records: Sequence[Record], names: Sequence[str]) -> Figure:
    series = [
        Series(
            ((record.latency.p50, 100 * record.accuracy.miou),),
            names.index(record.bundle.name),
            line=False,
            markers=True,
        )
        for record in records
        if record.accuracy is not None
    ]
    return chart(
        series,
        Axis("median of a call, ms"),
        Axis("mIoU, %", from_zero=False),
        "A point for every bundle and setting.",
        wide=True,
    )


def _circumstances(records: Sequence[Record]) -> list[tuple[str, str]]:
    machine, first = records[0].machine, records[0]
    entries = {
        "measured by": first.command,
        "processor": f"{machine.cpu}, {machine.architecture}",
        "cores": f"{machine.usable_cores} of {machine.cores}",
        "instructions": " ".join(machine.flags) or "not known",
        "memory": "not known" if machine.memory_mb is None else f"{machine.memory_mb:,} MiB",
        "load before": "not known"
        if first.steadiness.load_before is None
        else f"{first.steadiness.load_before:.2f} (limit {first.steadiness.load_limit:.2f})",
        "versions": ", ".join(f"{name} {number}" for name, number in first.versions.items()),
        **{record.bundle.name: f"{record.engine} ({record.bundle.path})" for record in records},
    }
    return list(entries.items())


def _settings(records: Sequence[Record]) -> list[Setting]:
    return list(dict.fromkeys(record.setting for record in records))
