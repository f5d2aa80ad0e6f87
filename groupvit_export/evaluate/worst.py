"""The images that were segmented worst, drawn for people: image, truth and prediction side by side."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from groupvit_export.data.dataset import IGNORE, Dataset, Sample
from groupvit_export.data.truth import read_pair
from groupvit_export.errors import GroupViTError, ImageError
from groupvit_export.evaluate.outcome import Failed
from groupvit_export.evaluate.output import write_output
from groupvit_export.evaluate.setting import SegmentImage
from groupvit_export.evaluate.tally import Ranked
from groupvit_export.metrics.confusion import ConfusionMatrix
from groupvit_runtime.colors import colors_of
from groupvit_runtime.competition import BACKGROUND
from groupvit_runtime.legend import LegendEntry, draw_legend

FOLDER_NAME: Final = "worst"

_OURS: Final = re.compile(r"\d{2,}-\d{2,3}\.\d{2}-.*\.png", re.DOTALL)
_MIN_SHORT_SIDE = 320
_MAX_LONG_SIDE = 960
_OPACITY = 0.7
_GRAYS = (70, 200)
_STRIPE = 5
_INK = (24, 24, 24)
_PAPER = (255, 255, 255)
_KEY_CHARACTERS = 80


@dataclass(frozen=True)
class Drawn:
    """One of the worst images; `file` is below the output folder, None where it could not be drawn."""

    key: str
    miou: float
    file: str | None


def draw_worst(
    dataset: Dataset,
    segment: SegmentImage,
    worst: Sequence[Ranked],
    output: Path,
    note: Callable[[str], None],
) -> tuple[Drawn, ...]:
    """Segment the worst images once more and write them to the folder `worst` of `output`.

    Files that are there already are this evaluation's, whole, and left; those of images that are no longer
    among the worst are removed.

    Args:
        dataset: that was evaluated on.
        segment: the same as before.
        worst: lowest mIoU first.
        output: the evaluation's folder.
        note: gets a line about every image that can no longer be read.

    Raises:
        GroupViTError: the folder cannot be written, or the engine failed.
    """
    folder = output / FOLDER_NAME
    names = {_file_name(rank, item): item for rank, item in enumerate(worst, 1)}
    _prepare(folder, set(names))
    wanted = {item.key for item in worst}
    samples = {sample.key: sample for sample in dataset.samples if sample.key in wanted}
    drawn = []
    for name, item in names.items():
        file: str | None = f"{FOLDER_NAME}/{name}"
        if not (folder / name).exists():
            try:
                image = draw(samples[item.key], dataset, segment)
            except ImageError as error:
                note(f"groupvit: not drawn: {Failed.of(item.key, error).line}")
                file = None
            else:
                data = io.BytesIO()
                image.save(data, format="PNG")
                write_output(folder / name, data.getvalue())
        drawn.append(Drawn(item.key, item.miou, file))
    return tuple(drawn)


def clear_worst(output: Path) -> None:
    """Remove what `draw_worst` wrote, of whatever evaluation.

    Raises:
        GroupViTError: it cannot be removed.
    """
    if (output / FOLDER_NAME).is_dir():
        _prepare(output / FOLDER_NAME, set())


def draw(sample: Sample, dataset: Dataset, segment: SegmentImage) -> Image.Image:
    """One image as RGB: image, truth and prediction, and the IoU of every class that occurs.

    Classes have the colors of `groupvit segment`, laid over the image in gray. The background is left
    uncolored; ignored pixels of the truth are hatched.

    Raises:
        ImageError: the image or its mask cannot be read.
        GroupViTError: of `segment`.
    """
    pair = read_pair(sample, dataset)
    rgb, truth = pair.rgb, pair.truth
    predicted = segment(rgb).labels
    background = dataset.classes.index(BACKGROUND) if BACKGROUND in dataset.classes else None
    colors = colors_of(dataset.classes, background=background)

    height, width = _panel_size(rgb.shape[0], rgb.shape[1])
    at = np.ix_(_nearest(rgb.shape[0], height), _nearest(rgb.shape[1], width))
    large = np.asarray(Image.fromarray(rgb).resize((width, height), Image.Resampling.BICUBIC), np.uint8)
    # Over gray, because a class's color over a colored thing is neither the one nor the other.
    gray = np.asarray(Image.fromarray(large).convert("L").convert("RGB"))
    panels = {
        "image": large,
        "truth": _painted(gray, truth[at], colors, background),
        "prediction": _painted(gray, predicted[at], colors, background),
    }
    matrix = ConfusionMatrix.of(truth, predicted, len(dataset.classes))
    miou = matrix.scores().miou
    own = "none" if miou is None else f"{100 * miou:.2f} %"
    title = f"mIoU {own} (below, that of every class): {' '.join(sample.key.split())}"
    return draw_legend(
        _side_by_side(panels, title), _legend(matrix, truth, dataset.classes, colors, background)
    )


def _legend(
    matrix: ConfusionMatrix,
    truth: NDArray[np.uint16],
    classes: tuple[str, ...],
    colors: NDArray[np.uint8],
    background: int | None,
) -> list[LegendEntry]:
    scores = matrix.scores()
    size = [a + b for a, b in zip(scores.truth_pixels, scores.predicted_pixels, strict=True)]
    entries = [
        LegendEntry(
            index=index,
            name=classes[index],
            share=iou,
            color=None if index == background else tuple(colors[index].tolist()),
        )
        for index, iou in enumerate(scores.iou)
        if iou is not None
    ]
    entries.sort(key=lambda entry: (-size[entry.index], entry.index))
    ignored = float((truth == IGNORE).mean())
    if ignored:
        gray = sum(_GRAYS) // 2
        entries.append(
            LegendEntry(len(classes), "(ignored, share of the image)", ignored, (gray, gray, gray))
        )
    return entries


def _painted(
    rgb: NDArray[np.uint8], labels: NDArray[np.uint16], colors: NDArray[np.uint8], background: int | None
) -> NDArray[np.uint8]:
    ignored = labels == IGNORE
    known = np.where(ignored, 0, labels)
    weight = np.full(labels.shape, _OPACITY, np.float32)
    weight[_borders(labels)] = 1
    if background is not None:
        weight[known == background] = 0
    weight[ignored] = _OPACITY
    paint = np.where(ignored[:, :, None], _hatching(labels.shape)[:, :, None], colors[known])
    mixed = rgb * (1 - weight[:, :, None]) + paint * weight[:, :, None]
    return np.rint(mixed).astype(np.uint8)


def _borders(labels: NDArray[np.uint16]) -> NDArray[np.bool_]:
    """Pixels that have a neighbor of another class."""
    borders = np.zeros(labels.shape, bool)
    vertical, horizontal = labels[1:] != labels[:-1], labels[:, 1:] != labels[:, :-1]
    borders[1:] |= vertical
    borders[:-1] |= vertical
    borders[:, 1:] |= horizontal
    borders[:, :-1] |= horizontal
    return borders


def _hatching(shape: tuple[int, ...]) -> NDArray[np.uint8]:
    rows, columns = np.indices(shape)
    return np.array(_GRAYS, np.uint8)[(rows + columns) // _STRIPE % 2]


def _panel_size(height: int, width: int) -> tuple[int, int]:
    enlarged = max(_MIN_SHORT_SIDE / min(height, width), 1.0)
    scale = min(enlarged, _MAX_LONG_SIDE / max(height, width))
    return max(round(height * scale), 1), max(round(width * scale), 1)


def _nearest(length: int, wanted: int) -> NDArray[np.intp]:
    """Where the `wanted` pixels of an axis come from; labels cannot be averaged."""
    return (2 * np.arange(wanted) + 1) * length // (2 * wanted)


def _side_by_side(panels: dict[str, NDArray[np.uint8]], title: str) -> Image.Image:
    height, width = panels["image"].shape[:2]
    gap = 8
    total = len(panels) * width + (len(panels) - 1) * gap
    size = max(total // 48, 14)
    font = ImageFont.load_default(size)
    line = 2 * size
    canvas = Image.new("RGB", (total, height + 2 * line), _PAPER)
    pen = ImageDraw.Draw(canvas)
    pen.text((size // 2, line // 2), title, _INK, font, anchor="lm")
    for position, (name, panel) in enumerate(panels.items()):
        left = position * (width + gap)
        pen.text((left + width // 2, line + line // 2), name, _INK, font, anchor="mm")
        canvas.paste(Image.fromarray(panel), (left, 2 * line))
    return canvas


def _file_name(rank: int, item: Ranked) -> str:
    safe = re.sub(r"[^A-Za-z0-9._-]+", "_", item.key)[-_KEY_CHARACTERS:]
    return f"{rank:02d}-{100 * item.miou:05.2f}-{safe}.png"


def _prepare(folder: Path, keep: set[str]) -> None:
    try:
        if keep:
            folder.mkdir(parents=True, exist_ok=True)
        if folder.is_dir():
            for path in folder.iterdir():
                if _OURS.fullmatch(path.name) and path.name not in keep:
                    path.unlink()
    except OSError as error:
        raise GroupViTError(
            "the folder of the worst images cannot be written",
            got=f"{folder}: {error.strerror or error}",
            expected="a folder that may be written",
            fix="make it writable, and give the same command again: it goes on from the journal",
        ) from error
