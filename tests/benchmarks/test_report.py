"""The page says what the JSON says, and nothing else."""

import json
import re
from dataclasses import asdict, replace

import pytest

from benchmarks.goals import GOALS, KINDS
from benchmarks.markdown import NOT_RUN
from benchmarks.peers.sides import DEFAULT, REFERENCE, SIDES
from benchmarks.report import PAGE, Results, read_results, render
from benchmarks.report_peers import OWN
from benchmarks.roofline import Ceiling, Work, bounds


def _interval(ratio):
    return {"ratio": ratio, "low": round(ratio - 0.25, 4), "high": round(ratio + 0.25, 4)}


def _row(median, **over):
    named = {f"ours-{name}": _interval(ratio) for name, ratio in over.items()}
    return {"median_ms": median, "p05_ms": median - 1.5, "p95_ms": median + 2.5, "over": named}


def _circumstances():
    return {
        "machine": {"cpu": "A CPU", "usable_cores": 2, "cores": 4, "flags": ["avx512f"]},
        "versions": {"openvino": "2031.7.2"},
        "setting": {
            "rounds": 41,
            "calls": 7,
            "warm_up": 1,
            "fresh": 9,
            "threads": None,
            "torchvision": "not installed",
        },
        "date": "2031-07-09",
        "quiet": {"load": 0.07, "busy_percent": 1.3, "pace_ms": 1.1},
        "cautions": ["17 rounds only"],
    }


@pytest.fixture
def sides():
    described = {}
    for name, info in SIDES.items():
        row = {"title": info.title, "precision": info.precision or "int8", "engine": info.engine}
        if name == "plain-openvino-int8-dynamic":
            described[name] = row | {"not_run": "nncf is not installed"}
        else:
            pixels = {DEFAULT: 98.765, "plain-openvino-int8": 97.25}.get(name, 99.987)
            agreement = {"pixels": pixels, "largest_difference": {"masks": 2.5e-06}}
            described[name] = row | {"runs": "some engine 3.21", "setup_s": 4.75, "agreement": agreement}
    return {
        **_circumstances(),
        "sides": described,
        "image": {
            DEFAULT: _row(20.61, openvino=0.5),
            "ours-openvino": _row(48.61, default=2.375),
            "transformers": _row(1256.5, openvino=25.75, default=61.5),
            REFERENCE: _row(98.25, openvino=2.125, default=4.875),
        },
        "engine": {
            DEFAULT: _row(14.25),
            "plain-openvino": _row(46.25, openvino=1.5, default=3.25),
            "plain-openvino-dynamic": _row(44.75, openvino=1.45, default=3.125),
            "plain-openvino-int8": _row(16.125, default=1.1875),
        },
    }


@pytest.fixture
def throughput():
    return {
        **_circumstances(),
        "runs": "engine 3.21",
        "chosen_from": [{"batch": 1, "streams": 1, "images_per_s": 31.5}],
        "best": {"batch": 4, "streams": 2},
        "measured": [{"batch": 4, "streams": 2, "images_per_s": 61.25}],
        "over_alone": _interval(1.75),
    }


@pytest.fixture
def windows():
    return {
        **_circumstances(),
        "runs": "engine 3.21",
        "cut": {"image_px": {"width": 1280, "height": 720}, "windows": 3, "window_px": 448},
        "median_ms": {"ours": 401.5, "eager": 2057.0},
        "agreement_percent": 99.87,
        "over_ours": _interval(5.125),
    }


@pytest.fixture
def cpp():
    timing = {"median": 42.5, "p05": 41.25, "p95": 44.75}
    return {
        **_circumstances(),
        "image": {
            "python_ms": timing,
            "cpp_ms": timing,
            "engine_ms": timing,
            "cpp_over_python": _interval(0.8125),
            "engine_over_python": _interval(0.7785),
        },
        "cold_start": {
            "python_ms": timing,
            "cpp_ms": timing,
            "bare_openvino_ms": timing,
            "cpp_over_python": _interval(0.578),
            "bare_openvino_over_python": _interval(0.568),
        },
        "library_without_engines_bytes": 925312,
    }


@pytest.fixture
def fresh():
    def row(title, total, peak, **more):
        return {
            "title": title,
            "runs": 5,
            "import_s": 0.11,
            "load_s": 0.22,
            "first_mask_s": 0.33,
            "total_s": total,
            "peak_resident_mb": peak,
        } | more

    return {
        **_circumstances(),
        "rows": {
            DEFAULT: row("bundle", 0.8, 405.2, percent_of_peer={"total_s": 19.9, "peak_resident_mb": 40.1}),
            "ours-onnxruntime": {"title": "another", "not_run": "no such engine"},
            "transformers": row("transformers", 4.0, 1013.0),
        },
    }


