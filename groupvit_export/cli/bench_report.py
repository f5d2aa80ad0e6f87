"""Measurements and their comparison on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from groupvit_export.benchmark.compare import Comparison
from groupvit_export.benchmark.records import Record
from groupvit_export.benchmark.stages import STAGES, WAIT, StageTime
from groupvit_export.benchmark.text import (
    COLD_COLUMNS,
    LATENCY_COLUMNS,
    caution_lines,
    cold_rows,
    latency_row,
    setting_cells,
)
from groupvit_export.cli.tables import Block, Table, separated, table


def record_blocks(records: Sequence[Record]) -> list[Block]:
    """Tables of latencies, stages and cold starts, and the warnings below them."""
    first = records[0]
    image = first.image
    engines = dict.fromkeys(
        (record.bundle.name, record.engine, record.decode, record.runtime) for record in records
    )
    since = " (from when it was due)" if any(record.late for record in records) else ""
    parts: list[list[Block]] = [
        [
            f"{image.name}, {image.height}x{image.width} {image.format}"
            f"{' (resized)' if image.resized else ''}, {first.classes} classes, on {first.machine.cpu}, "
            f"{first.machine.usable_cores} of {first.machine.cores} cores"
        ],
        [
            "\n".join(
                f"  {name}: {engine}, {decode} decode{', C++ runtime' if runtime == 'cpp' else ''}"
                for name, engine, decode, runtime in engines
            )
        ],
        [f"Latency of a call in ms{since}:", _latencies(records)],
        ["Where the time of a call goes, mean in ms (share):", *_stages(records)],
    ]
    if any(record.cold for record in records):
        cold = table(["bundle", "threads", *COLD_COLUMNS], cold_rows(records), numbers_from=1)
        parts.append(["Fresh processes, medians in ms:", cold])
    parts.append([f"warning: {note}" for note in caution_lines(records)])
    return separated(parts)


def comparison_blocks(comparisons: Sequence[Comparison], max_regression: float | None) -> list[Block]:
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
    blocks: list[Block] = [
        f"first: {names[0][0]}, second: {names[0][1]}, {how}" if len(names) == 1 else how,
        table(header, rows, numbers_from=len(header) - 5),
        *(f"warning: {note}" for note in dict.fromkeys(n for c in comparisons for n in c.notes)),
    ]
    if max_regression is not None:
        bad = sum(c.regressed for c in comparisons)
        blocks.append(
            f"{bad} of {len(comparisons)} settings are slower by more than {max_regression:g} %, "
            "beyond the interval"
            if bad
            else f"no setting is slower by more than {max_regression:g} % beyond the interval"
        )
    return blocks


def _latencies(records: Sequence[Record]) -> Table:
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
    return table(header, rows, numbers_from=1)


def _stages(records: Sequence[Record]) -> list[Block]:
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
    return [table(header, rows, numbers_from=1), *reasons]


def _column(name: str) -> str:
    kind = STAGES[name]
    return f"{kind.words} (in {kind.inside})" if kind.inside else kind.words


def _seen(record: Record, name: str) -> StageTime | None:
    return next((stage for stage in record.stages if stage.name == name and stage.mean is not None), None)


def _time(stage: StageTime | None) -> str:
    return "-" if stage is None else f"{stage.mean:.3f} ({stage.share or 0:.1%})"
