"""What a value that is read may be at most, written beside its type: `Annotated[int, Range(1, 10)]`.

For values that are read from files: nothing may be allocated, or computed with, by a number that nobody has
looked at.
"""

from __future__ import annotations

import re
from collections.abc import Sized
from dataclasses import dataclass
from typing import Annotated, Any, Final

from groupvit_runtime.errors import BundleError


@dataclass(frozen=True)
class Range:
    """A number from `low` to `high`, both included."""

    low: float
    high: float

    def check(self, value: float, where: str) -> None:
        if not self.low <= value <= self.high:
            raise _out_of_bounds(where, value, f"{self.low:.15g} to {self.high:.15g}")


@dataclass(frozen=True)
class Length:
    """At most `longest` characters, items or entries, and at least `shortest`."""

    longest: int
    shortest: int = 0

    def check(self, value: Sized, where: str) -> None:
        if not self.shortest <= len(value) <= self.longest:
            raise _out_of_bounds(where, f"a length of {len(value)}", f"{self.shortest} to {self.longest}")


@dataclass(frozen=True)
class Pattern:
    """Text of this form; `what` says it in words."""

    pattern: str
    what: str

    def check(self, value: str, where: str) -> None:
        if re.fullmatch(self.pattern, value) is None:
            raise _out_of_bounds(where, repr(value[:80]), self.what)


Bound = Range | Length | Pattern

Sha256 = Annotated[str, Pattern("[0-9a-f]{64}", "64 hexadecimal digits")]
Word = Annotated[str, Length(128)]
Line = Annotated[str, Length(1024)]
Side = Annotated[int, Range(1, 4096)]
Dimension = Annotated[int, Range(1, 2**31 - 1)]
Template = Annotated[
    str,
    Length(1024),
    Pattern(r"(?:[^{}]|\}\})*\{\}(?:[^{}]|\}\})*", "a sentence with one {} (and }} for a brace)"),
]
SCALE: Final = Range(1e-6, 1e6)


def _out_of_bounds(where: str, got: Any, expected: str) -> BundleError:
    return BundleError(
        f"{where} is out of bounds",
        got=got,
        expected=expected,
        fix="do not use this bundle; or export it again with this version of the toolkit",
    )