@pytest.fixture
def peers(sides, fresh, throughput, windows, cpp):
    parts = {"sides": sides, "fresh": fresh, "throughput": throughput, "windows": windows, "cpp": cpp}
    return {"vnni": {"kind": "vnni", **parts}}


@pytest.fixture
def roofline():
    rows = bounds(Work(7_830_000_000, 124_000_000), Ceiling(1.975e11, 6.562e10), {"ours-openvino": 43.9})
    return {
        "machine": {"cpu": "A CPU", "cores": 2},
        "versions": {},
        "peak": {"float32": {"tflop_per_s": 0.1975, "side": 512}},
        "memory": {"copy_gb_per_s": 52.88, "triad_gb_per_s": 65.62, "best_gb_per_s": 65.62},
        "image_encoder": {"1": rows},
    }


@pytest.fixture
def evaluation():
    plain = {name: {"miou": 81.25, "pixel_accuracy": 92.5} for name in ("onnx", "openvino")}
    held = {name: row | {"miou_trained": 73.125, "miou_held-out": 63.75} for name, row in plain.items()}
    vocabularies = {"kinds": plain, "pairs": held}
    return {"scenes": 503, "miou": {"hf": vocabularies, "paper": vocabularies}}


@pytest.fixture
def precisions():
    def row(precision, miou, latency):
        return {
            "precision": precision,
            "verdict": "PASS",
            "miou": miou,
            "agreement": 99.8765,
            "latency_ms": latency,
        }

    return {
        "machine": {"cpu": "A CPU", "cores": 2, "versions": {"groupvit-export": "0.7.9"}},
        "precisions": [
            {
                "target": "openvino",
                "precision": "int8",
                "rows": [row("fp32", 82.99405941, 5.4321), row("int8", 82.6227, 2.8622)],
                "substitute": None,
            },
            {
                "target": "trt",
                "precision": "fp16",
                "rows": [row("fp32", 82.99405941, None), row("fp16", 82.5, None)],
                "substitute": "no GPU",
            },
            {"target": "onnx", "precision": "int8", "not_exported": "int8 needs the package nncf: None"},
        ],
    }


@pytest.fixture
def runtime():
    measured = {"machine": {"cpu": "C", "cores": 2}, "versions": {"openvino": "2031.7.2"}}
    soft = {
        "setting": {"rounds": 61, "image_px": {"width": 640, "height": 480}, "classes": 23},
        "runs": "engine 3.21",
        "sides": {
            "label map alone": {"median_ms": 27.125, "over": {}},
            "and confidence": {"median_ms": 33.5, "over": {"label map alone": _interval(1.375)}},
        },
    }
    row = {"images_per_s": 41.5, "over_engine_alone": _interval(0.9375)}
    folder = {
        "setting": {"rounds": 11, "images": 25, "image_px": [480, 640]},
        "sides": {"fp32": {"label maps": row | {"over_one_after_the_other": _interval(1.4375)}}},
    }
    batch = {
        "batch": 1,
        "median_ms": {"dynamic": 24.25, "static": 22.75},
        "dynamic_over_static": _interval(1.0625),
        "outputs_that_differ": [],
        "memory_mib": {"dynamic": 311, "static_beside_it": 163},
    }
    shapes = {
        "batches": [batch],
        "load": {"median_ms": {"compiled": 411.5, "from_cache": 203.5}, "cache_mb": 221.3},
    }
    return {
        "soft_scores": measured | soft,
        "folder": measured | folder,
        "static_shapes": measured | shapes,
    }


def _answers(per_second, **statuses):
    times = {"p50": 117.25, "p95": 134.5, "p99": 139.75}
    return {"per_second": per_second, "milliseconds": times, "statuses": statuses}


