"""The page says what the JSON says, and nothing else."""

import json
import re
from dataclasses import asdict, replace

import pytest

from benchmarks.markdown import NOT_RUN
from benchmarks.peers.sides import SIDES
from benchmarks.report import PAGE, Results, read_results, render
from benchmarks.roofline import Ceiling, Work, bounds


def _interval(ratio):
    return {"ratio": ratio, "low": ratio - 0.25, "high": ratio + 0.25}


def _row(median, **over):
    named = {f"ours-{name}": _interval(ratio) for name, ratio in over.items()}
    return {"median_ms": median, "p05_ms": median - 1.5, "p95_ms": median + 2.5, "over": named}


@pytest.fixture
def peers():
    sides = {}
    for name, info in SIDES.items():
        sides[name] = {"title": info.title, "exact": info.exact, "engine": info.engine}
        if name == "plain-openvino-int8":
            sides[name]["not_run"] = "nncf is not installed"
        else:
            sides[name] |= {
                "runs": "some engine 3.21",
                "agreement": {"pixels": 99.987, "largest_difference": {"masks": 2.5e-06}},
            }
    return {
        "machine": {"cpu": "A CPU", "usable_cores": 2, "cores": 4, "flags": ["avx512f"]},
        "versions": {"openvino": "2031.7.2"},
        "load_average": {"before": 0.07, "after": 1.9},
        "setting": {
            "rounds": 41,
            "warm_up": 3,
            "pause_ms": 11,
            "threads": None,
            "torch_threads": 2,
            "torchvision": "not installed",
            "batch": 1,
            "input_px": 224,
            "image_px": {"width": 640, "height": 480},
            "classes": 21,
            "labels_in_the_map": 5,
            "interval_percent": 95,
            "resamples": 5000,
            "least_agreement_percent": 99.5,
            "weights": "random",
            "preprocessing_of_peers": "PIL",
            "decoding_of_peers": "torch",
            "text": "padded",
            "bundles": "cached",
        },
        "sides": sides,
        "image": {
            "ours-openvino": _row(48.61, onnxruntime=0.96),
            "ours-onnxruntime": _row(50.62, openvino=1.04),
            "transformers": _row(1256.5, openvino=25.75, onnxruntime=20.125),
        },
        "engine": {"plain-openvino": _row(46.25, openvino=1.5, onnxruntime=0.75)},
        "fresh": {
            name: {
                "title": name,
                "runs": 5,
                "import_s": 0.11,
                "load_s": 0.22,
                "first_mask_s": 0.33,
                "total_s": total,
                "peak_resident_mb": peak,
            }
            for name, total, peak in [("ours-openvino", 0.8, 405.2), ("transformers", 4.0, 1013.0)]
        },
        "cautions": ["17 rounds only"],
    }


@pytest.fixture
def roofline():
    rows = bounds(Work(7_830_000_000, 124_000_000), Ceiling(1.975e11, 6.562e10), {"ours-openvino": 43.9})
    return {
        "peak": {"float32": {"tflop_per_s": 0.1975, "side": 512}},
        "memory": {"copy_gb_per_s": 52.88, "triad_gb_per_s": 65.62, "best_gb_per_s": 65.62},
        "image_encoder": {"1": rows},
    }


@pytest.fixture
def throughput():
    return {
        "chosen_from": [{"batch": 1, "streams": 1, "images_per_s": 31.5}],
        "best": {"batch": 4, "streams": 2},
        "measured": [{"batch": 4, "streams": 2, "images_per_s": 61.25}],
        "over_alone": _interval(1.75),
    }


@pytest.fixture
def windows():
    return {
        "setting": {"image_px": {"width": 1280, "height": 720}, "windows": 3, "window_px": 448},
        "median_ms": {"ours": 401.5, "eager": 2057.0},
        "agreement_percent": 99.87,
        "over_ours": _interval(5.125),
    }


