"""A 1280x720 image by the paper's sliding windows: all windows in one batch, beside one after the other.

The peer is what the published code does, written plainly in PyTorch: eager, one window at a time through our
reference model (transformers' cannot run at 448 px), float32, with the words encoded beforehand as ours are.
A part of `python -m benchmarks.peers`.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from benchmarks.peers.agreement import agreement, check_telling
from benchmarks.peers.host import LOAD_S, Worker
from benchmarks.peers.material import PAPER, WINDOWS_SIDE, WINDOWS_SIZE, Material
from benchmarks.peers.sides import LabelMap, Side
from benchmarks.peers.turns import Turns, load_all, take_turns
from benchmarks.timing import rounded_interval
from groupvit_export.checkpoint.load import build_model, load_checkpoint
from groupvit_export.model.groupvit import GroupViTModel
from groupvit_export.verification.reference import image_outputs
from groupvit_runtime import Segmenter, Vocabulary
from groupvit_runtime.contract import PaperDecode
from groupvit_runtime.manifest import Manifest, read_manifest
from groupvit_runtime.preprocess import prepare_windows
from groupvit_runtime.read_image import read_image
from groupvit_runtime.windows import plan_windows

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


def window_side(which: str, root: str, threads: str) -> Side:
    """`OURS` or `PEER`, on the material's image.

    Args:
        which: of the two.
        root: of the material.
        threads: "0" for its own choice.
    """
    material, count = Material(Path(root)), int(threads) or None
    words = Vocabulary.load(material.vocabulary(PAPER))
    if which == OURS:
        segmenter = Segmenter.load(material.bundle(PAPER), threads=count, decode="paper")

        def ours(image: Path) -> LabelMap:
            return segmenter(image, words).labels

        calls = {"image": lambda: ours(material.windows_image)}
        return Side(calls, ours, runs=segmenter.engine_description)
    if count is not None:
        torch.set_num_threads(count)
    manifest = read_manifest(material.bundle(PAPER))
    model = build_model(load_checkpoint(str(material.checkpoint))).eval()

    def eager(image: Path) -> LabelMap:
        return eager_windows(model, manifest, words.embeddings, image)

    paper = manifest.decode.paper
    count = 0 if paper is None else len(plan_windows(WINDOWS_SIZE, paper.window).boxes)
    calls = {"image": lambda: eager(material.windows_image)}
    return Side(calls, eager, runs=f"torch {torch.__version__}, eager", facts={"windows": count})


def measure(material: Material, turns: Turns, threads: int | None, log: Path) -> dict[str, Any]:
    """Compare the label maps, then time both in turn.

    Args:
        material: that has the bundle.
        turns: of both.
        threads: of both; None for their own choice.
        log: a folder for what the processes print.
    """
    with ExitStack() as stack:
        workers = {}
        for index, which in enumerate((OURS, PEER)):
            arguments = [which, str(material.root), str(threads or 0)]
            side = Worker("benchmarks.windows:window_side", arguments, log / f"windows-{index}.txt")
            workers[which] = stack.enter_context(side)
        failed: dict[str, str] = {}
        loaded = load_all(workers, failed, LOAD_S)
        if failed:
            return {"not_run": "; ".join(failed.values())}
        labels = {}
        for index, (which, worker) in enumerate(workers.items()):
            file = log / f"windows-{index}.npz"
            worker.ask("label", images=[str(material.windows_image)], into=str(file))
            with np.load(file) as found:
                labels[which] = found["labels"]
        taken = take_turns(workers, "image", turns)
        if taken.failed:
            return {"not_run": "; ".join(taken.failed.values())}
    return {
        "cut": {
            "image_px": {"width": WINDOWS_SIZE[1], "height": WINDOWS_SIZE[0]},
            "window_px": WINDOWS_SIDE,
            "windows": loaded[PEER]["facts"]["windows"],
        },
        "runs": loaded[OURS]["runs"],
        "agreement_percent": agreement(labels[OURS], labels[PEER]).pixels,
        "labels_in_the_map": check_telling(labels[PEER]),
        "median_ms": {name: round(float(np.median(values)), 1) for name, values in taken.times.items()},
        "over_ours": rounded_interval(taken.times[OURS], taken.times[PEER]),
    }
