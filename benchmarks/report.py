"""Rewrite docs/benchmarks.md from the results alone: no number of the page comes from anywhere else.

Usage: python -m benchmarks.report
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.markdown import NOT_RUN, Record, int8_weights, interval, number, spread, table
from benchmarks.record import RESULTS
from benchmarks.report_demo import demo_sections

_ROOT = Path(__file__).parent.parent
PAGE: Final = _ROOT / "docs" / "benchmarks.md"

_PRECISIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "float32": ("ours-openvino", "ours-onnxruntime"),
    "bf16": ("ours-openvino-bf16",),
    "int8": ("ours-openvino-int8", "ours-onnxruntime-int8"),
}
"""Our bundles in each precision, beside which the others of that precision stand."""
_LOWER: Final[Mapping[str, str]] = {
    "ours-openvino-bf16": "bf16",
    "transformers-bf16": "bf16",
    "transformers-bf16-cached": "bf16",
    "plain-openvino-bf16": "bf16",
    "ours-openvino-int8": "int8",
    "ours-onnxruntime-int8": "int8",
    "plain-openvino-int8": "int8",
}
"""The precision of the sides that do not compute in float32."""


@dataclass(frozen=True)
class Results:
    """What the benchmarks wrote, each by the script of its name; empty for not run."""

    peers: Record = field(default_factory=dict)
    roofline: Record = field(default_factory=dict)
    throughput: Record = field(default_factory=dict)
    windows: Record = field(default_factory=dict)
    cpp: Record = field(default_factory=dict)
    evaluation: Record = field(default_factory=dict)
    precisions: Record = field(default_factory=dict)


def main() -> None:
    """Write the page."""
    PAGE.write_text(render(read_results()), encoding="utf-8")


def read_results() -> Results:
    """What is in `benchmarks/results`."""
    names = Results.__dataclass_fields__
    return Results(**{name: _read(RESULTS / f"{name.replace('_', '-')}.json") for name in names})


def render(results: Results) -> str:
    """The page."""
    peers = results.peers
    parts = [
        "# Figures",
        "Written by `python -m benchmarks.report` from the files in `benchmarks/results`, each by the script "
        "of its name; `make bench` measures anew. Do not edit. Times are of the full-size architecture with "
        "random weights, label maps of the demo checkpoint.",
        *_cautions(peers),
        "## Image in, label map out",
        *_times(peers, "image"),
        "## Image engine only",
        *_times(peers, "engine"),
        "## Do they compute the same?",
        _agreements(peers),
        "## Memory and cold start",
        _fresh(peers),
        "## Images a second",
        *_throughput(results.throughput),
        "## Sliding windows",
        *_windows(results.windows),
        "## C++ beside Python",
        *_cpp(results.cpp),
        "## Roofline",
        *_roofline(results.roofline),
        *demo_sections(results.evaluation, results.precisions),
        "## How it was measured",
        *_how(peers),
    ]
    return "\n\n".join(parts) + "\n"


def _cautions(peers: Record) -> list[str]:
    cautions = peers.get("cautions", [])
    return ["**Doubtful figures:** " + "; ".join(cautions) + "."] if cautions else []


def _times(peers: Record, what: str) -> list[str]:
    """A table for each precision: int8 stands beside int8."""
    sides = peers.get("sides", {})
    parts = []
    for precision, ours in _PRECISIONS.items():
        rows = []
        for name, side in sides.items():
            if _LOWER.get(name, "float32") != precision or (what == "engine" and not side["engine"]):
                continue
            row = peers.get(what, {}).get(name)
            if row is None:
                why = f"{NOT_RUN}: {side['not_run']}" if "not_run" in side else NOT_RUN
                rows.append([side["title"], why, *[NOT_RUN] * (2 + len(ours))])
                continue
            cells = [number(row[key]) for key in ("median_ms", "p05_ms", "p95_ms")]
            over = ["–" if own == name else interval(row["over"].get(own), "×") for own in ours]
            rows.append([side["title"], *cells, *over])
        titles = [sides.get(name, {}).get("title", name) for name in ours]
        head = [precision, "median, ms", "p05", "p95", *(f"over {title}" for title in titles)]
        parts.append(table(head, rows))
    return parts


def _agreements(peers: Record) -> str:
    rows = []
    for side in peers.get("sides", {}).values():
        found = side.get("agreement")
        if found is None:
            rows.append([side["title"], side.get("not_run", ""), *[NOT_RUN] * 2])
            continue
        largest = ", ".join(f"{name} {number(value)}" for name, value in found["largest_difference"].items())
        rows.append([side["title"], side["runs"], f"{number(found['pixels'])} %", largest or "–"])
    reference = (
        peers.get("sides", {}).get(_PRECISIONS["float32"][0], {}).get("title", _PRECISIONS["float32"][0])
    )
    return table(["", "runs", f"pixels as with {reference}", "largest difference, relative"], rows)


def _fresh(peers: Record) -> str:
    rows = [
        [
            row["title"],
            *(
                number(row[key])
                for key in ("import_s", "load_s", "first_mask_s", "total_s", "peak_resident_mb")
            ),
        ]
        for row in peers.get("fresh", {}).values()
    ]
    return table(["", "import, s", "load, s", "first mask, s", "together, s", "peak memory, MiB"], rows)


def _throughput(throughput: Record) -> list[str]:
    rows = [
        [number(row["batch"]), number(row["streams"]), number(row["images_per_s"])]
        for row in throughput.get("chosen_from", [])
    ]
    best = throughput.get("best", {})
    fastest = [
        [
            f"batch {number(best['batch'])}, streams: {number(best['streams'])}",
            ", ".join(number(row["images_per_s"]) for row in throughput["measured"]),
            interval(throughput["over_alone"], "×"),
        ]
        for _ in throughput.get("measured", [])[:1]
    ]
    return [
        table(["batch", "streams", "images a second"], rows),
        "The image engine of the OpenVINO bundle in float32. Every combination ran in turn; the fastest was "
        "then measured anew beside one image after the other with all threads.",
        table(["fastest", "images a second: one after the other, fastest", "ratio"], fastest),
    ]


def _windows(windows: Record) -> list[str]:
    median = windows.get("median_ms", {})
    rows = [[name, number(value)] for name, value in median.items()]
    ratio = [
        [interval(windows["over_ours"], "×"), f"{number(windows['agreement_percent'])} %"]
        for _ in list(median)[:1]
    ]
    setting = windows.get("setting", {})
    size = setting.get("image_px", {})
    measured = (
        f"An image of {number(size.get('width'))} × {number(size.get('height'))} pixels by the paper's "
        f"protocol, {number(setting.get('windows'))} windows of {number(setting.get('window_px'))} pixels, "
        "file in, label map out, words encoded beforehand on both sides. The peer is our reference model in "
        "float32: transformers' cannot run at this size."
    )
    return [
        table(["", "median, ms"], rows),
        *([measured] if windows else []),
        table(["theirs over ours", "pixels alike"], ratio),
    ]


def _cpp(cpp: Record) -> list[str]:
    image, cold = (cpp.get(name, {}) for name in ("image_640x480", "cold_start"))
    rows = []
    if cpp:
        rows = [
            [
                what,
                *(number(found[f"{side}_ms"]["median"]) for side in ("python", "cpp", alone)),
                spread(found["cpp_over_python"]),
                spread(found[f"{alone}_over_python"]),
            ]
            for what, found, alone in (
                ("640×480 pixels to label map", image, "engine"),
                ("start to first label map", cold, "bare_openvino"),
            )
        ]
    size = f"The library without engines, stripped: {number(cpp.get('library_without_engines_bytes'))} bytes."
    return [
        table(["", "Python, ms", "C++, ms", "OpenVINO alone, ms", "C++ over Python", "floor"], rows),
        "Calls take turns in one process, starts process by process; medians, in brackets the 5th and 95th "
        "percentile of the ratios, pair by pair. The floor is OpenVINO alone over Python: no runtime upon it "
        "can be below.",
        *([size] if cpp else []),
    ]


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
    ]


def _how(peers: Record) -> list[str]:
    if not peers:
        return [NOT_RUN]
    setting, machine, versions = peers["setting"], peers["machine"], peers["versions"]
    image, load = setting["image_px"], peers["load_average"]
    threads = setting["threads"]
    return [
        f"{machine['cpu']}, {number(machine['usable_cores'])} of {number(machine['cores'])} cores, "
        f"{', '.join(machine['flags'])}; "
        + ", ".join(f"{name} {version}" for name, version in versions.items())
        + f". Load average before the start {number(load['before'])}."
        + int8_weights(versions),
        f"- {setting['weights']}; a JPEG of {number(image['width'])}×{number(image['height'])}, "
        f"{number(setting['classes'])} classes of which {number(setting['labels_in_the_map'])} "
        f"are in the label map, input of {number(setting['input_px'])} pixels, "
        f"batch {number(setting['batch'])}. {setting['text']}.\n"
        f"- One process. The sides take turns call by call, {number(setting['rounds'])} rounds after "
        f"{number(setting['warm_up'])} to warm up, with {number(setting['pause_ms'])} ms of rest before "
        "each call. The order is the row of a square in which each has every place and follows every other "
        "equally often, if the rounds are a multiple of the sides (of twice the sides for an odd number).\n"
        f"- Threads: {'each side its own choice' if threads is None else number(threads)}; torch uses "
        f"{number(setting['torch_threads'])}.\n"
        f"- Ratios are of medians, theirs over ours: above one, ours is faster. In brackets the "
        f"{number(setting['interval_percent'])} % interval of a paired bootstrap of rounds, "
        f"{number(setting['resamples'])} resamples.\n"
        f"- Preprocessing of the peers: {setting['preprocessing_of_peers']}; "
        f"torchvision is {setting['torchvision']}.\n"
        f"- {setting['decoding_of_peers']}.\n"
        f"- {setting['bundles']}.\n"
        "- Nothing is timed before the label maps were compared: a side that computes in float32 and agrees "
        f"on less than {number(setting['least_agreement_percent'])} % of the pixels stops the benchmark.\n"
        "- Memory and cold start are medians of fresh processes that take turns, files in the page cache.",
    ]


def _read(path: Path) -> Record:
    record: Record = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return record


if __name__ == "__main__":
    main()