@pytest.fixture
def cpp():
    timing = {"median": 42.5, "p05": 41.25, "p95": 44.75}
    return {
        "image_640x480": {
            "python_ms": timing,
            "cpp_ms": timing,
            "engine_ms": timing,
            "cpp_over_python": {"median": 0.935, "p05": 0.875, "p95": 1.125},
            "engine_over_python": {"median": 0.905, "p05": 0.85, "p95": 1.1},
        },
        "cold_start": {
            "python_ms": timing,
            "cpp_ms": timing,
            "bare_openvino_ms": timing,
            "cpp_over_python": {"median": 0.578, "p05": 0.5, "p95": 0.625},
            "bare_openvino_over_python": {"median": 0.568, "p05": 0.55, "p95": 0.605},
        },
        "library_without_engines_bytes": 925312,
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
def results(peers, roofline, throughput, windows, cpp, evaluation, precisions):
    return Results(peers, roofline, throughput, windows, cpp, evaluation, precisions)


def _numbers(text):
    return set(re.findall(r"\d+(?:\.\d+)*(?:e-\d+)?", text))


def _rounded(found):
    """The numbers of a record with two decimals."""
    if isinstance(found, dict):
        return set().union(*map(_rounded, found.values()))
    if isinstance(found, list):
        return set().union(*map(_rounded, found))
    return {f"{found:.2f}"} if isinstance(found, float) else set()


def test_every_number_of_the_page_is_in_the_json(results):
    page = render(results)
    assert _numbers(page) <= _numbers(json.dumps(asdict(results))) | _rounded(results.precisions) | {"32"}
    for number in (
        "48.61",
        "1256.5",
        "25.75",
        "99.987",
        "2.5e-06",
        "2031.7.2",
        "65.62",
        "405.2",
        "17",
        "0.07",
        "0.568",
        "0.875",
        "925312",
        "61.25",
        "1.75",
        "5.125",
        "99.87",
        "63.75",
        "5.43",
        "99.88",
        "503",
    ):
        assert number in _numbers(page)


def test_the_page_is_of_the_results_that_are_there():
    assert PAGE.read_text(encoding="utf-8") == render(read_results()), "run: python -m benchmarks.report"


def test_int8_stands_beside_int8(results):
    tables = render(results).split("\n\n")
    int8 = [text for text in tables if text.startswith("| int8 |")]
    assert len(int8) == 2
    for text in int8:
        names = [line.split(" | ")[0].removeprefix("| ") for line in text.splitlines()[2:]]
        assert names == [info.title for info in SIDES.values() if "int8" in info.title]


def test_every_side_stands_in_the_table_of_its_precision(results):
    image = render(results).partition("## Image engine only")[0]
    for info in SIDES.values():
        assert image.count(f"\n| {info.title} |") == 1, info.title
    floats = next(text for text in image.split("\n\n") if text.startswith("| float32 |"))
    assert {info.title for info in SIDES.values() if f"\n| {info.title} |" in floats} == {
        info.title for info in SIDES.values() if info.exact
    }


def test_figures_of_the_first_version_say_what_int8_was(results):
    old = {"groupvit-export": "0.1.0"}
    dated = replace(
        results, precisions=results.precisions | {"machine": {"cpu": "C", "cores": 2, "versions": old}}
    )
    assert "one bit more" in render(dated)
    assert "one bit more" not in render(results)


def test_what_was_not_run_says_so(results):
    page = render(results)
    title = SIDES["plain-openvino-int8"].title
    rows = [line for line in page.splitlines() if line.startswith(f"| {title}")]
    assert rows[:2] == [f"| {title} | not run: nncf is not installed" + " | not run" * 4 + " |"] * 2
    compiled = [line for line in page.splitlines() if line.startswith("| transformers, torch.compile")]
    assert compiled[0].count(NOT_RUN) == 5
    assert "not run: int8 needs the package nncf" in page
    assert page.count("(substitute) | 82.99 | 82.50 | 99.88 | not measured | not measured |") == 1


def test_nothing_was_run_at_all():
    page = render(Results())
    assert page.count("\n| not run |") == 17
    assert _numbers(page) <= {"05", "95", "32", "5", "8", "16"}
