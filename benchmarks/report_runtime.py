"""The page of figures, third part: what parts of the Python runtime cost, each by a script of its own."""

from __future__ import annotations

from benchmarks.markdown import Record, interval, measured_with, number, table


def soft_scores(record: Record) -> list[str]:
    """What `benchmarks.soft_scores` wrote; empty for not run."""
    rows = [
        [name, number(row["median_ms"]), ", ".join(interval(found, "×") for found in row["over"].values())]
        for name, row in record.get("sides", {}).items()
    ]
    parts = [table(["", "median, ms", "over the label map alone"], rows)]
    if not record:
        return parts
    setting = record["setting"]
    size = setting["image_px"]
    about = (
        f"An image file of {number(size['width'])} × {number(size['height'])} pixels with "
        f"{number(setting['classes'])} classes, published size, words encoded beforehand, in turns "
        f"(`benchmarks.soft_scores`, {number(setting['rounds'])} rounds); {record['runs']}."
    )
    return [*parts, about, measured_with(record["machine"], record["versions"])]


def folder(record: Record) -> list[str]:
    """What `benchmarks.folder` wrote; empty for not run."""
    rows = [
        [
            precision,
            name,
            number(row["images_per_s"]),
            interval(row["over_engine_alone"], "×"),
            interval(row["over_one_after_the_other"], "×"),
        ]
        for precision, sides in record.get("sides", {}).items()
        for name, row in sides.items()
    ]
    head = ["", "", "images a second", "over the engine alone", "over one after the other"]
    parts = [table(head, rows)]
    if not record:
        return parts
    setting = record["setting"]
    height, width = setting["image_px"]
    about = (
        f"{number(setting['images'])} JPEG files of {number(width)} × {number(height)} pixels, published "
        f"size, OpenVINO (`benchmarks.folder`, {number(setting['rounds'])} rounds)."
    )
    return [*parts, about, measured_with(record["machine"], record["versions"])]


def static_shapes(record: Record) -> list[str]:
    """What `benchmarks.static_shapes` wrote; empty for not run."""
    rows = [
        [
            number(row["batch"]),
            *(number(row["median_ms"][name]) for name in ("dynamic", "static")),
            interval(row["dynamic_over_static"], "×"),
            ", ".join(row["outputs_that_differ"]) or "none",
            *(number(row["memory_mib"][name]) for name in ("dynamic", "static_beside_it")),
        ]
        for row in record.get("batches", [])
    ]
    head = ["batch", "dynamic, ms", "static, ms", "dynamic over static", "outputs that differ"]
    parts = [table([*head, "memory, MiB", "of the static one beside it, MiB"], rows)]
    if not record:
        return parts
    load = record["load"]
    times = load["median_ms"]
    about = (
        f"Compiling takes {number(times['compiled'])} ms, reading what OpenVINO's cache kept "
        f"{number(times['from_cache'])} ms, of {number(load['cache_mb'])} MB (`benchmarks.static_shapes`)."
    )
    return [*parts, about, measured_with(record["machine"], record["versions"])]
