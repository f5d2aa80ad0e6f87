"""The measurements as text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from groupvit_export.benchmark.compare import Comparison
from groupvit_export.benchmark.records import Record
from groupvit_export.benchmark.stages import STAGES, WAIT, StageTime

LATENCY_COLUMNS: Final = ("p50", "p90", "p95", "p99", "min", "mean", "sd", "cv", "images/s", "drift")
COLD_COLUMNS: Final = (
    "processes",
    "import",
    "load",
    "first mask",
    "total",
    "slowest",
    "warm mask",
    "peak MiB",
)


def records_text(records: Sequence[Record]) -> str:
    """Tables of latencies, stages and cold starts, and the warnings below them."""
    first = records[0]
    image = first.image
    parts = [
        f"{image.name}, {image.height}x{image.width} {image.format}"
        f"{' (resized)' if image.resized else ''}, {first.classes} classes, on {first.machine.cpu}, "
        f"{first.machine.usable_cores} of {first.machine.cores} cores",
        "\n".join(
            f"  {name}: {engine}, {decode} decode{', C++ runtime' if runtime == 'cpp' else ''}"
            for name, engine, decode, runtime in dict.fromkeys(
                (r.bundle.name, r.engine, r.decode, r.runtime) for r in records
            )
        ),
        "Latency of a call in ms"
        + (" (from when it was due)" if any(r.late for r in records) else "")
        + ":\n"
        + _latencies(records),
        "Where the time of a call goes, mean in ms (share):\n" + _stages(records),
    ]
    if any(record.cold for record in records):
        parts.append("Fresh processes, medians in ms:\n" + _cold(records))
    if notes := caution_lines(records):
        parts.append("\n".join(f"warning: {note}" for note in notes))
    return "\n\n".join(parts)


def comparisons_text(comparisons: Sequence[Comparison], max_regression: float | None) -> str:
    """A table, the verdicts in words, and what makes them doubtful."""
    names = list(dict.fromkeys((c.first, c.second) for c in comparisons))
    header = ["setting", "first ms", "second ms", "second / first", "95 % interval", "the second is"]
    if len(names) > 1:
        header.insert(0, "first / second")
    rows = [
        [
            *([f"{c.first} / {c.second}"] if len(names) > 1 else []),
            c.setting,
            f"{c.first_ms:.3f}",
            f"{c.second_ms:.3f}",
            f"{c.interval.ratio:.3f}",
            f"{c.interval.low:.3f} to {c.interval.high:.3f}",
            c.verdict + (" (REGRESSION)" if c.regressed else ""),
        ]
        for c in comparisons
    ]
    how = (
        "measured in turn" if all(c.paired for c in comparisons) else "measured apart: drift does not cancel"
    )
    lines = [
        f"first: {names[0][0]}, second: {names[0][1]}, {how}" if len(names) == 1 else how,
        _table(header, rows),
        *(f"warning: {note}" for note in dict.fromkeys(n for c in comparisons for n in c.notes)),
    ]
    if max_regression is not None:
        bad = sum(c.regressed for c in comparisons)
        lines.append(
            f"{bad} of {len(comparisons)} settings are slower by more than {max_regression:g} %, "
            "beyond the interval"
            if bad
            else f"no setting is slower by more than {max_regression:g} % beyond the interval"
        )
    return "\n".join(lines)


def latency_row(record: Record) -> list[str]:
    """The cells of `LATENCY_COLUMNS`."""
    s = record.latency
    return [
        *(f"{v:.2f}" for v in (s.p50, s.p90, s.p95, s.p99, s.minimum, s.mean, s.standard_deviation)),
        f"{s.coefficient_of_variation:.1%}",
        f"{record.images_per_second:.1f}",
        f"{record.drift:.3f}",
    ]


def caution_lines(records: Sequence[Record]) -> list[str]:
    """A line for every kind of caution: the worst of it, and how many measurements it concerns."""
    kinds = dict.fromkeys(caution.kind for record in records for caution in record.cautions)
    lines = []
    for kind in kinds:
        found = [(c, record) for record in records for c in record.cautions if c.kind == kind]
        worst, record = max(found, key=lambda item: item[0].severity)
        if len({caution.text for caution, _ in found}) == 1 and len(found) == len(records):
            lines.append(worst.text)
        elif len(found) == 1:
            lines.append(f"{worst.text} ({record.bundle.name}, {record.setting.words})")
        else:
            lines.append(
                f"{worst.text} ({record.bundle.name}, {record.setting.words}, the worst of {len(found)} "
                f"such measurements out of {len(records)})"
            )
    return lines


def cold_rows(records: Sequence[Record]) -> list[list[str]]:
    """Name, threads and `COLD_COLUMNS` of every bundle, once for each number of threads."""
    found = {
        (record.bundle.name, record.setting.threads): (record, record.cold)
        for record in records
        if record.cold is not None
    }
    return [
        [
            record.bundle.name,
            setting_cells(record)[0],
            str(cold.processes),
            *(
                f"{ms:.1f}"
                for ms in (
                    cold.import_ms,
                    cold.load_ms,
                    cold.first_mask_ms,
                    cold.total_ms,
                    cold.slowest_total_ms,
                    cold.warm_mask_ms,
                )
            ),
            "-" if cold.peak_resident_mb is None else f"{cold.peak_resident_mb:.0f}",
        ]
        for record, cold in found.values()
    ]


def setting_cells(record: Record) -> list[str]:
    """Threads, batch and streams."""
    setting = record.setting
    return [
        "auto" if setting.threads is None else str(setting.threads),
        str(setting.batch),
        str(setting.streams),
    ]


def _latencies(records: Sequence[Record]) -> str:
    paced = any(record.late for record in records)
    header = ["bundle", "threads", "batch", "streams", *LATENCY_COLUMNS, *(["late"] if paced else [])]
    rows = [
        [
            record.bundle.name,
            *setting_cells(record),
            *latency_row(record),
            *([f"{record.late.late}/{record.late.calls}"] if record.late else []),
        ]
        for record in records
    ]
    return _table(header, rows)


def _stages(records: Sequence[Record]) -> str:
    shown = [name for name in STAGES if any(_seen(r, name) is not None for r in records)]
    header = ["bundle", "threads", "batch", "streams", *(_column(name) for name in shown)]
    rows = [
        [
            record.bundle.name,
            *setting_cells(record),
            *(_time(_seen(record, name)) for name in shown),
        ]
        for record in records
    ]
    reasons = dict.fromkeys(
        f"  {STAGES[stage.name].words}: {stage.reason}"
        for record in records
        for stage in record.stages
        if stage.reason is not None and stage.name != WAIT
    )
    return "\n".join([_table(header, rows), *reasons])


def _column(name: str) -> str:
    kind = STAGES[name]
    return f"{kind.words} (in {kind.inside})" if kind.inside else kind.words


def _seen(record: Record, name: str) -> StageTime | None:
    return next((stage for stage in record.stages if stage.name == name and stage.mean is not None), None)


def _time(stage: StageTime | None) -> str:
    return "-" if stage is None else f"{stage.mean:.3f} ({stage.share or 0:.1%})"


def _cold(records: Sequence[Record]) -> str:
    return _table(["bundle", "threads", *COLD_COLUMNS], cold_rows(records))


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Names to the left, numbers to the right."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in [header, ["-" * width for width in widths], *rows]
    )
