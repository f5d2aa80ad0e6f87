"""What the C++ runtime spends on preprocessing and decoding, as a share of what the Python runtime spends.

Usage: python -m benchmarks.cpp_image [--rounds N] [--build FOLDER]; builds the library that the tests
drive below build/ and prints a line for every part. Both sides take turns in this process, on one image
of 640 x 480; nothing is printed of a part whose results differ in a bit.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.timing import Timing, milliseconds, ratio
from groupvit_runtime.contract import (
    CLIP_MEAN,
    CLIP_STD,
    IMAGENET_MEAN,
    IMAGENET_STD,
    PaperDecode,
    Preprocessing,
    SlidingWindow,
)
from groupvit_runtime.decode import hf_decode
from groupvit_runtime.paper import paper_decode
from groupvit_runtime.preprocess import prepare_whole, prepare_windows
from groupvit_runtime.resize import bilinear
from groupvit_runtime.windows import plan_windows
from tests.support.image_probe import ImageProbe

REPOSITORY = Path(__file__).resolve().parents[1]
SIZE = (480, 640)
CLASSES, GROUPS, WIDTH = 21, 8, 256
LOGIT_SCALE = 2.66

Call = Callable[[], np.ndarray]
Part = tuple[Call, Call]


def soft_maps(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """float32 [..., G, gh, gw]: regions of several patches, as a model's are."""
    coarse = rng.standard_normal((*shape[:-2], shape[-2] // 4, shape[-1] // 4)).astype(np.float32)
    powers = np.exp(4 * bilinear(coarse, (shape[-2], shape[-1])))
    return (powers / powers.sum(axis=-3, keepdims=True)).astype(np.float32)


def unit_vectors(rng: np.random.Generator, *shape: int) -> np.ndarray:
    values = rng.standard_normal(shape)
    return (values / np.linalg.norm(values, axis=-1, keepdims=True)).astype(np.float32)


def hf_parts(cpp: ImageProbe, rng: np.random.Generator) -> dict[str, Part]:
    """Preprocessing and decoding at 224 px."""
    spec = Preprocessing(resize="whole", antialias=True, mean=CLIP_MEAN, std=CLIP_STD)
    rgb = rng.integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    pixels = (224, 224)
    arguments = (
        soft_maps(rng, GROUPS, 14, 14), unit_vectors(rng, GROUPS, WIDTH), unit_vectors(rng, CLASSES, WIDTH),
        pixels, SIZE,
    )  # fmt: skip
    return {
        "hf, preprocess": (
            lambda: prepare_whole(rgb, pixels, spec),
            lambda: cpp.prepare_whole(rgb, pixels, spec),
        ),
        "hf, decode": (lambda: hf_decode(*arguments), lambda: cpp.hf_decode(*arguments)),
    }


def paper_parts(cpp: ImageProbe, rng: np.random.Generator) -> dict[str, Part]:
    """Preprocessing and decoding with the published windows of 448 px."""
    spec = Preprocessing(
        resize="short_side",
        filter="opencv_bilinear",
        antialias=False,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
    )
    rgb = rng.integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    window = SlidingWindow(size=448, stride=224, long_side_max=2048)
    decode = PaperDecode(window=window, background_threshold=None)
    plan = plan_windows(SIZE, window)
    count = len(plan.boxes)
    arguments = (
        soft_maps(rng, count, GROUPS, 28, 28), unit_vectors(rng, count, GROUPS, WIDTH),
        unit_vectors(rng, count, WIDTH), unit_vectors(rng, CLASSES, WIDTH), LOGIT_SCALE, decode, SIZE,
    )  # fmt: skip
    return {
        "paper, preprocess": (
            lambda: prepare_windows(rgb, spec, plan),
            lambda: cpp.prepare_windows(rgb, spec, window),
        ),
        "paper, decode": (
            lambda: paper_decode(plan, *arguments).labels,
            lambda: cpp.paper_decode(*arguments)[0],
        ),
    }


def built(folder: Path) -> Path:
    """The library that pytest drives, after building it."""
    for command in (
        ["cmake", "-S", str(REPOSITORY / "runtimes" / "cpp"), "-B", str(folder), "-DGROUPVIT_BUILD_TESTS=ON"],
        ["cmake", "--build", str(folder), "--target", "groupvit_image_probe"],
    ):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return folder / "libgroupvit_image_probe.so"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--build", type=Path, default=REPOSITORY / "build" / "cpp-tests")
    options = parser.parse_args()
    cpp = ImageProbe(built(options.build))
    parts = hf_parts(cpp, np.random.default_rng(0)) | paper_parts(cpp, np.random.default_rng(1))
    different = [name for name, (a, b) in parts.items() if not np.array_equal(a(), b())]
    if different:
        print(f"nothing was measured: the runtimes differ in {', '.join(different)}", file=sys.stderr)
        return 1
    print(f"{'':20}{'Python ms':>11}{'C++ ms':>9}   C++ / Python (5 % to 95 %)")
    for name, (python, compiled) in parts.items():
        times = milliseconds({"python": python, "cpp": compiled}, options.rounds)
        share = ratio(times["cpp"], times["python"])
        medians = [Timing.of(times[side]).median for side in ("python", "cpp")]
        print(
            f"{name:20}{medians[0]:11.2f}{medians[1]:9.2f}   {share.median:.2f} "
            f"({share.p05:.2f} to {share.p95:.2f})"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
