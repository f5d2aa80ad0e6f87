"""Golden results of preprocessing and decoding, which both runtimes have to reach.

``tests/golden/image.json`` holds cases: what to call with what, inputs as seeds, results as SHA-256 of
their bytes (little-endian). The Python runtime checks it in ``tests/groupvit_runtime/test_golden.py``, the
C++ runtime in ``runtimes/cpp/tests/image_golden_test.cpp``. To write it anew after a change that is meant:

    python tests/support/golden_image.py
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from groupvit_runtime.contract import (
    CLIP_MEAN,
    CLIP_STD,
    IMAGENET_MEAN,
    IMAGENET_STD,
    PaperDecode,
    Preprocessing,
    SlidingWindow,
)
from groupvit_runtime.decode import hf_decode, hf_groups
from groupvit_runtime.paper import paper_decode
from groupvit_runtime.preprocess import prepare_whole, prepare_windows, resize_image
from groupvit_runtime.window_groups import window_groups
from groupvit_runtime.windows import plan_windows

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "image.json"
Case = dict[str, Any]


def random_bits(seed: int, array: int, count: int) -> np.ndarray:
    """uint64 [count] of SplitMix64, from the state ``seed * 2**32 + array``."""
    with np.errstate(over="ignore"):
        z = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z += np.uint64((seed << 32) + array)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def random_floats(seed: int, array: int, shape: tuple[int, ...], *, low: float) -> np.ndarray:
    """float32 with 24 random bits, from ``low`` to 1: 0 or -1."""
    bits = random_bits(seed, array, int(np.prod(shape))) >> np.uint64(40)
    return (bits.astype(np.float64) * (1 - low) / 2**24 + low).astype(np.float32).reshape(shape)


def random_image(case: Case) -> np.ndarray:
    height, width = case["image"]
    bits = random_bits(case["seed"], 0, height * width * 3)
    return (bits >> np.uint64(56)).astype(np.uint8).reshape(height, width, 3)


def preprocessing(case: Case) -> Preprocessing:
    fields = ("resize", "filter", "antialias", "color_order", "rescale")
    spec = case["preprocessing"]
    return Preprocessing(
        mean=tuple(spec["mean"]), std=tuple(spec["std"]), **{name: spec[name] for name in fields}
    )


def result_of(case: Case) -> np.ndarray:
    """What the Python runtime makes of a case."""
    match case["function"]:
        case "resize_image":
            return resize_image(random_image(case), tuple(case["size"]), preprocessing(case))
        case "prepare_whole":
            return prepare_whole(random_image(case), tuple(case["size"]), preprocessing(case))
        case "prepare_windows":
            image = random_image(case)
            plan = plan_windows(image.shape[:2], SlidingWindow(**case["window"]))
            return prepare_windows(image, preprocessing(case), plan)
    return _decoded(case)


def _decoded(case: Case) -> np.ndarray:
    size = tuple(case["size"])
    window = SlidingWindow(**case["window"]) if "window" in case else None
    plan = plan_windows(size, window) if window else None
    lead = (len(plan.boxes),) if plan else ()
    seed, groups, width = case["seed"], case["groups"], case["width"]
    masks = random_floats(seed, 1, (*lead, groups, *case["grid"]), low=0)
    group_embeds = random_floats(seed, 2, (*lead, groups, width), low=-1)
    image_embeds = random_floats(seed, 3, (*lead, width), low=-1)
    text_embeds = random_floats(seed, 4, (case["classes"], width), low=-1)
    match case["function"]:
        case "hf_decode":
            return hf_decode(masks, group_embeds, text_embeds, tuple(case["pixels"]), size)
        case "hf_groups":
            return hf_groups(masks, tuple(case["pixels"]), size)
        case "window_groups":
            assert plan
            return window_groups(plan, masks, size)
        case "paper_decode":
            assert plan and window
            spec = PaperDecode(
                window=window,
                background_threshold=case["background_threshold"],
                top_classes=case["top_classes"],
                max_logit_scale=case["max_logit_scale"],
            )
            scale = case["logit_scale"]
            return paper_decode(
                plan, masks, group_embeds, image_embeds, text_embeds, scale, spec, size
            ).labels
    raise ValueError(f"no function of this name: {case['function']}")


def digest(array: np.ndarray) -> str:
    return hashlib.sha256(
        np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes()
    ).hexdigest()


def load_cases() -> list[Case]:
    cases: list[Case] = json.loads(GOLDEN.read_text(encoding="utf-8"))["cases"]
    return cases


def _spec(name: str, antialias: bool, order: str = "RGB", resize: str = "whole") -> Case:
    mean, std = (CLIP_MEAN, CLIP_STD) if resize == "whole" else (IMAGENET_MEAN, IMAGENET_STD)
    return {
        "resize": resize, "filter": name, "antialias": antialias, "color_order": order,
        "mean": list(mean), "std": list(std), "rescale": 1 / 255,
    }  # fmt: skip


_WINDOWS = (
    {"size": 448, "stride": 224, "long_side_max": 2048},
    {"size": 64, "stride": 24, "long_side_max": 150},
)


def _preprocessing_cases() -> list[Case]:
    sizes = [([480, 640], [224, 224]), ([97, 61], [224, 112]), ([2000, 60], [64, 50])]
    cases: list[Case] = []
    for name in ("nearest", "bilinear", "bicubic", "lanczos", "box", "hamming", "opencv_bilinear"):
        without = {"nearest": [False], "opencv_bilinear": [False], "bilinear": [True, False]}
        options = without.get(name, [True])
        for image, size in sizes:
            shared = {"function": "resize_image", "image": image, "size": size}
            cases += [{**shared, "preprocessing": _spec(name, antialias)} for antialias in options]
    whole = {"function": "prepare_whole", "image": [333, 500], "size": [224, 320]}
    cases += [{**whole, "preprocessing": _spec("bilinear", True, order)} for order in ("RGB", "BGR")]
    bilinear = _spec("opencv_bilinear", False, resize="short_side")
    for image, window in (([480, 640], _WINDOWS[0]), ([90, 400], _WINDOWS[1]), ([1, 70], _WINDOWS[1])):
        cases.append(
            {"function": "prepare_windows", "image": image, "window": window, "preprocessing": bilinear}
        )
    return cases


def _decoding_cases() -> list[Case]:
    outputs = {"groups": 8, "grid": [14, 14], "width": 32, "classes": 21}
    cases: list[Case] = [
        {"function": function, **outputs, "pixels": [224, 224], "size": size}
        for size in ([480, 640], [100, 37], [1, 1])
        for function in ("hf_decode", "hf_groups")
    ]
    cases.append(
        {"function": "hf_decode", **outputs, "classes": 300, "pixels": [224, 224], "size": [375, 500]}
    )
    for window, grid, size in (
        (_WINDOWS[0], [28, 28], [480, 640]),
        (_WINDOWS[1], [4, 4], [90, 200]),
        (_WINDOWS[1], [4, 4], [60, 7]),
    ):
        shared = {**outputs, "grid": grid, "window": window, "size": size}
        cases.append({"function": "window_groups", **shared})
        cases += [
            {
                "function": "paper_decode", **shared, "logit_scale": 1.0, "top_classes": top,
                "max_logit_scale": 100.0, "background_threshold": threshold,
            }
            for threshold, top in ((None, 5), (0.35, 5), (0.95, 2))
        ]  # fmt: skip
    return cases


def _cases() -> list[Case]:
    cases = [*_preprocessing_cases(), *_decoding_cases()]
    return [{"seed": seed, **case} for seed, case in enumerate(cases)]


def main() -> None:
    lines = [json.dumps({**case, "sha256": digest(result_of(case))}) for case in _cases()]
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text('{"cases": [\n' + ",\n".join(lines) + "\n]}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
