"""Every writer, with every operation on files failing in turn, killed at each, and several at once.

python tests/soak/writers.py SECONDS
"""

from __future__ import annotations

import errno
import itertools
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

import writer_support as writers
from faults import Fault
from writer_support import RACES, SLOW_WRITERS, WRITERS, Workplace

from groupvit_export.pipeline.api import ExportOptions, export_bundle

_ERRORS: Final = (errno.ENOSPC, errno.EACCES, errno.EIO, errno.EMFILE)
_TAKES_SPACE: Final = ("create", "write", "mkdir", "fsync")

Step = tuple[str, Callable[[], None]]


def run(seconds: float) -> dict[str, int]:
    """As many steps as there is time for, races and the two kinds of faults taking turns.

    Returns:
        How many steps of every kind passed.

    Raises:
        AssertionError: one did not; says which.
    """
    end, counts = time.monotonic() + seconds, Counter[str]()
    with tempfile.TemporaryDirectory(prefix="groupvit-soak-") as folder:
        bundle = export_bundle(
            ExportOptions(target="onnx", precision="fp32", output=Path(folder) / "bundle")
        ).path
        with writers.workplace(Path(folder) / "work", bundle) as place:
            for kind, step in _steps(place):
                if time.monotonic() > end:
                    break
                step()
                counts[kind] += 1
    return dict(counts)


def _steps(place: Workplace) -> Iterator[Step]:
    every = [_races(place), _faults(place), _kills(place)]
    for group in itertools.zip_longest(*every):
        yield from filter(None, group)


def _races(place: Workplace) -> Iterator[Step]:
    for _ in range(100):
        for name in RACES:
            yield f"race: {name}", partial(writers.race, place, name)


def _faults(place: Workplace) -> Iterator[Step]:
    for name, writer in (WRITERS | SLOW_WRITERS).items():
        command = writer.of(place.root)
        place.reset()
        for kind, at in writers.kinds(place.commands.run(command)[0].operations).items():
            for code in _ERRORS:
                onwards = code == errno.ENOSPC
                if onwards and not kind.startswith(_TAKES_SPACE):
                    continue
                yield (
                    f"{errno.errorcode[code]}: {name}",
                    partial(writers.with_fault, place, command, kind, Fault(at, code, onwards)),
                )


def _kills(place: Workplace) -> Iterator[Step]:
    for name, writer in (WRITERS | SLOW_WRITERS).items():
        command = writer.of(place.root)
        place.reset()
        (done,) = place.commands.run(command)
        # Of a long command every kind once, of a short one every operation.
        points = (
            writers.kinds(done.operations).values() if name in SLOW_WRITERS else range(len(done.operations))
        )
        for at in points:
            yield f"kill: {name}", partial(writers.with_kill, place, command, max(at, 1))


if __name__ == "__main__":
    for counted, number in sorted(run(float(sys.argv[1])).items()):
        print(f"{number:6} {counted}")
