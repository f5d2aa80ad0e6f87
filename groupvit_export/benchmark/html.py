"""The measurements as one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

import numpy as np

from groupvit_export.benchmark.compare import Comparison
from groupvit_export.benchmark.records import Record
from groupvit_export.benchmark.settings import Setting
from groupvit_export.benchmark.stages import STAGES, WAIT
from groupvit_export.benchmark.svg import COLORS, Axis, Part, Series, bars, chart, color
from groupvit_export.benchmark.text import (
    COLD_COLUMNS,
    LATENCY_COLUMNS,
    caution_lines,
    cold_rows,
    latency_row,
    setting_cells,
)

_STYLE: Final = """
:root { color-scheme: light; font: 15px/1.45 system-ui, sans-serif; color: #1c1e21; background: #fff; }
body { max-width: 66rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0 0 .3rem; } h2 { font-size: 1.15rem; margin: 2rem 0 .4rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .25rem .5rem; border-bottom: 1px solid #e2e4e8; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; } th { font-weight: 600; }
.about, figcaption { color: #5c6169; font-size: .88rem; } .scroll { overflow-x: auto; }
.warning { border-left: 4px solid #b26a00; padding: .3rem .8rem; background: #fff6e5; margin: .4rem 0; }
.bad { border-left-color: #c62828; background: #fde7e7; }
.slower { color: #c62828; font-weight: 600; } .faster { color: #2e7d32; font-weight: 600; }
.charts { display: flex; flex-wrap: wrap; gap: 1rem; } figure { margin: .4rem 0; }
.key span { display: inline-block; margin-right: 1.1rem; }
.key i { display: inline-block; width: .9rem; height: .9rem; margin-right: .35rem; vertical-align: -.1rem; }
svg { max-width: 100%; height: auto; } svg text { font-size: 11.5px; fill: #3c4047; }
svg .title { font-size: 12px; fill: #5c6169; } svg .grid { stroke: #e8eaee; } svg .axis { stroke: #9aa0a8; }
svg polyline { stroke-width: 2; stroke-linejoin: round; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; } dt { color: #5c6169; }
dd { margin: 0; overflow-wrap: anywhere; }
"""


def html_report(records: Sequence[Record], comparisons: Sequence[Comparison] = ()) -> str:
    """The whole page.

    Args:
        records: at least one.
        comparisons: of them; empty for none.

    Returns:
        HTML with its charts inside.
    """
    names = list(dict.fromkeys(record.bundle.name for record in records))
    title = f"groupvit bench: {', '.join(names)}"
    sections = [
        f"<h1>{escape(', '.join(names))}</h1>",
        _about(records[0]),
        _warnings(records),
        _compared(comparisons),
        "<h2>Latency of a call</h2>",
        _latencies(records),
        _distributions(records, names),
        _throughput(records, names),
        _split(records),
        _accuracy(records, names),
        _cold(records),
        _circumstances(records),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body>{''.join(sections)}</body></html>\n"
    )


def _about(record: Record) -> str:
    image = record.image
    resized = ", resized" if image.resized else ""
    return (
        f"<p class='about'>{escape(image.name)}, {image.height}×{image.width} "
        f"{escape(image.format)}{resized}, {record.classes} classes, {record.decode} decode; "
        f"{escape(record.machine.cpu)}, {record.machine.usable_cores} of {record.machine.cores} cores; "
        f"{escape(record.created)}</p>"
    )


def _warnings(records: Sequence[Record]) -> str:
    return "".join(f'<div class="warning">{escape(line)}</div>' for line in caution_lines(records))


def _compared(comparisons: Sequence[Comparison]) -> str:
    if not comparisons:
        return ""
    rows = [
        [
            escape(c.setting),
            escape(c.first),
            escape(c.second),
            f"{c.first_ms:.3f}",
            f"{c.second_ms:.3f}",
            f"{c.interval.ratio:.3f}",
            f"{c.interval.low:.3f} to {c.interval.high:.3f}",
            f'<span class="{c.verdict.split()[0]}">{c.verdict}{", regression" if c.regressed else ""}</span>',
        ]
        for c in comparisons
    ]
    header = [
        "setting",
        "first",
        "second",
        "first ms",
        "second ms",
        "ratio",
        "95 % interval",
        "the second is",
    ]
    notes = dict.fromkeys(note for c in comparisons for note in c.notes)
    return (
        "<h2>Comparison of the medians</h2>"
        + "".join(f'<div class="warning bad">{escape(note)}</div>' for note in notes)
        + _table(header, rows)
        + "<p class='about'>Second over first; the interval is a percentile bootstrap over rounds. Where it "
        "contains 1, no difference was shown.</p>"
    )


def _latencies(records: Sequence[Record]) -> str:
    rows = [
        [
            escape(record.bundle.name),
            *setting_cells(record),
            *latency_row(record),
            f"{record.late.late} of {record.late.calls}" if record.late else "–",
        ]
        for record in records
    ]
    header = ["bundle", "threads", "batch", "streams", *LATENCY_COLUMNS, "late"]
    if not any(record.late for record in records):
        header, rows = header[:-1], [row[:-1] for row in rows]
    since = (
        "From when a call was due, so that waiting shows. " if any(record.late for record in records) else ""
    )
    return _table(header, rows) + (
        f"<p class='about'>Milliseconds. {since}A call hands over as many images as the batch has; sd: "
        "standard deviation; cv: the same over the mean; drift: median of the last quarter over that of the "
        "first.</p>"
    )


def _distributions(records: Sequence[Record], names: Sequence[str]) -> str:
    figures = []
    for setting in _settings(records):
        series = [
            Series(r.bundle.name, _cumulative(r), names.index(r.bundle.name))
            for r in records
            if r.setting == setting
        ]
        axis = Axis("share of the calls, %", top=100, ticks=(0, 25, 50, 75, 100))
        figures.append(
            f"<figure>{chart(series, Axis('ms', from_zero=False), axis)}"
            f"<figcaption>{escape(setting.words)}</figcaption></figure>"
        )
    return (
        "<h2>Distribution</h2><p class='about'>How many of the calls took at most so long; the scales "
        f'differ.</p>{_key(names)}<div class="charts">{"".join(figures)}</div>'
    )


def _cumulative(record: Record) -> tuple[tuple[float, float], ...]:
    values = np.sort(record.samples, axis=None)
    # A page of a long run needs no more points than a screen has pixels.
    places = np.unique(np.linspace(0, len(values) - 1, min(len(values), 400)).round().astype(int))
    return (
        (float(values[0]), 0.0),
        *((float(values[i]), 100 * (i + 1) / len(values)) for i in places.tolist()),
    )


def _throughput(records: Sequence[Record], names: Sequence[str]) -> str:
    batches = sorted({record.setting.batch for record in records})
    if len(batches) < 2:
        return ""
    figures = []
    for threads, streams in dict.fromkeys((r.setting.threads, r.setting.streams) for r in records):
        series = []
        for place, name in enumerate(names):
            points = [
                (float(r.setting.batch), r.images_per_second)
                for r in records
                if (r.bundle.name, r.setting.threads, r.setting.streams) == (name, threads, streams)
            ]
            series.append(Series(name, tuple(sorted(points)), place, markers=True))
        figures.append(
            "<figure>"
            + chart(series, Axis("batch", ticks=tuple(map(float, batches))), Axis("images a second"))
            + f"<figcaption>{'auto threads' if threads is None else f'threads: {threads}'}, "
            f"streams: {streams}</figcaption></figure>"
        )
    return f'<h2>Throughput</h2>{_key(names)}<div class="charts">{"".join(figures)}</div>'


def _split(records: Sequence[Record]) -> str:
    shown = [name for name, kind in STAGES.items() if kind.inside is None]
    rows = []
    for record in records:
        times = {stage.name: stage for stage in record.stages}
        parts = [
            Part(stage.mean, place, f"{STAGES[name].words}: {stage.mean:.3f} ms ({stage.share or 0:.1%})")
            for place, name in enumerate(shown)
            if (stage := times.get(name)) is not None and stage.mean is not None
        ]
        rows.append((f"{record.bundle.name}: {record.setting.words}", parts))
    seen = [
        name
        for name in STAGES
        if any(stage.name == name and stage.mean is not None for r in records for stage in r.stages)
    ]
    header = ["bundle", "threads", "batch", "streams", *(STAGES[name].words for name in seen)]
    cells = [
        [
            escape(record.bundle.name),
            *setting_cells(record),
            *(
                "–" if (mean := means.get(name)) is None else f"{mean:.3f}"
                for means in [{stage.name: stage.mean for stage in record.stages}]
                for name in seen
            ),
        ]
        for record in records
    ]
    reasons = dict.fromkeys(
        f"{STAGES[stage.name].words}: {stage.reason}"
        for record in records
        for stage in record.stages
        if stage.reason is not None and stage.name != WAIT
    )
    return (
        "<h2>Where the time of a call goes</h2>"
        + _swatches([(color(place), STAGES[name].words) for place, name in enumerate(shown) if name in seen])
        + f'<div class="scroll">{bars(rows, "ms of a mean call")}</div>{_table(header, cells)}'
        + "".join(f"<p class='about'>{escape(reason)}</p>" for reason in reasons)
    )


def _accuracy(records: Sequence[Record], names: Sequence[str]) -> str:
    known = [(record, record.accuracy) for record in records if record.accuracy is not None]
    if not known:
        return ""
    series = [
        Series(
            f"{record.bundle.name}, {record.setting.words}",
            ((record.latency.p50, 100 * accuracy.miou),),
            names.index(record.bundle.name),
            line=False,
            markers=True,
        )
        for record, accuracy in known
    ]
    sources = dict.fromkeys(
        f"{record.bundle.name}: {100 * accuracy.miou:.2f} % on {accuracy.images} images of "
        + accuracy.dataset
        + (" (part of the data set)" if accuracy.partial else "")
        for record, accuracy in known
    )
    return (
        f"<h2>Accuracy against latency</h2>{_key(names)}<figure>"
        + chart(series, Axis("median of a call, ms"), Axis("mIoU, %", from_zero=False), width=620, height=320)
        + f"</figure><p class='about'>{'<br>'.join(map(escape, sources))}</p>"
    )


def _cold(records: Sequence[Record]) -> str:
    rows = [[escape(cell) for cell in row] for row in cold_rows(records)]
    if not rows:
        return ""
    return (
        "<h2>Cold start</h2>"
        + _table(["bundle", "threads", *COLD_COLUMNS], rows)
        + "<p class='about'>Milliseconds in fresh processes, medians; memory is the most of any.</p>"
    )


def _circumstances(records: Sequence[Record]) -> str:
    machine, first = records[0].machine, records[0]
    entries = {
        "command": first.command,
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
    return "<h2>Circumstances</h2><dl>" + (
        "".join(f"<dt>{escape(key)}</dt><dd>{escape(value)}</dd>" for key, value in entries.items()) + "</dl>"
    )


def _settings(records: Sequence[Record]) -> list[Setting]:
    return list(dict.fromkeys(record.setting for record in records))


def _key(names: Sequence[str]) -> str:
    return _swatches([(COLORS[place % len(COLORS)], name) for place, name in enumerate(names)])


def _swatches(entries: Sequence[tuple[str, str]]) -> str:
    items = "".join(f'<span><i style="background:{c}"></i>{escape(name)}</span>' for c, name in entries)
    return f'<p class="key">{items}</p>'


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>'
