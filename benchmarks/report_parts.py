"""The page of figures, second part: what is measured beside the sides, a table each kind of processor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from benchmarks.kinds import TITLES
from benchmarks.markdown import NOT_RUN, Record, interval, number, table

_FRESH: Final = ("import_s", "load_s", "first_mask_s", "total_s", "peak_resident_mb")


def fresh(peers: Mapping[str, Record]) -> list[str]:
    """Memory and cold start."""
    rows = []
    for kind, record in peers.items():
        for row in record.get("fresh", {}).get("rows", {}).values():
            values = (
                [f"{NOT_RUN}: {row['not_run']}", *[NOT_RUN] * 4]
                if "not_run" in row
                else [number(row[key]) for key in _FRESH]
            )
            rows.append([TITLES[kind], row["title"], *values])
    head = ["", "", "import, s", "load, s", "first mask, s", "together, s", "peak memory, MiB"]
    return [table(head, rows)]


def throughput(peers: Mapping[str, Record]) -> list[str]:
    """Images a second."""
    tried, best = [], []
    for kind, record in peers.items():
        part = record.get("throughput", {})
        if "not_run" in part:
            tried.append([TITLES[kind], f"{NOT_RUN}: {part['not_run']}", *[NOT_RUN] * 2])
        if "best" not in part:
            continue
        tried += [
            [TITLES[kind], *(number(row[key]) for key in ("batch", "streams", "images_per_s"))]
            for row in part["chosen_from"]
        ]
        chosen = part["best"]
        best.append(
            [
                TITLES[kind],
                f"batch {number(chosen['batch'])}, streams: {number(chosen['streams'])}",
                ", ".join(number(row["images_per_s"]) for row in part["measured"]),
                interval(part["over_alone"], "×"),
                part["runs"],
            ]
        )
    head = ["", "fastest", "images a second: one after the other, fastest", "ratio", "runs"]
    return [
        table(["", "batch", "streams", "images a second"], tried),
        "The image engine of the default export. Every combination ran in turn; the fastest was then "
        "measured anew beside one image after the other with all threads.",
        table(head, best),
    ]


def windows(peers: Mapping[str, Record]) -> list[str]:
    """The paper's protocol."""
    rows, about = [], ""
    for kind, record in peers.items():
        part = record.get("windows", {})
        if "not_run" in part:
            rows.append([TITLES[kind], f"{NOT_RUN}: {part['not_run']}", *[NOT_RUN] * 4])
        if "over_ours" not in part:
            continue
        median = ", ".join(f"{name}: {number(value)}" for name, value in part["median_ms"].items())
        rows.append(
            [
                TITLES[kind],
                median,
                interval(part["over_ours"], "×"),
                f"{number(part['agreement_percent'])} %",
                part["runs"],
            ]
        )
        setting = part["cut"]
        size = setting["image_px"]
        about = (
            f"An image of {number(size['width'])} × {number(size['height'])} pixels by the paper's protocol, "
            f"{number(setting['windows'])} windows of {number(setting['window_px'])} pixels, file in, label "
            "map out, words encoded beforehand on both sides. The peer is our reference model in float32: "
            "transformers' cannot run at this size."
        )
    head = ["", "median, ms", "theirs over ours", "pixels alike", "runs"]
    return [table(head, rows), *([about] if about else [])]


def cpp(peers: Mapping[str, Record]) -> list[str]:
    """The C++ runtime."""
    rows, sizes = [], []
    for kind, record in peers.items():
        part = record.get("cpp", {})
        if "not_run" in part:
            rows.append([TITLES[kind], f"{NOT_RUN}: {part['not_run']}", *[NOT_RUN] * 5])
        if "image" not in part:
            continue
        rows += [
            _cpp_row(kind, "640×480 pixels to label map", part["image"], "engine"),
            _cpp_row(kind, "start to first label map", part["cold_start"], "bare_openvino"),
        ]
        sizes.append(
            "The library without engines, stripped: "
            f"{number(part['library_without_engines_bytes'])} bytes ({TITLES[kind]})."
        )
    head = ["", "", "Python, ms", "C++, ms", "OpenVINO alone, ms", "C++ over Python", "floor"]
    return [
        table(head, rows),
        "The default export. Both take turns, a process each, and starts process by process; medians, in "
        "brackets the interval of their ratio. The floor is OpenVINO alone over Python: no runtime upon it "
        "can be below.",
        *sizes,
    ]


def _cpp_row(kind: str, what: str, found: Mapping[str, Any], alone: str) -> list[str]:
    return [
        TITLES[kind],
        what,
        *(number(found[f"{side}_ms"]["median"]) for side in ("python", "cpp", alone)),
        interval(found["cpp_over_python"], "×"),
        interval(found[f"{alone}_over_python"], "×"),
    ]
