"""Rewrite docs/benchmarks.md from the results alone: no number of the page comes from anywhere else.

Usage: python -m benchmarks.report
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.record import RESULTS

NOT_RUN: Final = "not run"

_ROOT = Path(__file__).parent.parent
_PAGE = _ROOT / "docs" / "benchmarks.md"
_OURS: Final = ("ours-openvino", "ours-onnxruntime")

Record = Mapping[str, Any]


def main() -> None:
    peers, roofline, throughput, windows, cpp = (
        _read(RESULTS / f"{name}.json") for name in ("peers", "roofline", "throughput", "windows", "cpp")
    )
    _PAGE.write_text(render(peers, roofline, throughput, windows, cpp), encoding="utf-8")


def render(peers: Record, roofline: Record, throughput: Record, windows: Record, cpp: Record) -> str:
    """The page.

    Args:
        peers: what `benchmarks.peers` wrote; empty for not run.
        roofline: what `benchmarks.roofline` wrote; empty for not run.
        throughput: what `benchmarks.throughput` wrote; empty for not run.
        windows: what `benchmarks.windows` wrote; empty for not run.
        cpp: what `benchmarks.cpp` wrote; empty for not run.
    """
    parts = [
        "# Beside what one would otherwise use",
        "Written by `python -m benchmarks.report` from the files of `peers`, `roofline`, `throughput`, "
        "`windows` and `cpp` in `benchmarks/results`; `make bench` runs everything. Do not edit.",
        *_cautions(peers),
        "## Targets",
        _targets(peers),
        "## Image in, label map out",
        _times(peers, "image"),
        "## Image engine only",
        _times(peers, "engine"),
        "## Do they compute the same?",
        _agreements(peers),
        "## Memory and cold start",
        _fresh(peers),
        "## Images a second",
        *_throughput(throughput),
        "## Sliding windows",
        *_windows(windows),
        "## C++ beside Python",
        *_cpp(cpp),
        "## Roofline",
        *_roofline(roofline),
        "## How it was measured",
        *_how(peers),
    ]
    return "\n\n".join(parts) + "\n"


def _cautions(peers: Record) -> list[str]:
    cautions = peers.get("cautions", [])
    return ["**Doubtful figures:** " + "; ".join(cautions) + "."] if cautions else []


def _targets(peers: Record) -> str:
    rows = []
    for target in peers.get("targets", []):
        unit = "×" if target["unit"] == "times" else " %"
        sign = "≥" if target["bound"] == "at least" else "≤"
        verdict = target["verdict"] + (f": {target['why']}" if target["why"] else "")
        rows.append(
            [
                target["what"],
                target["ours"] or "–",
                f"{sign} {_number(target['goal'])}{unit}",
                _interval(target["reached"], unit),
                verdict,
            ]
        )
    return _table(["target", "ours", "goal", "measured", ""], rows)


def _times(peers: Record, table: str) -> str:
    sides = peers.get("sides", {})
    rows = []
    for name, side in sides.items():
        if table == "engine" and not side["engine"]:
            continue
        row = peers.get(table, {}).get(name)
        if row is None:
            why = f"{NOT_RUN}: {side['not_run']}" if "not_run" in side else NOT_RUN
            rows.append([side["title"], why, *[NOT_RUN] * 4])
            continue
        cells = [_number(row[key]) for key in ("median_ms", "p05_ms", "p95_ms")]
        over = ["–" if ours == name else _interval(row["over"].get(ours), "×") for ours in _OURS]
        rows.append([side["title"], *cells, *over])
    titles = [sides.get(name, {}).get("title", name) for name in _OURS]
    return _table(["", "median, ms", "p05", "p95", *(f"over {title}" for title in titles)], rows)


def _agreements(peers: Record) -> str:
    rows = []
    for side in peers.get("sides", {}).values():
        found = side.get("agreement")
        if found is None:
            rows.append([side["title"], side.get("not_run", ""), *[NOT_RUN] * 2])
            continue
        largest = ", ".join(f"{name} {_number(value)}" for name, value in found["largest_difference"].items())
        rows.append([side["title"], side["runs"], f"{_number(found['pixels'])} %", largest or "–"])
    reference = peers.get("sides", {}).get(_OURS[0], {}).get("title", _OURS[0])
    return _table(["", "runs", f"pixels as with {reference}", "largest difference, relative"], rows)


def _fresh(peers: Record) -> str:
    rows = [
        [
            row["title"],
            *(
                _number(row[key])
                for key in ("import_s", "load_s", "first_mask_s", "total_s", "peak_resident_mb")
            ),
        ]
        for row in peers.get("fresh", {}).values()
    ]
    return _table(["", "import, s", "load, s", "first mask, s", "together, s", "peak memory, MiB"], rows)


def _throughput(throughput: Record) -> list[str]:
    rows = [
        [_number(row["batch"]), _number(row["streams"]), _number(row["images_per_s"])]
        for row in throughput.get("chosen_from", [])
    ]
    best = throughput.get("best", {})
    target = [
        [
            f"batch {_number(best['batch'])}, streams: {_number(best['streams'])}",
            f"≥ {_number(throughput['goal'])}×",
            ", ".join(_number(row["images_per_s"]) for row in throughput["measured"]),
            _interval(throughput["over_alone"], "×"),
            throughput["verdict"],
        ]
        for _ in throughput.get("measured", [])[:1]
    ]
    return [
        _table(["batch", "streams", "images a second"], rows),
        "The image engine of the OpenVINO bundle in float32. Every combination ran in turn; the fastest was "
        "then measured anew beside one image after the other with all threads.",
        _table(["fastest", "goal", "images a second: one after the other, fastest", "ratio", ""], target),
    ]


def _windows(windows: Record) -> list[str]:
    median = windows.get("median_ms", {})
    rows = [[name, _number(value)] for name, value in median.items()]
    target = [
        [
            f"≥ {_number(windows['goal'])}×",
            _interval(windows["over_ours"], "×"),
            windows["verdict"],
            f"{_number(windows['agreement_percent'])} %",
        ]
        for _ in list(median)[:1]
    ]
    setting = windows.get("setting", {})
    size = setting.get("image_px", {})
    measured = (
        f"An image of {_number(size.get('width'))} × {_number(size.get('height'))} pixels by the paper's "
        f"protocol, {_number(setting.get('windows'))} windows of {_number(setting.get('window_px'))} pixels, "
        "file in, label map out, words encoded beforehand on both sides. The peer is our reference model in "
        "float32: transformers' cannot run at this size."
    )
    return [
        _table(["", "median, ms"], rows),
        *([measured] if windows else []),
        _table(["goal", "measured", "", "pixels alike"], target),
    ]


def _cpp(cpp: Record) -> list[str]:
    image, cold, goals = (cpp.get(name, {}) for name in ("image_640x480", "cold_start", "goals"))
    rows = []
    if cpp:
        rows = [
            [
                what,
                *(_number(found[f"{side}_ms"]["median"]) for side in ("python", "cpp", alone)),
                _spread(found["cpp_over_python"]),
                f"≤ {_number(goals[goal])}",
                _spread(found[f"{alone}_over_python"]),
            ]
            for what, found, alone, goal in (
                ("640×480 pixels to label map", image, "engine", "image_to_mask_ratio"),
                ("start to first label map", cold, "bare_openvino", "cold_start_ratio"),
            )
        ]
    size = (
        f"The library without engines, stripped: {_number(cpp.get('library_without_engines_bytes'))} bytes "
        f"(goal: {_number(goals.get('library_bytes'))})."
    )
    return [
        _table(["", "Python, ms", "C++, ms", "OpenVINO alone, ms", "C++ over Python", "goal", "floor"], rows),
        "Calls take turns in one process, starts process by process; medians, in brackets the 5th and 95th "
        "percentile of the ratios, pair by pair. The floor is OpenVINO alone over Python: no runtime upon it "
        "can be below.",
        *([size] if cpp else []),
    ]


def _roofline(roofline: Record) -> list[str]:
    peaks = roofline.get("peak", {})
    memory = roofline.get("memory", {})
    ceilings = [
        *([f"torch.mm {name}", f"{_number(peak['tflop_per_s'])} TFLOP/s"] for name, peak in peaks.items()),
        *([key.split("_")[0], f"{_number(memory[key])} GB/s"] for key in list(memory)[:2]),
    ]
    rows = []
    for batch, row in roofline.get("image_encoder", {}).items():
        rows += [
            [
                batch,
                engine["title"],
                *(_number(row[key]) for key in ("gflop", "mb")),
                f"{_number(row['bound_ms'])} ({row['bound_by']})",
                _number(engine["median_ms"]),
                f"{_number(engine['share_percent'])} %",
            ]
            for engine in row["engines"].values()
        ]
    return [
        _table(["ceiling of this machine", "measured"], ceilings),
        "The image encoder in float32. The bound is the longer of operations over the float32 ceiling and "
        "bytes (weights, inputs, outputs, each once) over the better bandwidth; operations are those of "
        "MatMul, Gemm and Conv in our graph, a multiplication and an addition counted apart. Square products "
        "of torch are the ceiling: an engine with better products could pass it.",
        _table(["batch", "", "GFLOP", "MB", "bound, ms", "median, ms", "share of the bound"], rows),
    ]


def _how(peers: Record) -> list[str]:
    if not peers:
        return [NOT_RUN]
    setting, machine, versions = peers["setting"], peers["machine"], peers["versions"]
    image, load = setting["image_px"], peers["load_average"]
    threads = setting["threads"]
    return [
        f"{machine['cpu']}, {_number(machine['usable_cores'])} of {_number(machine['cores'])} cores, "
        f"{', '.join(machine['flags'])}; "
        + ", ".join(f"{name} {number}" for name, number in versions.items())
        + f". Load average before the start {_number(load['before'])}.",
        f"- {setting['weights']}; a JPEG of {_number(image['width'])}×{_number(image['height'])}, "
        f"{_number(setting['classes'])} classes of which {_number(setting['labels_in_the_map'])} "
        f"are in the label map, input of {_number(setting['input_px'])} pixels, "
        f"batch {_number(setting['batch'])}. {setting['text']}.\n"
        f"- One process. The sides take turns call by call, {_number(setting['rounds'])} rounds after "
        f"{_number(setting['warm_up'])} to warm up, with {_number(setting['pause_ms'])} ms of rest before "
        "each call. The order is the row of a square in which each has every place and follows every other "
        "equally often, if the rounds are a multiple of the sides (of twice the sides for an odd number).\n"
        f"- Threads: {'each side its own choice' if threads is None else _number(threads)}; torch uses "
        f"{_number(setting['torch_threads'])}.\n"
        f"- Ratios are of medians, theirs over ours: above one, ours is faster. In brackets the "
        f"{_number(setting['interval_percent'])} % interval of a paired bootstrap of rounds, "
        f"{_number(setting['resamples'])} resamples.\n"
        f"- Preprocessing of the peers: {setting['preprocessing_of_peers']}; "
        f"torchvision is {setting['torchvision']}.\n"
        f"- {setting['decoding_of_peers']}.\n"
        f"- {setting['bundles']}.\n"
        "- Nothing is timed before the label maps were compared: a side that computes in float32 and agrees "
        f"on less than {_number(setting['least_agreement_percent'])} % of the pixels stops the benchmark.\n"
        "- Memory and cold start are medians of fresh processes that take turns, files in the page cache.",
    ]


def _interval(found: Mapping[str, float] | None, unit: str) -> str:
    if found is None:
        return NOT_RUN
    middle = f"{_number(found['ratio'])}{unit}"
    return f"{middle} ({_number(found['low'])}–{_number(found['high'])})" if "low" in found else middle


def _spread(found: Mapping[str, float]) -> str:
    return f"{_number(found['median'])} ({_number(found['p05'])}–{_number(found['p95'])})"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    body = list(rows) or [[NOT_RUN] * len(head)]
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _number(value: float | None) -> str:
    """As the JSON has it, so that one can be found in the other."""
    return NOT_RUN if value is None else json.dumps(value)


def _read(path: Path) -> Record:
    record: Record = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return record


if __name__ == "__main__":
    main()