@pytest.fixture
def deployment():
    measured = {"machine": {"cpu": "C", "cores": 2}, "versions": {"openvino": "2031.7.2"}}
    facts = {"megabytes": {"image": 124.6, "text": 91.7}}
    first = {"median_ms": 73.5, "over": {}}
    litert = {
        "setting": {"rounds": 13, "calls": 6},
        "not_run": {"litert-int8": "no such file"},
        "bundles": {
            "openvino-fp32": {"runs": "engine 3.21", "facts": facts},
            "litert-fp32": {"runs": "LiteRT 7.8.9", "facts": facts},
        },
        "image": {
            "openvino-fp32": first,
            "litert-fp32": {"median_ms": 84.5, "over": {"openvino-fp32": _interval(1.15625)}},
        },
        "text": {"openvino-fp32": first, "litert-fp32": first},
    }
    serving = {
        "setting": {"callers": 9},
        "runs": "engine 3.21",
        "loop_per_second": 76.44,
        "server_to_loop": 0.919,
        "saturated": [_answers(69.45, **{"200": 299})],
        "one_caller": _answers(51.65, **{"200": 299}),
        "many": {"requests": 1501} | _answers(70.375, **{"200": 1501}),
        "memory_mib": {"before": 297.5, "after": 297.8, "growth_percent": 0.13},
        "malformed": _answers(160.96, **{"400": 701, "413": 104}),
        "afterwards": {"200": 21},
    }
    bulk = {
        "setting": {
            "rounds": 14,
            "images": 257,
            "image_px": [480, 640],
            "threads": 1,
            "engine": "engine 3.21",
        },
        "sides": {
            "loop": {"images_per_s": 8.875, "time_over_loop": _interval(1.0), "startup_s": 1.25},
            "bulk, 64 images a part": {
                "images_per_s": 8.625,
                "time_over_loop": _interval(1.0375),
                "startup_s": 9.75,
            },
        },
    }
    return {"litert": measured | litert, "serving": measured | serving, "bulk": measured | bulk}


@pytest.fixture
def results(peers, roofline, evaluation, precisions, runtime, deployment):
    return Results(peers, roofline, evaluation, precisions, **runtime, **deployment)


def _numbers(text):
    return set(re.findall(r"\d+(?:\.\d+)*(?:e-\d+)?", text))


def _rounded(found):
    """The numbers of a record with two decimals."""
    if isinstance(found, dict):
        return set().union(*map(_rounded, found.values()))
    if isinstance(found, list):
        return set().union(*map(_rounded, found))
    return {f"{found:.2f}"} if isinstance(found, float) else set()


_AIMS = {json.dumps(aim) for goal in GOALS for aim in goal.aims.values()}
_NAMES = {"512", "95", "05", "5", "2", "32", "16", "8", "3", "640", "480"}
"""Numbers in names and headings."""


def test_every_number_of_the_page_is_in_the_json(results):
    page = render(results)
    known = _numbers(json.dumps(asdict(results))) | _rounded(results.precisions) | _AIMS | _NAMES
    assert _numbers(page) <= known
    for number in (
        *("20.61", "1256.5", "25.75", "99.987", "2.5e-06", "2031.7.2", "65.62", "405.2", "17", "0.07"),
        *("0.568", "0.8125", "925312", "61.25", "1.75", "5.125", "99.87", "63.75", "5.43", "99.88", "503"),
        *("98.765", "97.25", "4.75", "41", "1.3"),
        *("33.5", "1.375", "23", "41.5", "0.9375", "1.4375", "22.75", "163", "203.5", "221.3"),
        *("84.5", "1.15625", "91.7", "7.8.9", "69.45", "134.5", "0.919", "701", "21", "297.8", "0.13"),
        *("8.625", "1.0375", "9.75", "257"),
    ):
        assert number in _numbers(page)


def test_the_page_is_of_the_results_that_are_there():
    assert PAGE.read_text(encoding="utf-8") == render(read_results()), "run: python -m benchmarks.report"


def _goal_cells(page, kind):
    lines = next(text for text in page.split("\n\n") if text.startswith("|  | AMX | VNNI |")).splitlines()
    return [line.strip("| ").split(" | ")[1 + KINDS.index(kind)] for line in lines[2:]]


def test_goals_are_held_against_what_was_measured(results):
    cells = _goal_cells(render(results), "vnni")
    assert cells == [
        "≥ 6×: 61.5× (61.25–61.75), reached",
        "≥ 5×: 4.875× (4.625–5.125), **missed**",
        "≥ 2.2×: 3.125× (2.875–3.375), reached",
        "–",
        "≥ 1.1×: 1.1875× (0.9375–1.4375); pixels as float32's 98.765 %, theirs 97.25 %, reached",
        "≥ 1.4×: 1.75× (1.5–2.0), reached",
        "≥ 3.5×: 5.125× (4.875–5.375), reached",
        "≤ 40 %: 40.1 %, **missed**",
        "≤ 20 %: 19.9 %, reached",
        "≤ 0.8×: 0.8125× (0.5625–1.0625) (OpenVINO alone 0.7785× (0.5285–1.0285)), **missed**",
        "≤ 0.5×: 0.578× (0.328–0.828) (OpenVINO alone 0.568× (0.318–0.818)), **missed**",
    ]


