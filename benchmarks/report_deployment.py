"""The page of figures, fourth part: other targets, a server, and bulk, each by a script of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.markdown import NOT_RUN, Record, interval, measured_with, number, table


def litert(record: Record) -> list[str]:
    """What `benchmarks.litert` wrote; empty for not run."""
    rows = []
    for name, bundle in record.get("bundles", {}).items():
        times = [
            cell
            for call in ("image", "text")
            for cell in (number(record[call][name]["median_ms"]), _over_first(record[call][name]))
        ]
        sizes = [number(bundle["facts"]["megabytes"][role]) for role in ("image", "text")]
        rows.append([name, bundle["runs"], *times, *sizes])
    rows += [
        [name, f"{NOT_RUN}: {reason}", *[NOT_RUN] * 6] for name, reason in record.get("not_run", {}).items()
    ]
    head = ["bundle", "", "image engine, ms", "over the first", "text engine, ms", "over the first"]
    parts = [table([*head, "image, MB", "text, MB"], rows)]
    if not record:
        return parts
    setting = record["setting"]
    about = (
        "One image, and one sentence of full length; below one is faster than the first "
        f"(`benchmarks.litert`, {number(setting['rounds'])} rounds of {number(setting['calls'])} calls)."
    )
    return [*parts, about, measured_with(record["machine"], record["versions"])]


def _over_first(row: Mapping[str, Any]) -> str:
    return ", ".join(interval(found, "×") for found in row["over"].values()) or "–"


def serving(record: Record) -> list[str]:
    """What `benchmarks.serving` wrote; empty for not run."""
    rows = []
    if record:
        callers = number(record["setting"]["callers"])
        rows = [
            ["the runtime in a loop", number(record["loop_per_second"]), "–", "–", "–"],
            *(
                _load_row(f"the server, {callers} callers, a round", found)
                for found in record.get("saturated", [])
            ),
            _load_row("the server, one caller", record["one_caller"]),
            _load_row(f"the server, {number(record['many']['requests'])} requests", record["many"]),
            _load_row("malformed requests", record["malformed"]),
        ]
    parts = [table(["", "a second", "median, ms", "95th percentile, ms", "answers by status"], rows)]
    if not record:
        return parts
    memory = record["memory_mib"]
    about = (
        f"Demo checkpoint, on the loopback (`benchmarks.serving`). The server, over the loop: "
        f"{number(record['server_to_loop'])}×, of the medians of rounds. Memory over the "
        f"{number(record['many']['requests'])} requests: {number(memory['before'])} to "
        f"{number(memory['after'])} MiB, {number(memory['growth_percent'])} %. Good requests after the "
        f"malformed ones, by status: {_statuses(record['afterwards'])}. {record['runs']}."
    )
    return [*parts, about, measured_with(record["machine"], record["versions"])]


def _load_row(name: str, found: Mapping[str, Any]) -> list[str]:
    times = found["milliseconds"]
    return [
        name,
        number(found["per_second"]),
        number(times["p50"]),
        number(times["p95"]),
        _statuses(found["statuses"]),
    ]


def _statuses(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{status}: {number(count)}" for status, count in counts.items())


def bulk(record: Record) -> list[str]:
    """What `benchmarks.bulk` wrote; empty for not run."""
    rows = [
        [name, number(row["images_per_s"]), interval(row["time_over_loop"], "×"), number(row["startup_s"])]
        for name, row in record.get("sides", {}).items()
    ]
    parts = [table(["", "images a second", "time of an image, over the loop", "until the first, s"], rows)]
    if not record:
        return parts
    setting = record["setting"]
    height, width = setting["image_px"]
    about = (
        f"One actor beside one process that does the same in a loop; {number(setting['images'])} JPEG files "
        f"of {number(width)} × {number(height)} pixels, label maps written as PNG; threads of an engine: "
        f"{number(setting['threads'])} (`benchmarks.bulk`, {number(setting['rounds'])} rounds); "
        f"{setting['engine']}. Startup is not in the time of an image."
    )
    return [*parts, about, measured_with(record["machine"], record["versions"])]
