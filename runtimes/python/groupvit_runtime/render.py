"""Label maps as images: a palette PNG for programs, an overlay with a legend for people."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import IO

import numpy as np
import numpy.typing as npt
from PIL import Image

from groupvit_runtime.errors import LabelError, UsageError
from groupvit_runtime.legend import LegendEntry, legend_below

LabelMap = npt.NDArray[np.integer]
Colors = npt.NDArray[np.uint8]

# Strong hues first, neighbors in the list far apart, nothing near black, white or gray: they have to be
# told apart when they are half transparent over a photograph.
_FIRST_COLORS: tuple[tuple[int, ...], ...] = (
    (230, 25, 75),
    (0, 130, 200),
    (255, 225, 25),
    (60, 180, 75),
    (145, 30, 180),
    (245, 130, 48),
    (70, 240, 240),
    (240, 50, 230),
    (210, 245, 60),
    (0, 128, 128),
    (250, 190, 212),
    (170, 110, 40),
    (0, 0, 200),
    (170, 255, 195),
    (128, 0, 0),
    (220, 190, 255),
    (128, 128, 0),
    (255, 160, 122),
    (0, 70, 130),
    (100, 60, 255),
)
_MIN_DISTANCE = 40
_MIN_BRIGHTNESS = 96
_MIN_CONTRAST = 64
_MIN_SHORT_SIDE = 480
_MAX_ENLARGED_SIDE = 2048
_PALETTE_LIMIT = 256
_LEAST_PALETTE = 17
_STRIP_PIXELS = 1 << 20


@lru_cache(maxsize=16)
def palette(n: int, *, background: int | None = None) -> Colors:
    """Colors of ``n`` classes, the same for the same arguments everywhere.

    Classes take twenty hand-picked colors in their order, then those of PASCAL VOC's bit-interleaved
    palette that are neither dark nor gray nor close to one of the twenty. The background is black and uses
    up no color, so a class has the same one with and without it. All colors are distinct.

    Args:
        n: number of colors, at least 1.
        background: the index that is black, or ``None``.

    Returns:
        uint8 [n, 3] RGB, read-only.

    Raises:
        UsageError: ``n`` below 1.
    """
    if n < 1:
        raise UsageError("a palette needs at least one class", got=n)
    wanted = n if background is None else n - 1
    colors = list(_FIRST_COLORS[:wanted])
    candidates = 4 * n
    while len(colors) < wanted:
        colors = [*_FIRST_COLORS, *_further_colors(candidates)][:wanted]
        candidates *= 2
    if background is not None:
        colors.insert(background, (0, 0, 0))
    result = np.array(colors, np.uint8)
    result.setflags(write=False)
    return result


def label_png(
    labels: LabelMap,
    file: str | os.PathLike[str] | IO[bytes],
    n: int,
    *,
    background: int | None = None,
    gray: bool = False,
) -> None:
    """Write a label map as a PNG whose pixel values are the labels.

    Args:
        labels: integers [H, W], 0 to ``n - 1``.
        file: a path or a binary file.
        n: number of classes. Up to 256 the PNG has 8 bits and the palette; beyond, 16 bits and none.
        background: the index that is black, or ``None``.
        gray: leave the palette out, for readers that would give its colors instead of the labels, as OpenCV
            does.

    Raises:
        LabelError: a label outside 0 to ``n - 1``.
        UsageError: ``n`` below 1.
        OSError: the file cannot be written.
    """
    if n < 1:
        raise UsageError("a label map has at least one class", got=n, expected="1 or more")
    # Pillow packs labels into fewer bits where the palette has 16 colors or less, and not every reader
    # unpacks.
    colors = palette(min(max(n, _LEAST_PALETTE), _PALETTE_LIMIT), background=background)
    _check_labels(labels, n)
    if n > _PALETTE_LIMIT:
        image = Image.fromarray(labels.astype(np.uint16))
    else:
        image = Image.fromarray(labels.astype(np.uint8))
        if not gray:
            image.putpalette(colors.tobytes())
    image.save(file, format="PNG")


def count_labels(labels: LabelMap, n: int) -> npt.NDArray[np.int64]:
    """Pixels of each class, without the copy in 64 bits that counting all at once takes.

    Args:
        labels: integers [H, W], 0 to ``n - 1``.
        n: number of classes.

    Returns:
        int64 [n].
    """
    counts = np.zeros(n, np.int64)
    for strip in _strips(labels.shape):
        counts += np.bincount(labels[strip].reshape(-1), minlength=n)
    return counts


def overlay(
    rgb: npt.NDArray[np.uint8],
    labels: LabelMap,
    names: Sequence[str],
    *,
    opacity: float = 0.5,
    background: int | None = None,
    font: str | os.PathLike[str] | None = None,
) -> Image.Image:
    """The image with its classes in color, outlined, and a legend below it.

    The legend lists the classes that occur, by their share of the image. Images with a short side
    below 480 pixels are enlarged, labels without smoothing; very long ones only up to a side of 2048.

    Args:
        rgb: uint8 [H, W, 3].
        labels: integers [H, W], 0 to ``len(names) - 1``.
        names: class names.
        opacity: of the colors, 0 (outlines only) to 1.
        background: the class that is left uncolored, or ``None``.
        font: a TrueType file for the legend. Pillow's own font has no more than ASCII; accents are left
            out, and names in other scripts are shown with their index.

    Returns:
        An RGB image.

    Raises:
        LabelError: a label without a name, or a label map of another size than the image.
        UsageError: an opacity outside 0 to 1.
    """
    if not 0 <= opacity <= 1:
        raise UsageError("the opacity is out of range", got=opacity, expected="0 to 1")
    if labels.shape != rgb.shape[:2]:
        raise LabelError(
            "the label map does not lie over the image",
            got=f"labels {list(labels.shape)}, image {list(rgb.shape[:2])}",
            expected="the same height and width",
        )
    _check_labels(labels, len(names))
    counts = count_labels(labels, len(names))
    colors = palette(len(names), background=background)

    rgb, labels = _enlarged(rgb, labels)
    entries = [
        LegendEntry(
            index=index,
            name=names[index],
            share=float(counts[index] / counts.sum()),
            color=None if index == background else tuple(colors[index].tolist()),
        )
        for index in sorted(np.flatnonzero(counts).tolist(), key=lambda index: (-counts[index], index))
    ]
    strips = _painted(rgb, labels, colors, opacity, background)
    return legend_below(strips, (labels.shape[1], labels.shape[0]), entries, font)


def _further_colors(candidates: int) -> list[tuple[int, ...]]:
    """Those of PASCAL VOC's colors 1 to ``candidates`` that stand out and are not taken.

    VOC's rule: bit ``3 i + c`` of the index is bit ``7 - i`` of channel ``c``.
    """
    index = np.arange(1, candidates + 1)
    colors = np.zeros((candidates, 3), np.int64)
    for bit in range(8):
        for channel in range(3):
            colors[:, channel] |= (index >> (3 * bit + channel) & 1) << (7 - bit)
    high, low = colors.max(axis=1), colors.min(axis=1)
    good = (high >= _MIN_BRIGHTNESS) & (high - low >= _MIN_CONTRAST)
    for taken in _FIRST_COLORS:
        good &= ((colors - taken) ** 2).sum(axis=1) >= _MIN_DISTANCE**2
    return [tuple(color) for color in colors[good].tolist()]


def _check_labels(labels: LabelMap, n: int) -> None:
    if labels.ndim != 2 or labels.size == 0 or labels.dtype.kind not in "iu":
        raise LabelError(
            "this is not a label map", got=f"{labels.dtype} {list(labels.shape)}", expected="integers [H, W]"
        )
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= n:
        raise LabelError(
            "the label map names classes that do not exist",
            got=f"labels from {low} to {high}",
            expected=f"0 to {n - 1}",
            fix="pass the names, or the number of classes, that the map was made with",
        )


def _enlarged(rgb: npt.NDArray[np.uint8], labels: LabelMap) -> tuple[npt.NDArray[np.uint8], LabelMap]:
    height, width = labels.shape
    wanted = -(-_MIN_SHORT_SIDE // min(height, width))
    factor = max(min(wanted, _MAX_ENLARGED_SIDE // max(height, width)), 1)
    if factor == 1:
        return rgb, labels
    size = (width * factor, height * factor)
    smooth = np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.BICUBIC))
    return smooth, labels.repeat(factor, axis=0).repeat(factor, axis=1)


def _strips(shape: tuple[int, ...]) -> Iterator[slice]:
    rows = max(_STRIP_PIXELS // shape[1], 1)
    return (slice(top, min(top + rows, shape[0])) for top in range(0, shape[0], rows))


def _painted(
    rgb: npt.NDArray[np.uint8],
    labels: LabelMap,
    colors: Colors,
    opacity: float,
    background: int | None,
) -> Iterator[Image.Image]:
    height = len(labels)
    line = max(min(labels.shape) // 320, 1)
    weight = np.full(len(colors), round(opacity * 256), np.uint16)
    if background is not None:
        weight[background] = 0
    for strip in _strips(labels.shape):
        # Outlines reach a line's width from one strip into the next.
        first, last = max(strip.start - line, 0), min(strip.stop + line, height)
        edge = _outline(labels[first:last], line, background)[strip.start - first : strip.stop - first]
        yield Image.fromarray(_blended(rgb[strip], labels[strip], edge, colors, weight))


def _blended(
    rgb: npt.NDArray[np.uint8],
    labels: LabelMap,
    edge: npt.NDArray[np.bool_],
    colors: Colors,
    weight: npt.NDArray[np.uint16],
) -> npt.NDArray[np.uint8]:
    share = weight[labels]
    share[edge] = 256
    paint = colors[labels]
    # At most 255 * 256, which 16 bits hold.
    mixed = rgb * (256 - share)[:, :, None]
    mixed += paint * share[:, :, None]
    return (mixed >> 8).astype(np.uint8)


def _outline(labels: LabelMap, width: int, background: int | None) -> npt.NDArray[np.bool_]:
    """Pixels of a class, other than background, that lie within a line's width of another class."""
    edge = np.zeros(labels.shape, bool)
    for axis in (0, 1):
        a = labels if axis == 0 else labels.T
        out = edge if axis == 0 else edge.T
        differs = a[:-1] != a[1:]
        for offset in range(min(width, len(differs))):
            # Both sides of a border: the pixels above it and those below.
            out[: len(differs) - offset] |= differs[offset:]
            out[1 + offset :] |= differs[: len(differs) - offset]
    if background is not None:
        edge &= labels != background
    return edge
