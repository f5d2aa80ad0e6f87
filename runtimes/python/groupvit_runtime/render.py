"""Label maps as images: a palette PNG for programs, an overlay with a legend for people."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import IO, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from groupvit_runtime.colors import Color, Colors, colors_of
from groupvit_runtime.errors import LabelError, UsageError
from groupvit_runtime.legend import LegendEntry, legend_below

LabelMap = npt.NDArray[np.integer]
_Value = TypeVar("_Value", bound=np.generic)

_MIN_SHORT_SIDE = 480
_MAX_ENLARGED_SIDE = 2048
_PALETTE_LIMIT = 256
_LEAST_PALETTE = 17
_STRIP_PIXELS = 1 << 20


def label_png(
    labels: LabelMap,
    file: str | os.PathLike[str] | IO[bytes],
    names: Sequence[str],
    *,
    background: int | None = None,
    unlabeled: int | None = None,
    gray: bool = False,
) -> None:
    """Write a label map as a PNG whose pixel values are the labels.

    Args:
        labels: integers [H, W], 0 to ``len(names) - 1``.
        file: a path or a binary file.
        names: class names, to which the colors belong. Up to 256 the PNG has 8 bits and the palette; beyond,
            16 bits and none.
        background: the index that is black, or ``None``.
        unlabeled: the index that is gray, or ``None``.
        gray: leave the palette out, for readers that would give its colors instead of the labels, as OpenCV
            does.

    Raises:
        LabelError: a label outside 0 to ``len(names) - 1``.
        UsageError: no names.
        OSError: the file cannot be written.
    """
    if not names:
        raise UsageError("a label map has at least one class", got="no names")
    _check_labels(labels, len(names))
    if len(names) > _PALETTE_LIMIT:
        image = Image.fromarray(labels.astype(np.uint16))
    else:
        image = Image.fromarray(labels.astype(np.uint8))
        if not gray:
            colors = colors_of(names, background=background, unlabeled=unlabeled)
            # Pillow packs labels into fewer bits where the palette has 16 colors or less, and not every
            # reader unpacks.
            more = max(_LEAST_PALETTE - len(names), 0)
            image.putpalette(colors.tobytes() + bytes(3 * more))
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
    for strip in strips_of(labels.shape):
        counts += np.bincount(labels[strip].reshape(-1), minlength=n)
    return counts


def overlay(
    rgb: npt.NDArray[np.uint8],
    labels: LabelMap,
    names: Sequence[str],
    *,
    opacity: float = 0.5,
    background: int | None = None,
    unlabeled: int | None = None,
    legend: bool = True,
    palette: Mapping[str, Color] | Sequence[Color] | Colors | None = None,
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
        background: a class that is left uncolored, or ``None``.
        unlabeled: likewise.
        legend: False for the image alone, at its own size.
        palette: colors of some names, or of all in their order, instead of `colors_of`; what has one here is
            colored.
        font: a TrueType file for the legend. Pillow's own font has no more than ASCII; accents are left
            out, and names in other scripts are shown with their index.

    Returns:
        An RGB image.

    Raises:
        LabelError: a label without a name, or a label map of another size than the image.
        UsageError: an opacity outside 0 to 1, or a palette that is none.
    """
    check_opacity(opacity)
    if labels.shape != rgb.shape[:2]:
        raise LabelError(
            "the label map does not lie over the image",
            got=f"labels {list(labels.shape)}, image {list(rgb.shape[:2])}",
            expected="the same height and width",
        )
    _check_labels(labels, len(names))
    counts = count_labels(labels, len(names))
    colors = colors_of(names, background=background, unlabeled=unlabeled, chosen=palette)
    is_colored = np.ones(len(names), bool)
    is_colored[[index for index in (background, unlabeled) if index is not None]] = False
    is_colored |= [_has_color(palette, name) for name in names]
    if not legend:
        return pasted(_painted(rgb, labels, colors, opacity, is_colored), labels.shape)

    rgb, labels = enlarged(rgb, labels)
    entries = [
        LegendEntry(
            index=index,
            name=names[index],
            share=float(counts[index] / counts.sum()),
            color=tuple(colors[index].tolist()) if is_colored[index] else None,
        )
        for index in sorted(np.flatnonzero(counts).tolist(), key=lambda index: (-counts[index], index))
    ]
    strips = _painted(rgb, labels, colors, opacity, is_colored)
    return legend_below(strips, (labels.shape[1], labels.shape[0]), entries, font)


