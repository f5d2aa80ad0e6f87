"""Is the machine left alone? Figures that were taken beside other work are of both."""

from __future__ import annotations

import statistics
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from groupvit_export.benchmark.machine import load_average, this_machine
from groupvit_export.benchmark.steadiness import LOAD_LIMIT

BUSY_LIMIT: Final = 5.0
"""Percent of the processors' time that others may take."""
PACE_LIMIT: Final = 1.1
"""How much longer the same loop may take after the measurement than before, or the other way round."""

_STAT: Final = Path("/proc/stat")
_SECONDS: Final = 2.0
_LOOPS: Final = 25


@dataclass(frozen=True)
class Quiet:
    """What was seen before a measurement.

    Attributes:
        load: average of the last minute; None where the system does not tell.
        busy_percent: of the processors' time in two seconds of sleep, stolen time of a guest included; None
            where the system does not tell.
        pace_ms: median of a loop of this interpreter.
    """

    load: float | None
    busy_percent: float | None
    pace_ms: float

    def complaints(self, usable_cores: int, load: bool = True) -> list[str]:
        """Why it is not quiet; nothing where it is.

        Args:
            usable_cores: of the machine.
            load: whether the load average counts: after work of one's own it does not.
        """
        found = []
        limit = LOAD_LIMIT * usable_cores
        if load and self.load is not None and self.load > limit:
            found.append(f"load average {self.load:.2f}, limit {limit:.2f}")
        if self.busy_percent is not None and self.busy_percent > BUSY_LIMIT:
            found.append(f"processors busy {self.busy_percent:.1f} % of the time, limit {BUSY_LIMIT:.0f} %")
        return found

    def recorded(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def look(stat: Path = _STAT) -> Quiet:
    """Look for two seconds."""
    load, before = load_average(), processor_time(stat)
    time.sleep(_SECONDS)
    after = processor_time(stat)
    busy = None
    if before is not None and after is not None:
        busy = round(100 * (after[0] - before[0]) / max(1, after[1] - before[1]), 1)
    return Quiet(load, busy, pace_ms())


def processor_time(stat: Path = _STAT) -> tuple[int, int] | None:
    """Ticks that all processors were busy, and all ticks; None where the system does not tell."""
    if not stat.is_file():
        return None
    # user nice system idle iowait irq softirq steal; guests are part of user.
    ticks = [int(word) for word in stat.read_text(encoding="ascii").split("\n")[0].split()[1:9]]
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)


def pace_ms() -> float:
    """Milliseconds of a fixed loop, the median of several."""
    taken = []
    for _ in range(_LOOPS):
        begin = time.perf_counter()
        sum(number * number for number in range(20_000))
        taken.append(1000 * (time.perf_counter() - begin))
    return round(statistics.median(taken), 3)


def pace_changed(before: float, after: float) -> str | None:
    """What to say where the processor has become faster or slower; None where it has not."""
    if max(before, after) <= PACE_LIMIT * min(before, after):
        return None
    return f"the same loop took {before:.2f} ms before and {after:.2f} ms after"


def complaints_here(quiet: Quiet, load: bool = True) -> list[str]:
    """`Quiet.complaints` for this machine."""
    return quiet.complaints(this_machine().usable_cores, load)
