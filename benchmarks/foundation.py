"""What the foundation promises, measured on the full-size model: export, cold start, image to mask.

Usage: python -m benchmarks.foundation [--rounds N]; writes benchmarks/results/foundation.json.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.checkpoint import VOC, write_full_size_checkpoint
from benchmarks.machine import machine
from benchmarks.timing import Timing, interleaved, ratio
from groupvit_export.verification.synthetic_images import synthetic_images
from groupvit_runtime import Segmenter, Vocabulary
from groupvit_runtime.decode import hf_decode
from groupvit_runtime.preprocess import prepare_whole, prepare_windows
from groupvit_runtime.windows import plan_windows

RESULTS = Path(__file__).parent / "results"
_GROUPVIT = [sys.executable, "-m", "groupvit_export.cli"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    rounds: int = parser.parse_args().rounds
    report: dict[str, Any] = {"machine": machine()}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        checkpoint = write_full_size_checkpoint(folder / "full-size")
        image = _image(folder / "image.jpg", (480, 640))
        large = _image(folder / "large.jpg", (720, 1280))
        for target in ("onnx", "openvino"):
            bundle = folder / target
            report[target] = {"export": _export(checkpoint, bundle, target)}
            words = _vocabulary(bundle, folder / f"{target}.safetensors")
            report[target]["cold_start"] = _cold_starts(bundle, image, words)
            report[target]["image_640x480"] = _image_to_mask(bundle, image, words, rounds)
        paper = folder / "openvino-448"
        report["openvino_448"] = {
            "export": _export(checkpoint, paper, "openvino", "--image-size", "448", "--decode", "paper")
        }
        report["openvino_448"]["image_1280x720"] = _windows_to_mask(paper, large, max(3, rounds // 8))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "foundation.json").write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(report, indent=2))


def _image(path: Path, size: tuple[int, int]) -> Path:
    Image.fromarray(synthetic_images(7, 1, size)[0]).save(path, quality=92)
    return path


def _export(checkpoint: Path, bundle: Path, target: str, *options: str) -> dict[str, Any]:
    command = [
        *_GROUPVIT,
        "export",
        "--target",
        target,
        "--checkpoint",
        str(checkpoint),
        "-o",
        str(bundle),
        "--json",
    ]
    start = time.perf_counter()
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=True)
    wall = time.perf_counter() - start
    report = json.loads(done.stdout)
    return {"process_s": round(wall, 2), "steps_s": report["seconds"], "parity": report["parity"]}


def _vocabulary(bundle: Path, path: Path) -> Path:
    subprocess.run(
        [*_GROUPVIT, "vocab", str(bundle), "--labels", ",".join(VOC), "-o", str(path), "--json"],
        check=True,
        capture_output=True,
    )
    return path


def _cold_starts(bundle: Path, image: Path, words: Path, count: int = 7) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.cold_start", "stored", str(bundle), str(image), str(words)]
    runs = [
        json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        for _ in range(count)
    ]
    # The first run reads the files from disk; it is part of the list, the median is quoted.
    medians = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
    return {**medians, "total_s_max": max(run["total_s"] for run in runs), "runs": count}


def _image_to_mask(bundle: Path, image: Path, words: Path, rounds: int) -> dict[str, Any]:
    segmenter, vocabulary = Segmenter.load(bundle), Vocabulary.load(words)
    rgb = np.asarray(Image.open(image))
    manifest = segmenter.manifest
    pixels = prepare_whole(rgb, manifest.model.image_size, manifest.preprocessing.hf)[None]
    random = np.random.default_rng(0)
    masks = random.dirichlet(np.ones(8), size=(14, 14)).transpose(2, 0, 1).astype(np.float32)
    groups, classes = (_unit(random.normal(size=(n, 256))) for n in (8, len(VOC)))
    times = interleaved(
        {
            "engine": lambda: segmenter._image.run(pixels),
            "array_to_labels": lambda: segmenter(rgb, vocabulary).labels,
            "jpeg_file_to_labels": lambda: segmenter(image, vocabulary).labels,
            "preprocess": lambda: prepare_whole(rgb, manifest.model.image_size, manifest.preprocessing.hf),
            # Random weights rarely dispute a pixel; here every pixel is disputed by 21 classes.
            "decode_disputed": lambda: hf_decode(masks, groups, classes, (224, 224), (480, 640)),
        },
        rounds,
    )
    disputed = [
        engine + preprocess + decode
        for engine, preprocess, decode in zip(
            times["engine"], times["preprocess"], times["decode_disputed"], strict=True
        )
    ]
    return {
        "milliseconds": {name: asdict(Timing.of(values)) for name, values in times.items()},
        "array_to_labels_over_engine": asdict(ratio(times["array_to_labels"], times["engine"])),
        "jpeg_to_labels_over_engine": asdict(ratio(times["jpeg_file_to_labels"], times["engine"])),
        "disputed_over_engine": asdict(ratio(disputed, times["engine"])),
    }


def _windows_to_mask(bundle: Path, image: Path, rounds: int) -> dict[str, Any]:
    segmenter = Segmenter.load(bundle)
    words = segmenter.vocabulary(VOC[:-1])
    rgb = np.asarray(Image.open(image))
    manifest = segmenter.manifest
    plan = plan_windows((rgb.shape[0], rgb.shape[1]), manifest.decode.paper.window)
    pixel_values = prepare_windows(rgb, manifest.preprocessing.paper, plan)
    times = interleaved(
        {
            "engine": lambda: segmenter._image.run(pixel_values),
            "array_to_labels": lambda: segmenter(rgb, words, background_threshold=0.95).labels,
        },
        rounds,
        warm_up=1,
    )
    return {
        "windows": len(plan.boxes),
        "milliseconds": {name: asdict(Timing.of(values)) for name, values in times.items()},
        "array_to_labels_over_engine": asdict(ratio(times["array_to_labels"], times["engine"])),
    }


def _unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


if __name__ == "__main__":
    main()
