"""Colors of classes: they belong to the name, so that a word has the same one in every image.

There are twenty colors that can be told apart at a glance. A name's place among them is the FNV-1a hash (32
bits) of its UTF-8, modulo 20; where an earlier name of the same label map has that color, the next free one.
Beyond 20 names the colors follow that `palette` has after those. The C++ example has the same rule.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from groupvit_runtime.errors import UsageError

Colors = npt.NDArray[np.uint8]
Color = Sequence[int]

BLACK: Final = (0, 0, 0)
GRAY: Final = (128, 128, 128)

# Strong hues first, neighbors in the list far apart, nothing near black, white or gray: they have to be
# told apart when they are half transparent over a photograph.
_FIRST_COLORS: Final[tuple[tuple[int, ...], ...]] = (
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
_TABLE: Final = len(_FIRST_COLORS)
_MIN_DISTANCE: Final = 40
_MIN_BRIGHTNESS: Final = 96
_MIN_CONTRAST: Final = 64
_FNV_BASIS: Final = 0x811C9DC5
_FNV_PRIME: Final = 0x01000193


@lru_cache(maxsize=16)
def palette(n: int) -> Colors:
    """``n`` colors, the same for the same number everywhere; for what has a number and no name.

    Twenty hand-picked ones, then those of PASCAL VOC's bit-interleaved palette that are neither dark nor gray
    nor close to one of the twenty. All are distinct.

    Args:
        n: number of colors, at least 1.

    Returns:
        uint8 [n, 3] RGB, read-only.

    Raises:
        UsageError: ``n`` below 1.
    """
    if n < 1:
        raise UsageError("a palette needs at least one class", got=n)
    colors = list(_FIRST_COLORS[:n])
    candidates = 4 * n
    while len(colors) < n:
        colors = [*_FIRST_COLORS, *_further_colors(candidates)][:n]
        candidates *= 2
    result = np.array(colors, np.uint8)
    result.setflags(write=False)
    return result


def colors_of(
    names: Sequence[str],
    *,
    background: int | None = None,
    unlabeled: int | None = None,
    chosen: Mapping[str, Color] | Sequence[Color] | Colors | None = None,
) -> Colors:
    """Colors of class names.

    Args:
        names: n of them, all different.
        background: the index that is black, or None.
        unlabeled: the index that is gray, or None.
        chosen: colors of some names, or of all of them in their order, instead.

    Returns:
        uint8 [n, 3] RGB.

    Raises:
        UsageError: chosen colors that are none, or of which there are not as many as names.
    """
    fixed: dict[int, tuple[int, ...]] = {} if background is None else {background: BLACK}
    if unlabeled is not None:
        fixed[unlabeled] = GRAY
    fixed |= _chosen(names, chosen)
    free = [index for index in range(len(names)) if index not in fixed]
    result = np.empty((len(names), 3), np.uint8)
    for index, color in fixed.items():
        result[index] = color
    if free:
        table = palette(max(len(free), _TABLE))
        result[free] = table[list(_places([names[index] for index in free]))]
    return result


def _places(names: Sequence[str]) -> Iterator[int]:
    taken: set[int] = set()
    for number, name in enumerate(names):
        place = number if number >= _TABLE else _hash(name) % _TABLE
        while place in taken:
            place = (place + 1) % _TABLE
        taken.add(place)
        yield place


def _hash(name: str) -> int:
    value = _FNV_BASIS
    for byte in name.encode("utf-8", "surrogatepass"):
        value = (value ^ byte) * _FNV_PRIME & 0xFFFFFFFF
    return value


def _chosen(
    names: Sequence[str], chosen: Mapping[str, Color] | Sequence[Color] | Colors | None
) -> dict[int, tuple[int, ...]]:
    if chosen is None:
        return {}
    if isinstance(chosen, Mapping):
        pairs = [(index, chosen[name]) for index, name in enumerate(names) if name in chosen]
    else:
        if len(chosen) != len(names):
            raise UsageError(
                "there are not as many colors as names",
                got=f"{len(chosen)} colors, {len(names)} names",
                expected="a color a name, or a dict of some names' colors",
            )
        pairs = list(enumerate(chosen))
    return {index: _checked(color) for index, color in pairs}


def _checked(color: Collection[int]) -> tuple[int, ...]:
    parts = tuple(color)
    # Booleans and floats of 0..1 are other programs' colors; here they would be black.
    if len(parts) != 3 or not all(
        isinstance(part, int | np.integer) and not isinstance(part, bool) and 0 <= part <= 255
        for part in parts
    ):
        raise UsageError("this is no color", got=repr(color), expected="(red, green, blue), each 0 to 255")
    return tuple(int(part) for part in parts)


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
