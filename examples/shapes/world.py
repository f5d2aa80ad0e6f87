"""What there is in the world, the value of each thing in a mask, and the words for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

STUFF: Final = ("sky", "mountain", "grass", "sand", "snow", "water", "tree")
"""What has no color of its own; mask values 1 to 7."""

THINGS: Final = ("house", "car", "tent", "boat", "balloon")
"""What comes in every color; mask values 10 + 6 * thing + color."""

COLORS: Final[Mapping[str, tuple[int, int, int]]] = MappingProxyType(
    {
        "red": (206, 44, 40),
        "yellow": (244, 202, 44),
        "green": (24, 138, 92),
        "blue": (44, 88, 206),
        "purple": (142, 62, 172),
        "white": (240, 240, 236),
    }
)

HELD_OUT: Final = frozenset(
    {("house", "purple"), ("car", "green"), ("tent", "blue"), ("boat", "yellow"), ("balloon", "white")}
)
"""Compositions that no training phrase names. They show among the things of which only half is told
(`UNTOLD`). Every thing and every color is named together with others."""

_FIRST_STUFF = 1
_FIRST_THING = 10
_FIRST_NAMELESS = 50
_FIRST_KINDLESS = 60


def stuff_value(stuff: str) -> int:
    """Mask value of something without a color."""
    return _FIRST_STUFF + STUFF.index(stuff)


def thing_value(thing: str, color: str) -> int:
    """Mask value of a thing in a color."""
    return _FIRST_THING + len(COLORS) * THINGS.index(thing) + list(COLORS).index(color)


def nameless_value(thing: str) -> int:
    """Mask value of a thing whose color is any and is not told; such things are in training scenes only."""
    return _FIRST_NAMELESS + THINGS.index(thing)


def kindless_value(color: str) -> int:
    """Mask value of something that is not told in a color that is; in training scenes only."""
    return _FIRST_KINDLESS + list(COLORS).index(color)


UNTOLD: Final = (
    *(nameless_value(thing) for thing in THINGS),
    *(kindless_value(color) for color in COLORS),
)
"""Mask values of things of which only half is told."""


@dataclass(frozen=True)
class WorldVocabulary:
    """Class names, and which mask values each stands for.

    Attributes:
        classes: names, without an article; ``background`` first where it is a class.
        values: for each class the mask values that are it.
        subsets: groups of classes whose mean is reported by itself.
    """

    classes: tuple[str, ...]
    values: tuple[tuple[int, ...], ...]
    subsets: Mapping[str, tuple[str, ...]]

    @property
    def background(self) -> bool:
        """Whether the first class is the background."""
        return self.classes[0] == "background"


_STUFF_VALUES = tuple((stuff_value(stuff),) for stuff in STUFF)
_ALL_STUFF = tuple(stuff_value(stuff) for stuff in STUFF)
_PAIRS = tuple((thing, color) for thing in THINGS for color in COLORS)
_PAIR_NAMES = tuple(f"{color} {thing}" for thing, color in _PAIRS)
_PAIR_VALUES = tuple((thing_value(thing, color),) for thing, color in _PAIRS)
_HELD_OUT_NAMES = tuple(f"{color} {thing}" for thing, color in _PAIRS if (thing, color) in HELD_OUT)
_NO_SUBSETS: Mapping[str, tuple[str, ...]] = MappingProxyType({})

VOCABULARIES: Final[Mapping[str, WorldVocabulary]] = MappingProxyType(
    {
        # Everything in the image has a name: no background.
        "kinds": WorldVocabulary(
            STUFF + THINGS,
            _STUFF_VALUES + tuple(tuple(thing_value(thing, color) for color in COLORS) for thing in THINGS),
            _NO_SUBSETS,
        ),
        # Things only, as in PASCAL VOC: the landscape is background.
        "things": WorldVocabulary(
            ("background", *THINGS),
            (_ALL_STUFF, *(tuple(thing_value(thing, color) for color in COLORS) for thing in THINGS)),
            _NO_SUBSETS,
        ),
        "colors": WorldVocabulary(
            ("background", *(f"{color} thing" for color in COLORS)),
            (_ALL_STUFF, *(tuple(thing_value(thing, color) for thing in THINGS) for color in COLORS)),
            _NO_SUBSETS,
        ),
        # The compositions, among them those that training never named.
        "pairs": WorldVocabulary(
            ("background", *_PAIR_NAMES),
            (_ALL_STUFF, *_PAIR_VALUES),
            MappingProxyType(
                {
                    "held-out": _HELD_OUT_NAMES,
                    "trained": tuple(name for name in _PAIR_NAMES if name not in _HELD_OUT_NAMES),
                }
            ),
        ),
    }
)

TEMPLATE: Final = "a photo of a {}."
"""The template of the paper's evaluation, which the demo's tokenizer knows."""

BACKGROUND_THRESHOLD: Final = 0.35
"""Of the paper's decode; chosen on scenes outside training and test (see the model card)."""
