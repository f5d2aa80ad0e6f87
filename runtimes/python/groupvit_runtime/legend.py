"""What stands below an overlay: swatch, name and share of every class that occurs, or a colorbar."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

_PAPER = (255, 255, 255)
_INK = (24, 24, 24)
_FAINT = (110, 110, 110)
_MIN_WIDTH = 480
_MAX_ENTRIES = 60
_ELLIPSIS = "…"

_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@dataclass(frozen=True)
class LegendEntry:
    """One class of the legend.

    ``color`` is ``None`` where the image is left uncolored, ``share`` where none is to be told.
    """

    index: int
    name: str
    share: float | None
    color: tuple[int, ...] | None


def draw_legend(
    image: Image.Image, entries: Sequence[LegendEntry], font: str | os.PathLike[str] | None = None
) -> Image.Image:
    """Put the legend below an RGB image; see `legend_below`."""
    return legend_below([image], image.size, entries, font)


def legend_below(
    strips: Iterable[Image.Image],
    size: tuple[int, int],
    entries: Sequence[LegendEntry],
    font: str | os.PathLike[str] | None = None,
) -> Image.Image:
    """Put the legend below the strips of an image, which need not be there at once.

    Text grows with the image's width. Names too long for their column are cut with an ellipsis; beyond
    60 entries the rest are summed in one line.

    Args:
        strips: RGB images of the image's width, from above to below.
        size: (width, height) of the image, in pixels.
        entries: in the order they shall appear.
        font: a TrueType file, or ``None`` for Pillow's own.

    Returns:
        An RGB image at least as wide as the image and 480 pixels.

    Raises:
        OSError: the font cannot be read.
    """
    width = max(size[0], _MIN_WIDTH)
    letter = max(width // 42, 14)
    typeface = _font(font, letter)
    missing = _pixels(typeface, "\uffff")
    shown = list(entries[:_MAX_ENTRIES])
    rest = entries[_MAX_ENTRIES:]
    lines = [(entry.color, _title(entry, typeface, missing), _percent(entry.share)) for entry in shown]

    gap, swatch, row = letter * 2 // 3, letter, letter * 8 // 5
    number = int(max([typeface.getlength(text) for _, _, text in lines], default=0)) + 1
    widest = int(max([typeface.getlength(text) for _, text, _ in lines], default=0)) + 1
    # Swatch, name and number with a gap between them, and three to the next column.
    fixed = swatch + number + 5 * gap
    inside = width + gap
    # A single long name must not cost all others their second column.
    cell = fixed + min(widest, max(inside // 2 - fixed, 6 * letter))
    rows = -(-len(lines) // max(inside // cell, 1))
    columns = max(-(-len(lines) // max(rows, 1)), 1)
    cell = min(inside // columns, fixed + widest)

    height = size[1] + 2 * gap + row * (rows + bool(rest))
    canvas = Image.new("RGB", (width, height), _PAPER)
    top = 0
    for strip in strips:
        canvas.paste(strip, ((width - size[0]) // 2, top))
        top += strip.height
    draw = ImageDraw.Draw(canvas)
    for position, (color, title, percent) in enumerate(lines):
        column, line = divmod(position, rows)
        left = gap + column * cell
        middle = size[1] + gap + line * row + row // 2
        box = (left, middle - swatch // 2, left + swatch, middle + swatch // 2)
        draw.rectangle(box, fill=color or _PAPER, outline=_FAINT)
        if color is None:
            draw.line((box[0], box[3], box[2], box[1]), fill=_FAINT)
        title = _fitted(title, typeface, cell - fixed)
        draw.text((left + swatch + gap, middle), title, fill=_INK, font=typeface, anchor="lm")
        right = left + cell - 3 * gap
        draw.text((right, middle), percent, fill=_FAINT, font=typeface, anchor="rm")
    if rest:
        shares = [entry.share for entry in rest if entry.share is not None]
        together = f", {_percent(sum(shares))} together" if shares else ""
        more = f"and {len(rest)} more{together}"
        middle = size[1] + gap + rows * row + row // 2
        draw.text((gap, middle), _fitted(more, typeface, width - 2 * gap), _FAINT, typeface, anchor="lm")
    return canvas


def colorbar_below(
    strips: Iterable[Image.Image],
    size: tuple[int, int],
    title: str,
    limits: tuple[float, float],
    colors: NDArray[np.uint8],
    font: str | os.PathLike[str] | None = None,
) -> Image.Image:
    """Put a title and a bar of all colors below the strips of an image, with numbers at ends and middle.

    Args:
        strips: RGB images of the image's width, from above to below.
        size: (width, height) of the image, in pixels.
        title: one line; what is too long is cut with an ellipsis.
        limits: what the first and the last color stand for.
        colors: uint8 [n, 3].
        font: a TrueType file, or ``None`` for Pillow's own.

    Returns:
        An RGB image at least as wide as the image and 480 pixels.

    Raises:
        OSError: the font cannot be read.
    """
    width = max(size[0], _MIN_WIDTH)
    letter = max(width // 42, 14)
    typeface = _font(font, letter)
    gap, row = letter * 2 // 3, letter * 8 // 5
    canvas = Image.new("RGB", (width, size[1] + 2 * gap + 3 * row), _PAPER)
    top = 0
    for strip in strips:
        canvas.paste(strip, ((width - size[0]) // 2, top))
        top += strip.height
    draw = ImageDraw.Draw(canvas)
    written = _title(LegendEntry(0, title, 0, None), typeface, _pixels(typeface, "\uffff"))
    first = size[1] + gap
    draw.text(
        (gap, first + row // 2), _fitted(written, typeface, width - 2 * gap), _INK, typeface, anchor="lm"
    )
    long = width - 2 * gap
    bar = colors[np.arange(long) * len(colors) // long]
    canvas.paste(Image.fromarray(np.broadcast_to(bar, (letter, long, 3)).copy()), (gap, first + row))
    middle = first + 2 * row + row // 2
    for place, value, anchor in (
        (gap, limits[0], "lm"),
        (width // 2, (limits[0] + limits[1]) / 2, "mm"),
        (width - gap, limits[1], "rm"),
    ):
        draw.text((place, middle), f"{value:.3g}", _FAINT, typeface, anchor=anchor)
    return canvas


def _font(path: str | os.PathLike[str] | None, size: int) -> _Font:
    if path is None:
        return ImageFont.load_default(size)
    return ImageFont.truetype(path, size)


def _title(entry: LegendEntry, font: _Font, missing: bytes) -> str:
    name, complete = "", True
    for letter in " ".join(entry.name.split()):
        # Pillow's own font has no accents: a plain letter reads better than the box for a missing one.
        plain = unicodedata.normalize("NFKD", letter)[:1]
        if letter.isascii() or _pixels(font, letter) != missing:
            name += letter
        elif plain.isascii():
            name += plain
        else:
            name += letter
            complete = False
    # Boxes say nothing; the index still tells which class it is.
    return name if complete else f"#{entry.index} {name}"


def _pixels(font: _Font, letter: str) -> bytes:
    return bytes(font.getmask(letter))


def _percent(share: float | None) -> str:
    if share is None:
        return ""
    # Nothing at all and too little to write are different answers.
    return "< 0.1 %" if 0 < share < 0.001 else f"{100 * share:.1f} %"


def _fitted(text: str, font: _Font, width: float) -> str:
    if font.getlength(text) <= width:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if font.getlength(text[:middle].rstrip() + _ELLIPSIS) <= width:
            low = middle
        else:
            high = middle - 1
    return text[:low].rstrip() + _ELLIPSIS
