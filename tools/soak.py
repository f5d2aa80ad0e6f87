"""Tests that find more the longer they run: `make soak`, or `tools/soak.py --minutes 30 [HARNESS ...]`.

Each harness has its share of the time, one after the other. The first fault ends the run with exit status 1,
says what was found, and leaves what leads to it in the folder `soak-found`.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
FOUND: Final = Path("soak-found")


class Fault(Exception):
    """What a harness found.

    Args:
        what: one line.
        data: what leads to it, written to a file; empty where there is none.
    """

    def __init__(self, what: str, data: bytes = b"") -> None:
        super().__init__(what)
        self.data = data


@dataclass(frozen=True)
class Harness:
    """Something to run for a while.

    Attributes:
        summary: one line, for the help.
        run: until `time.monotonic()` is what it is given; how often it has run. Raises `Fault`.
    """

    summary: str
    run: Callable[[float], int]


def _file(kind: str) -> Harness:
    """Changed files of a bundle, read by the Python runtime."""

    def run(until: float) -> int:
        hypothesis = importlib.import_module("hypothesis")
        changes, read = importlib.import_module("hostile_files").FILES[kind]
        runs, last = 0, b""

        @hypothesis.settings(
            max_examples=500,
            database=None,
            deadline=None,
            derandomize=False,
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(changes)
        def once(data: bytes) -> None:
            nonlocal runs, last
            runs, last = runs + 1, data
            read(data)

        while time.monotonic() < until:
            try:
                once()
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt):
                    raise
                # The last call of all is that of the smallest example.
                raise Fault(f"{type(error).__name__}: {error}", last) from error
        return runs

    return Harness(f"a {kind} of which something was changed", run)


def _images(until: float) -> int:
    counts = importlib.import_module("tests.soak.images").run(
        until - time.monotonic(), seed=time.time_ns(), keep=FOUND
    )
    if counts["failures"]:
        raise Fault(f"{counts['failures']} images were neither read nor refused; they are in {FOUND}")
    return int(counts["inputs"])


def _checkpoints(until: float) -> int:
    counts = importlib.import_module("tests.soak.checkpoints").run(
        until - time.monotonic(), seed=time.time_ns(), keep=FOUND
    )
    if counts["failures"]:
        raise Fault(f"{counts['failures']} checkpoints were neither read nor refused; they are in {FOUND}")
    return int(counts["inputs"])


def _writers(until: float) -> int:
    counts: Mapping[str, int] = importlib.import_module("tests.soak.writers").run(until - time.monotonic())
    return sum(counts.values())


HARNESSES: Final[Mapping[str, Harness]] = MappingProxyType(
    {
        **{f"bundle-{kind}": _file(kind) for kind in ("manifest", "tokenizer", "vocabulary", "zip")},
        "images": Harness("damaged images, in processes of their own", _images),
        "checkpoints": Harness("damaged checkpoints, in processes of their own", _checkpoints),
        "writers": Harness("writers that race, fail and are killed at every step", _writers),
    }
)
"""By name. A new one is a line here."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10, help="of all harnesses together; default: 10")
    summaries = "; ".join(f"{name}: {harness.summary}" for name, harness in HARNESSES.items())
    parser.add_argument("harness", nargs="*", help=f"default: all. {summaries}")
    given = parser.parse_args(arguments)
    unknown = sorted(set(given.harness) - set(HARNESSES))
    if unknown:
        parser.error(f"unknown harness {', '.join(unknown)}; there are {', '.join(HARNESSES)}")
    chosen = given.harness or list(HARNESSES)
    for place in ("tests/support", "runtimes/python", "kernels", "."):
        sys.path.insert(0, str(ROOT / place))
    for name in chosen:
        share = given.minutes * 60 / len(chosen)
        try:
            runs = HARNESSES[name].run(time.monotonic() + share)
        except (Fault, AssertionError) as fault:
            traceback.print_exc()
            print(f"{name}: {fault}{_kept(name, getattr(fault, 'data', b''))}", file=sys.stderr)
            return 1
        print(f"{name}: {runs:,} runs in {share:.0f} s, nothing found", flush=True)
    return 0


def _kept(name: str, data: bytes) -> str:
    if not data:
        return ""
    FOUND.mkdir(exist_ok=True)
    path = FOUND / f"{name}-{hashlib.sha256(data).hexdigest()[:12]}"
    path.write_bytes(data)
    return f"; what leads to it is in {path}"


if __name__ == "__main__":
    sys.exit(main())