def test_a_better_verdict_is_part_of_the_goal_on_amx(results):
    record = results.peers["vnni"]
    (int8,) = (goal for goal in GOALS if goal.better_verdict)
    assert int8.cell("amx", record).endswith("reached")
    record["sides"]["sides"]["plain-openvino-int8"]["agreement"]["pixels"] = 98.765
    assert int8.cell("amx", record).endswith("**missed**") and int8.cell("vnni", record).endswith(", reached")


def test_a_kind_that_was_not_measured_has_no_figure(results):
    page = render(results)
    for kind in ("amx", "avx2"):
        cells = [cell for cell in _goal_cells(page, kind) if cell != "–"]
        assert cells and all(cell.endswith(NOT_RUN) for cell in cells)


def test_every_measured_kind_has_its_columns(results):
    both = replace(results, peers={"amx": results.peers["vnni"], **results.peers})
    head = next(line for line in render(both).splitlines() if line.startswith("| float32 |"))
    assert head.count("median, ms") == 2 and head.index("AMX") < head.index("VNNI")


def test_int8_stands_beside_int8(results):
    tables = render(results).split("\n\n")
    int8 = [text for text in tables if text.startswith("| int8 |")]
    assert len(int8) == 2
    for text in int8:
        names = [line.split(" | ")[0].removeprefix("| ") for line in text.splitlines()[2:]]
        # The default export computes in int8 here.
        assert names == [info.title for info in SIDES.values() if info.precision in ("int8", None)]


def test_every_side_stands_in_the_table_of_its_precision(results):
    image = render(results).partition("## Image in, label map out")[2].partition("## Image engine only")[0]
    for info in SIDES.values():
        assert image.count(f"\n| {info.title} |") == 1, info.title
    floats = next(text for text in image.split("\n\n") if text.startswith("| float32 |"))
    assert {info.title for info in SIDES.values() if f"\n| {info.title} |" in floats} == {
        info.title for info in SIDES.values() if info.precision == "float32"
    }
    assert {SIDES[name].precision for name in OWN.values()} == set(OWN)


def test_figures_of_the_first_version_say_what_int8_was(results):
    old = {"groupvit-export": "0.1.0"}
    dated = replace(
        results, precisions=results.precisions | {"machine": {"cpu": "C", "cores": 2, "versions": old}}
    )
    assert "one bit more" in render(dated)
    assert "one bit more" not in render(results)


def test_what_was_not_run_says_so(results):
    page = render(results)
    title = SIDES["plain-openvino-int8-dynamic"].title
    rows = [line for line in page.splitlines() if line.startswith(f"| {title}")]
    assert rows == [f"| {title} | not run: nncf is not installed | not run | not run |"] * 2
    compiled = [line for line in page.splitlines() if line.startswith("| transformers, torch.compile")]
    assert compiled[0].count(NOT_RUN) == 3
    assert "| VNNI | another | not run: no such engine |" in page
    assert "not run: int8 needs the package nncf" in page
    assert page.count("(substitute) | 82.99 | 82.50 | 99.88 | not measured | not measured |") == 1


def test_parts_of_the_runtime_that_were_not_measured_say_so(results):
    headings = {
        "soft_scores": "Scores beside the label map",
        "folder": "A folder of images",
        "static_shapes": "One shape or a dynamic batch",
        "litert": "LiteRT beside other engines",
        "serving": "A server beside a loop",
        "bulk": "Ray beside a loop",
    }
    page = render(replace(results, **{name: {} for name in headings}))
    for heading in headings.values():
        part = page.partition(f"## {heading}\n")[2].partition("\n## ")[0]
        assert NOT_RUN in part and _numbers(part) <= _NAMES


def test_a_part_that_was_not_run_says_why(results):
    parts = {name: {"not_run": f"{name} did not"} for name in ("throughput", "windows", "cpp")}
    page = render(replace(results, peers={"vnni": results.peers["vnni"] | parts}))
    for name in parts:
        assert page.count(f"not run: {name} did not") == 1


def test_nothing_was_run_at_all():
    page = render(Results())
    assert _numbers(page) <= _AIMS | _NAMES
    assert all(cell == "–" or cell.endswith(NOT_RUN) for kind in KINDS for cell in _goal_cells(page, kind))
    assert page.count(NOT_RUN) > 100
