"""Every writer, with every operation on files failing in turn, killed at each, and several at once.

python tests/soak/writers.py SECONDS [STEPS ...]        # "race: verify": those whose names begin so

What is real in a step, `tests/support/command_server.py` says. Exports are those of `small_checkpoint`.
"""

from __future__ import annotations

import errno
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

import writer_support as writers
from faults import Fault
from races import QUICK_RACES, RACES, race
from small_checkpoint import write_small_checkpoint
from writer_support import SLOW_WRITERS, WRITERS, Workplace

from groupvit_export.pipeline.api import ExportOptions, export_bundle

_ERRORS: Final = (errno.ENOSPC, errno.EACCES, errno.EIO, errno.EMFILE)
_TAKES_SPACE: Final = ("create", "write", "mkdir", "fsync")
_RACES: Final = 100
_SAYS_EVERY: Final = 60.0
"""Seconds. Of hours that were ended from outside, at least what they found so far is known."""

Step = Callable[[], Mapping[str, int]]
"""Raises `AssertionError`; gives what it counted."""


def run(seconds: float, only: Sequence[str] = ("",)) -> dict[str, int]:
    """As many steps as there is time for, the kinds taking turns.

    Args:
        seconds: after them nothing is begun; getting ready, about half a minute, does not count.
        only: how the names of the kinds begin whose steps are run.

    Returns:
        How many steps of every kind passed, and what they counted.

    Raises:
        AssertionError: some did not pass; they were printed.
    """
    counts, failed = Counter[str](), 0
    with tempfile.TemporaryDirectory(prefix="groupvit-soak-") as folder:
        small = write_small_checkpoint(Path(folder) / "small")
        options = ExportOptions(
            target="onnx", precision="fp32", checkpoint=str(small), output=Path(folder) / "bundle"
        )
        bundle = export_bundle(options).path
        with writers.workplace(Path(folder) / "work", bundle) as place:
            place.learn()
            end = time.monotonic() + seconds
            said = time.monotonic()
            for name, step in _in_turn(_kinds(place, tuple(only))):
                now = time.monotonic()
                if now > end:
                    break
                if now > said + _SAYS_EVERY:
                    said = now
                    left = f"{end - now:.0f} s left, {failed} failed"
                    print(f"{left}: {dict(counts)}", file=sys.stderr, flush=True)
                try:
                    counts.update(step())
                    counts[name] += 1
                except AssertionError as error:
                    failed += 1
                    print(f"{name}: {error}\n", file=sys.stderr, flush=True)
    assert not failed, f"{failed} steps did not pass, {dict(counts)} did"
    return dict(counts)


def _kinds(place: Workplace, only: tuple[str, ...]) -> dict[str, Iterator[Step]]:
    every = WRITERS | SLOW_WRITERS
    kinds = {
        **{f"race: {name}": _races(place, name) for name in QUICK_RACES | RACES},
        **{f"fault: {name}": _faults(place, name) for name in every},
        **{f"kill: {name}": _kills(place, name) for name in every},
    }
    return {name: steps for name, steps in kinds.items() if name.startswith(only)}


def _in_turn(kinds: dict[str, Iterator[Step]]) -> Iterator[tuple[str, Step]]:
    while kinds:
        for name in list(kinds):
            step = next(kinds[name], None)
            if step is None:
                del kinds[name]
            else:
                yield name, step


def _races(place: Workplace, name: str) -> Iterator[Step]:
    for _ in range(_RACES):
        yield partial(race, place, name)


def _faults(place: Workplace, name: str) -> Iterator[Step]:
    """Every kind of operation with every error; where graphs need not be captured for one, they are not."""
    command = (WRITERS | SLOW_WRITERS)[name].of(place.root)
    found: dict[str, tuple[int, Path | None]] = {}
    for captures in (None, place.captures):
        place.reset()
        (done,) = place.commands.run(command, warm=True, captures=captures)
        assert done.code == 0, done
        found |= {kind: (at, captures) for kind, at in writers.kinds(done.operations).items()}
        if captures is None:
            yield partial(dict, {f"operations of {name}": len(done.operations)})
    yield partial(dict, {f"kinds of {name}": len(found)})
    for kind, (at, captures) in found.items():
        for code in _ERRORS:
            onwards = code == errno.ENOSPC
            if not onwards or kind.startswith(_TAKES_SPACE):
                fault = Fault(at, code, onwards)
                yield partial(_fault, place, command, kind, fault, captures)


def _fault(
    place: Workplace, command: Sequence[str], kind: str, fault: Fault, captures: Path | None
) -> Mapping[str, int]:
    refused = writers.with_fault(place, command, kind, fault, warm=True, captures=captures)
    return {f"{errno.errorcode[fault.code]}: {'refused' if refused else 'looked at again'}": 1}


def _kills(place: Workplace, name: str) -> Iterator[Step]:
    """Of a long command every kind of operation once, of a short one every operation; nothing is warm."""
    command = (WRITERS | SLOW_WRITERS)[name].of(place.root)
    place.reset()
    (done,) = place.commands.run(command)
    numbers = range(1, len(done.operations) + 1)
    for at in writers.kinds(done.operations).values() if name in SLOW_WRITERS else numbers:
        yield partial(_kill, place, command, at)


def _kill(place: Workplace, command: Sequence[str], at: int) -> Mapping[str, int]:
    writers.with_kill(place, command, at)
    return {}


if __name__ == "__main__":
    for counted, number in sorted(run(float(sys.argv[1]), sys.argv[2:] or [""]).items()):
        print(f"{number:6} {counted}")
