"""Two measurements held against each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from groupvit_export.benchmark.bootstrap import Interval, ratio_of_medians
from groupvit_export.benchmark.records import Record
from groupvit_export.errors import GroupViTError

MIN_COMPARED: Final = 10
"""With fewer rounds the interval of a median is narrower than its name promises."""

EXIT_REGRESSION: Final = 3

Verdict = Literal["faster", "slower", "no difference"]


@dataclass(frozen=True)
class Comparison:
    """The second against the first, in one setting.

    Attributes:
        first, second: names of the bundles.
        setting: in words.
        first_ms, second_ms: median latencies.
        interval: of the second's median over the first's: above 1, the second is slower.
        paired: whether they were measured in turn, round by round.
        verdict: of the second; "no difference" where the interval contains 1.
        regressed: slower than was allowed, beyond the interval; False where nothing was said.
        notes: what makes the comparison doubtful.
    """

    first: str
    second: str
    setting: str
    first_ms: float
    second_ms: float
    interval: Interval
    paired: bool
    verdict: Verdict
    regressed: bool
    notes: tuple[str, ...]


def compare_records(
    first: Sequence[Record], second: Sequence[Record], max_regression: float | None
) -> tuple[Comparison, ...]:
    """Compare what was measured in the same setting.

    Args:
        first, second: of two files, or of two bundles of one run.
        max_regression: percent that the second may be slower; None for whatever it is.

    Raises:
        GroupViTError: nothing was measured in the same setting, or too few rounds.
    """
    pairs = _pairs(first, second)
    if not pairs:
        raise GroupViTError(
            "the two measurements have nothing in common",
            got=f"{_keys(first)}, against {_keys(second)}",
            expected="the same threads, batch, streams, rate, decode, image size and number of classes",
            fix="measure both with the same options",
        )
    return tuple(_compare(a, b, max_regression) for a, b in pairs)


def verdict_of(interval: Interval) -> Verdict:
    """What an interval says: nothing, where it contains 1."""
    if interval.low > 1:
        return "slower"
    return "faster" if interval.high < 1 else "no difference"


def regressed(interval: Interval, max_regression: float | None) -> bool:
    """Whether all of the interval lies above what is allowed, in percent."""
    return max_regression is not None and interval.low > 1 + max_regression / 100


def disambiguate_names(
    first: Sequence[Record], second: Sequence[Record]
) -> tuple[list[Record], list[Record]]:
    """The same records, with names that say which side they are of where both have the same ones."""
    if not {r.bundle.name for r in first} & {r.bundle.name for r in second}:
        return list(first), list(second)
    return _renamed(first, "first"), _renamed(second, "second")


def count_unmatched(first: Sequence[Record], second: Sequence[Record], compared: Sequence[Comparison]) -> int:
    """How many records found no counterpart."""
    return len(first) + len(second) - 2 * len(compared)


def _compare(first: Record, second: Record, max_regression: float | None) -> Comparison:
    for record in (first, second):
        if len(record.rounds) < MIN_COMPARED:
            raise GroupViTError(
                "too few rounds to compare",
                got=f"{len(record.rounds)} rounds of {record.bundle.name}, {record.setting.words}",
                expected=f"{MIN_COMPARED} or more"
                + ("" if record.setting.rate is None else ", of ten calls each with a rate"),
                fix="--rounds 100",
            )
    paired = first.run == second.run and len(first.rounds) == len(second.rounds)
    interval = ratio_of_medians(first.samples, second.samples, paired=paired)
    return Comparison(
        first=first.bundle.name,
        second=second.bundle.name,
        setting=second.setting.words,
        first_ms=float(np.median(first.samples)),
        second_ms=float(np.median(second.samples)),
        interval=interval,
        paired=paired,
        verdict=verdict_of(interval),
        regressed=regressed(interval, max_regression),
        notes=_notes(first, second),
    )


def _notes(first: Record, second: Record) -> tuple[str, ...]:
    notes = []
    if different := first.machine.differences(second.machine):
        notes.append(
            "THE MACHINES ARE NOT THE SAME, the ratio says nothing about the bundles: " + "; ".join(different)
        )
    if first.image != second.image:
        notes.append(f"the images differ: {first.image.name}, {second.image.name}")
    if first.runtime != second.runtime:
        notes.append(f"the runtimes differ: {first.runtime}, {second.runtime}")
    if first.device != second.device:
        notes.append(f"the devices differ: {first.device or 'usual'}, {second.device or 'usual'}")
    changed = [
        f"{name} {first.versions.get(name, 'absent')}, {second.versions.get(name, 'absent')}"
        for name in sorted(first.versions.keys() | second.versions.keys())
        if first.versions.get(name) != second.versions.get(name)
    ]
    if changed:
        notes.append("versions differ: " + "; ".join(changed))
    disturbed = [r.bundle.name for r in (first, second) if r.steadiness.busy or r.steadiness.unsteady]
    if disturbed:
        notes.append(f"measured on a machine that was not left alone: {', '.join(disturbed)}")
    return tuple(dict.fromkeys(notes))


def _renamed(records: Sequence[Record], side: str) -> list[Record]:
    return [
        replace(record, bundle=replace(record.bundle, name=f"{record.bundle.name} ({side})"))
        for record in records
    ]


_Key = tuple[object, ...]


def _key(record: Record) -> _Key:
    image = record.image
    return (record.setting, record.decode, image.height, image.width, image.format, record.classes)


def _pairs(first: Sequence[Record], second: Sequence[Record]) -> list[tuple[Record, Record]]:
    pairs: list[tuple[Record, Record]] = []
    for key in dict.fromkeys(map(_key, first)):
        ours, theirs = (_by_name(records, key) for records in (first, second))
        if len(ours) == len(theirs) == 1:
            # The one bundle of either side, whatever it is called.
            pairs += zip(ours.values(), theirs.values(), strict=True)
        else:
            pairs += [(record, theirs[name]) for name, record in ours.items() if name in theirs]
    return pairs


def _by_name(records: Sequence[Record], key: _Key) -> dict[str, Record]:
    found: dict[str, Record] = {}
    for record in records:
        if _key(record) != key:
            continue
        if record.bundle.name in found:
            raise GroupViTError(
                "one side of the comparison has a bundle twice in the same setting",
                got=f"{record.bundle.name}, {record.setting.words}",
                expected="one measurement of each",
                fix="compare files of one run each",
            )
        found[record.bundle.name] = record
    return found


def _keys(records: Sequence[Record]) -> str:
    return "; ".join(
        dict.fromkeys(
            f"{r.setting.words}, {r.decode}, {r.image.height}x{r.image.width} {r.image.format}, "
            f"{r.classes} classes"
            for r in records
        )
    )
