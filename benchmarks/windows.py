"""A 1280x720 image by the paper's sliding windows: all windows in one batch, beside one after the other.

The peer is what the published code does, written plainly in PyTorch: eager, one window at a time through our
reference model (transformers' cannot run at 448 px), float32, with the words encoded beforehand as ours are.

Usage: python -m benchmarks.windows [--rounds N] [--threads N]
Writes benchmarks/results/windows.json.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from benchmarks.checkpoint import VOC
from benchmarks.peers.agreement import LEAST_AGREEMENT, check_telling
from benchmarks.peers.inputs import images_for_statistics, write_image
from benchmarks.peers.synthetic_checkpoint import write_telling_checkpoint
from benchmarks.record import circumstances, write_record
from benchmarks.rounds import read_rounds
from benchmarks.timing import milliseconds, rounded_interval
from groupvit_export.benchmark.machine import load_average
from groupvit_export.checkpoint.load import build_model, load_checkpoint
from groupvit_export.model.groupvit import GroupViTModel
from groupvit_export.pipeline.api import ExportOptions, export_bundle
from groupvit_export.verification.reference import image_outputs
from groupvit_runtime import Segmenter
from groupvit_runtime.contract import PaperDecode
from groupvit_runtime.manifest import Manifest
from groupvit_runtime.preprocess import prepare_windows
from groupvit_runtime.read_image import read_image
from groupvit_runtime.windows import plan_windows

SIZE: Final = (720, 1280)
SIDE: Final = 448
OURS: Final = "ours, all windows in one batch"
PEER: Final = "eager PyTorch, one window at a time"


def eager_windows(
    model: GroupViTModel, manifest: Manifest, words: NDArray[np.float32], image: Path
) -> NDArray[np.int64]:
    """The label map, int64 [H, W], window by window.

    Args:
        model: the reference, float32.
        manifest: of the bundle that is the peer's peer: preprocessing and constants of the decode.
        words: float32 [K, P], unit vectors.
        image: a file.

    Raises:
        ValueError: the engine is not square.
    """
    if manifest.decode.paper is None:
        raise ValueError(f"{manifest.model.image_size} is not square")
    decode = manifest.decode.paper
    rgb = read_image(image)
    plan = plan_windows((rgb.shape[0], rgb.shape[1]), decode.window)
    windows = prepare_windows(rgb, manifest.preprocessing.paper, plan)
    text = torch.tensor(words)
    total = torch.zeros(len(words), *plan.padded_size)
    over = torch.zeros(plan.padded_size)
    with torch.inference_mode():
        for window, (top, left) in zip(windows, plan.boxes, strict=True):
            area = (slice(top, top + plan.side), slice(left, left + plan.side))
            outputs = image_outputs(model, torch.from_numpy(window[None]))
            total[:, area[0], area[1]] += window_scores(outputs, text, manifest.model.logit_scale, decode)
            over[area] += 1
        rows, columns = plan.size
        mean = (total / over)[:, :rows, :columns]
        scores = F.interpolate(mean[None], size=rgb.shape[:2], mode="bilinear", align_corners=False)[0]
        labels: NDArray[np.int64] = scores.argmax(dim=0).numpy()
    return labels


def window_scores(
    outputs: dict[str, NDArray[Any]], text: torch.Tensor, logit_scale: float, decode: PaperDecode
) -> torch.Tensor:
    """Class scores [K, side, side] of one window, as `groupvit_runtime.paper` defines them."""
    masks, groups, image = (
        torch.from_numpy(outputs[name][0]) for name in ("masks", "group_embeds", "image_embeds")
    )
    scale = min(float(np.exp(logit_scale)), decode.max_logit_scale)
    affinity = (scale * groups @ text.T).softmax(dim=-1)
    best = (image @ text.T).topk(min(decode.top_classes, len(text))).indices
    table = torch.zeros_like(affinity)
    table[:, best] = affinity[:, best] * (scale * groups @ text[best].T).softmax(dim=-1)
    side = decode.window.size
    planes = F.interpolate(masks[None], size=(side, side), mode="bilinear", align_corners=False)[0]
    return table.T[:, planes.argmax(dim=0)]


def measure(segmenter: Segmenter, model: GroupViTModel, image: Path, rounds: int) -> dict[str, Any]:
    """Check that both give the same label map, then time them in turn.

    Raises:
        ValueError: they do not.
    """
    words = segmenter.vocabulary(VOC)

    def ours() -> NDArray[Any]:
        return segmenter(image, words, decode="paper").labels

    def peer() -> NDArray[Any]:
        return eager_windows(model, segmenter.manifest, words.embeddings, image)

    labels = ours()
    classes = check_telling(labels)
    agreement = 100 * float((peer() == labels).mean())
    if agreement < LEAST_AGREEMENT:
        raise ValueError(f"the label maps agree on {agreement:.2f} % of the pixels, not {LEAST_AGREEMENT} %")
    times = milliseconds({OURS: ours, PEER: peer}, rounds)
    return {
        "agreement_percent": float(np.floor(1e3 * agreement) / 1e3),
        "labels_in_the_map": classes,
        "median_ms": {name: round(float(np.median(values)), 1) for name, values in times.items()},
        "over_ours": rounded_interval(times[OURS], times[PEER]),
    }


def main() -> None:
    arguments = read_rounds(__doc__, 40, "of both sides")
    if arguments.threads is not None:
        torch.set_num_threads(arguments.threads)
    before = load_average()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        image = write_image(folder / "image.jpg", SIZE)
        checkpoint = str(write_telling_checkpoint(folder / "checkpoint", images_for_statistics(image)))
        options = ExportOptions(
            "openvino",
            checkpoint=checkpoint,
            image_size=(SIDE, SIDE),
            decode="paper",
            output=folder / "bundle",
        )
        segmenter = Segmenter.load(export_bundle(options).path, threads=arguments.threads)
        model = build_model(load_checkpoint(checkpoint)).eval()
        found = measure(segmenter, model, image, arguments.rounds)
        runs = segmenter.engine_description
        paper = segmenter.manifest.decode.paper
        count = 0 if paper is None else len(plan_windows(SIZE, paper.window).boxes)
    record = {
        **circumstances(
            before,
            rounds=arguments.rounds,
            threads=arguments.threads,
            image_px={"width": SIZE[1], "height": SIZE[0]},
            window_px=SIDE,
            windows=count,
            classes=len(VOC),
            runs=runs,
        ),
        **found,
    }
    write_record("windows", record)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
