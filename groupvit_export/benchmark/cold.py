"""Cold starts in fresh processes, the bundles taking turns."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from groupvit_export.benchmark.c_interface import LIBRARY_NAME
from groupvit_export.benchmark.sampling import Progress
from groupvit_export.benchmark.settings import RunConfig
from groupvit_export.children import child_command, lifeline
from groupvit_export.errors import EngineError
from groupvit_export.metrics.interleaved import interleaved
from groupvit_runtime.manifest import DecodeName
from groupvit_runtime.vocabulary import Vocabulary

_MODULE: Final = "groupvit_export.benchmark.fresh"
_LONGEST_SECONDS: Final = 600


@dataclass(frozen=True)
class ColdStart:
    """Fresh processes, from the first line of Python to the first label map. Milliseconds, medians.

    Of the C++ runtime, from just before its library is loaded: Python is only the program that calls it.

    Attributes:
        processes: how many.
        import_ms: of the runtime; of C++, of its library and what that is linked to.
        load_ms: of the bundle, its hashes verified, its engine ready.
        first_mask_ms: of the first image, words cached in a file, its decode included.
        total_ms: the sum.
        slowest_total_ms: usually of the first process, which reads from disk what the others find in memory.
        warm_mask_ms: of an image once the process has segmented one.
        peak_resident_mb: MiB at most, Python's own included; None where the system does not tell.
    """

    processes: int
    import_ms: float
    load_ms: float
    first_mask_ms: float
    total_ms: float
    slowest_total_ms: float
    warm_mask_ms: float
    peak_resident_mb: float | None


@dataclass(frozen=True)
class Start:
    """What a fresh process is told.

    Attributes:
        bundle: path, of the C++ runtime that of a folder.
        vocabulary: of the bundle.
        precision: of its image engine; None for the one that a runtime takes by itself.
    """

    bundle: str
    vocabulary: Vocabulary
    decode: DecodeName
    threads: int | None
    precision: str | None = None


Run = Callable[[list[str]], "subprocess.CompletedProcess[str]"]


def cold_starts(
    starts: Sequence[Start],
    fixed: RunConfig,
    image: Path,
    processes: int,
    folder: Path,
    progress: Progress,
    run: Run | None = None,
) -> list[ColdStart]:
    """Start every bundle in so many fresh processes, one process at a time.

    Args:
        starts: the bundles.
        fixed: device and runtime.
        image: that is segmented.
        processes: of every bundle, at least 1.
        folder: where the words are put.
        progress: is given the share that is done, between the processes.
        run: runs a command and captures what it prints.

    Raises:
        EngineError: a process failed.
    """
    library = None if fixed.runtime == "python" else fixed.library or LIBRARY_NAME
    commands = []
    for number, start in enumerate(starts):
        words = folder / f"words-{number}.safetensors"
        start.vocabulary.save(words)
        options = {
            "bundle": start.bundle,
            "image": str(image),
            "vocabulary": str(words),
            "device": fixed.device,
            "threads": start.threads,
            "decode": start.decode,
            "precision": start.precision,
            "library": library,
        }
        commands.append(child_command(_MODULE, json.dumps(options)))
    done = 0

    def start_one(command: list[str], bundle: str) -> Mapping[str, Any]:
        nonlocal done
        progress(done / (processes * len(starts)))
        done += 1
        return _one(command, bundle, run or _run)

    turns = [partial(start_one, *pair) for pair in zip(commands, (s.bundle for s in starts), strict=True)]
    return [_summary(runs) for runs in interleaved(turns, lambda rounds: rounds < processes)]


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    with lifeline() as stdin:
        return subprocess.run(
            command, stdin=stdin, capture_output=True, text=True, timeout=_LONGEST_SECONDS, check=False
        )


def _one(command: list[str], bundle: str, run: Run) -> Mapping[str, Any]:
    try:
        done = run(command)
    except subprocess.TimeoutExpired as error:
        raise EngineError(
            "a fresh process did not come to its first mask",
            got=f"{bundle}: nothing after {_LONGEST_SECONDS} s",
            fix="leave the cold starts away: --cold 0",
        ) from error
    if done.returncode != 0:
        raise EngineError(
            "a fresh process could not segment",
            got=f"{bundle}: exit code {done.returncode}: " + " ".join(done.stderr.split())[-400:],
            fix="leave the cold starts away: --cold 0",
        )
    value: Mapping[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return value


def _summary(runs: Sequence[Mapping[str, Any]]) -> ColdStart:
    def median(key: str) -> float:
        return float(np.median([run[key] for run in runs]))

    peaks = [run["peak_resident_mb"] for run in runs]
    return ColdStart(
        processes=len(runs),
        import_ms=median("import"),
        load_ms=median("load"),
        first_mask_ms=median("first_mask"),
        total_ms=median("total"),
        slowest_total_ms=float(max(run["total"] for run in runs)),
        warm_mask_ms=median("warm_mask"),
        peak_resident_mb=None if None in peaks else float(max(peaks)),
    )
