"""Where the time of a call goes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Final

import numpy as np

from groupvit_export.benchmark.calls import Call
from groupvit_export.benchmark.copies import Copies

WAIT: Final = "wait"
LIBRARY: Final = "library"
REST: Final = "rest"

INSIDE_LIBRARY: Final[Mapping[str, str]] = MappingProxyType(
    dict.fromkeys(
        ("preprocess", "engine", "postprocess"),
        "inside the C++ library, which gives no times of it",
    )
)
"""Stages that a call of the C++ runtime has and nobody outside it sees."""

REST_LIMIT: Final = 0.02
"""Share of the time that the stages may leave unexplained before the report warns of it."""


@dataclass(frozen=True)
class StageKind:
    """A row of the split.

    Attributes:
        words: for people.
        inside: the stage whose time contains this one's; it must not be added once more.
    """

    words: str
    inside: str | None = None


STAGES: Final[Mapping[str, StageKind]] = MappingProxyType(
    {
        WAIT: StageKind("waiting"),
        "read": StageKind("read the file"),
        "preprocess": StageKind("preprocess"),
        "host_to_device": StageKind("copy to the device", inside="engine"),
        "engine": StageKind("engine"),
        "device_to_host": StageKind("copy from the device", inside="engine"),
        "postprocess": StageKind("postprocess"),
        LIBRARY: StageKind("the C++ library"),
        REST: StageKind("not in any stage"),
    }
)


@dataclass(frozen=True)
class StageTime:
    """Of one stage, over all calls.

    Attributes:
        name: in `STAGES`.
        mean: milliseconds; those of the stages that are not inside another add up to the mean call. None
            where the stage does not exist or cannot be seen.
        median: milliseconds.
        share: of the mean call, 0 to 1.
        reason: why there are no numbers; None where there are.
    """

    name: str
    mean: float | None
    median: float | None
    share: float | None
    reason: str | None


def split(calls: Sequence[Call], copies: Copies, *, scheduled: bool) -> tuple[StageTime, ...]:
    """The rows of `STAGES`, in order; that of the C++ library only where it was called.

    Args:
        calls: at least one.
        copies: between host and device.
        scheduled: whether calls were due at a time, and may have waited.
    """
    whole = float(np.mean([call.milliseconds for call in calls]))
    values: dict[str, Callable[[Call], float]] = {
        WAIT: lambda call: call.waited,
        REST: lambda call: call.milliseconds - call.waited - sum(call.stages.values()),
    }
    in_library = any(LIBRARY in call.stages for call in calls)
    rows = []
    for name in STAGES:
        if name == LIBRARY and not in_library:
            continue
        if in_library and name in INSIDE_LIBRARY:
            rows.append(StageTime(name, None, None, None, INSIDE_LIBRARY[name]))
            continue
        if name in ("host_to_device", "device_to_host"):
            taken = copies.to_device if name == "host_to_device" else copies.to_host
            mean, median = (None, None) if taken is None else (taken.mean, taken.p50)
            share = None if mean is None else mean / whole
            rows.append(StageTime(name, mean, median, share, copies.reason))
        elif name == WAIT and not scheduled:
            rows.append(StageTime(name, None, None, None, "calls are not scheduled without --rate"))
        else:
            value = values.get(name, partial(_stage, name))
            times = [value(call) for call in calls]
            mean = float(np.mean(times))
            rows.append(StageTime(name, mean, float(np.median(times)), mean / whole, None))
    return tuple(rows)


def unexplained(stages: Sequence[StageTime]) -> float:
    """Share of the mean call that is in no stage."""
    return next(stage.share or 0.0 for stage in stages if stage.name == REST)


def _stage(name: str, call: Call) -> float:
    return call.stages.get(name, 0.0)