def check_opacity(opacity: float) -> None:
    """Refuse what is none.

    Raises:
        UsageError: it is outside 0 to 1.
    """
    if not 0 <= opacity <= 1:
        raise UsageError("the opacity is out of range", got=opacity, expected="0 to 1")


def pasted(strips: Iterable[Image.Image], shape: tuple[int, ...]) -> Image.Image:
    """Strips of an image of ``shape`` [H, W], one below the other."""
    canvas = Image.new("RGB", (shape[1], shape[0]))
    top = 0
    for strip in strips:
        canvas.paste(strip, (0, top))
        top += strip.height
    return canvas


def _has_color(palette: Mapping[str, Color] | Sequence[Color] | Colors | None, name: str) -> bool:
    return name in palette if isinstance(palette, Mapping) else palette is not None


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


def enlarged(
    rgb: npt.NDArray[np.uint8], over: npt.NDArray[_Value]
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[_Value]]:
    """Image and what lies over it, larger where the short side is below 480; only the image is smoothed."""
    height, width = over.shape
    wanted = -(-_MIN_SHORT_SIDE // min(height, width))
    factor = max(min(wanted, _MAX_ENLARGED_SIDE // max(height, width)), 1)
    if factor == 1:
        return rgb, over
    size = (width * factor, height * factor)
    smooth = np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.BICUBIC))
    return smooth, over.repeat(factor, axis=0).repeat(factor, axis=1)


def strips_of(shape: tuple[int, ...]) -> Iterator[slice]:
    """The rows of an image of ``shape`` [H, W], about a million pixels at a time."""
    rows = max(_STRIP_PIXELS // shape[1], 1)
    return (slice(top, min(top + rows, shape[0])) for top in range(0, shape[0], rows))


def _painted(
    rgb: npt.NDArray[np.uint8],
    labels: LabelMap,
    colors: Colors,
    opacity: float,
    is_colored: npt.NDArray[np.bool_],
) -> Iterator[Image.Image]:
    height = len(labels)
    line = max(min(labels.shape) // 320, 1)
    weight = np.where(is_colored, round(opacity * 256), 0).astype(np.uint16)
    for strip in strips_of(labels.shape):
        # Outlines reach a line's width from one strip into the next.
        first, last = max(strip.start - line, 0), min(strip.stop + line, height)
        edge = _outline(labels[first:last], line, is_colored)[strip.start - first : strip.stop - first]
        yield Image.fromarray(_blended(rgb[strip], labels[strip], edge, colors, weight))


def _blended(
    rgb: npt.NDArray[np.uint8],
    labels: LabelMap,
    edge: npt.NDArray[np.bool_],
    colors: Colors,
    weight: npt.NDArray[np.uint16],
) -> npt.NDArray[np.uint8]:
    # A channel at a time: NumPy's loops over the three of a pixel cost more than the arithmetic. Labels were
    # checked; told to clip, `take` does not check them again.
    places = labels.astype(np.intp)
    kept = (256 - weight).take(places, mode="clip")
    painted = colors * weight[:, None]
    mixed, paint, out = np.empty_like(kept), np.empty_like(kept), np.empty_like(rgb)
    for channel in range(3):
        # At most 255 * 256, which 16 bits hold.
        np.multiply(rgb[:, :, channel], kept, out=mixed)
        mixed += painted[:, channel].take(places, mode="clip", out=paint)
        mixed >>= 8
        out[:, :, channel] = mixed
    out[edge] = colors[labels[edge]]
    return out


def _outline(labels: LabelMap, width: int, is_colored: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Pixels of a colored class that lie within a line's width of another class."""
    edge = np.zeros(labels.shape, bool)
    for axis in (0, 1):
        a = labels if axis == 0 else labels.T
        out = edge if axis == 0 else edge.T
        differs = a[:-1] != a[1:]
        for offset in range(min(width, len(differs))):
            # Both sides of a border: the pixels above it and those below.
            out[: len(differs) - offset] |= differs[offset:]
            out[1 + offset :] |= differs[: len(differs) - offset]
    if not is_colored.all():
        edge &= is_colored[labels]
    return edge
