"""The page says what the JSON says, and nothing else."""

import json
import re

import pytest

from benchmarks.peers.fresh import TITLES
from benchmarks.peers.sides import SIDES
from benchmarks.peers.targets import evaluate_targets
from benchmarks.report import NOT_RUN, render
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
    record = {
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
    }
    record["targets"] = evaluate_targets(record)
    record["cautions"] = ["17 rounds only"]
    return record


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
        "goal": 1.5,
        "verdict": "reached",
    }


@pytest.fixture
def windows():
    return {
        "setting": {"image_px": {"width": 1280, "height": 720}, "windows": 3, "window_px": 448},
        "median_ms": {"ours": 401.5, "eager": 2057.0},
        "agreement_percent": 99.87,
        "over_ours": _interval(5.125),
        "goal": 6.0,
        "verdict": "not reached",
    }


@pytest.fixture
def cpp():
    timing = {"median": 42.5, "p05": 41.25, "p95": 44.75}
    return {
        "goals": {"image_to_mask_ratio": 0.9, "cold_start_ratio": 0.5, "library_bytes": 1_000_000},
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


def _numbers(text):
    return set(re.findall(r"\d+(?:\.\d+)*(?:e-\d+)?", text))


def test_every_number_of_the_page_is_in_the_json(peers, roofline, throughput, windows, cpp):
    page = render(peers, roofline, throughput, windows, cpp)
    assert _numbers(page) <= _numbers(json.dumps([peers, roofline, throughput, windows, cpp]))
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
    ):
        assert number in _numbers(page)


def test_what_was_not_run_says_so(peers, roofline, throughput, windows, cpp):
    page = render(peers, roofline, throughput, windows, cpp)
    rows = [line for line in page.splitlines() if line.startswith(f"| {SIDES['plain-openvino-int8'].title}")]
    assert (
        rows[:2]
        == [
            f"| {SIDES['plain-openvino-int8'].title} | not run: nncf is not installed"
            + " | not run" * 4
            + " |"
        ]
        * 2
    )
    compiled = [line for line in page.splitlines() if line.startswith("| transformers, torch.compile")]
    assert compiled[0].count(NOT_RUN) == 5


def test_nothing_was_run_at_all():
    page = render({}, {}, {}, {}, {})
    assert page.count("\n| not run |") == 12
    assert _numbers(page) <= {"05", "95", "32", "5"}


def test_targets_are_reached_only_with_their_whole_interval(peers):
    rows = {(row["what"], row["ours"]): row for row in peers["targets"]}
    users = "image to label map against transformers as users call it"
    assert rows[users, SIDES["ours-openvino"].title]["verdict"] == "reached"
    assert rows[users, SIDES["ours-onnxruntime"].title]["verdict"] == "undecided"
    memory = "peak memory of a fresh process, against transformers as users call it"
    assert rows[memory, TITLES["ours-openvino"]]["reached"] == {"ratio": 40.0}
    assert rows[memory, TITLES["ours-openvino"]]["verdict"] == "reached"
    assert rows[memory, TITLES["ours-openvino-words"]]["verdict"] == NOT_RUN
    half = [row for row in peers["targets"] if "bf16," in row["what"]]
    assert [(row["verdict"], row["reached"]) for row in half] == [(NOT_RUN, None)]
