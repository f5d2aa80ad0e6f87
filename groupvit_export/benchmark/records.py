"""What `groupvit bench --json` writes: a line of JSON for every bundle and setting."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from groupvit_export.benchmark.accuracy import Accuracy
from groupvit_export.benchmark.bench_target import BundleFacts
from groupvit_export.benchmark.cold import ColdStart
from groupvit_export.benchmark.image import ImageFacts
from groupvit_export.benchmark.machine import Machine
from groupvit_export.benchmark.paced import Late
from groupvit_export.benchmark.settings import RuntimeName, Setting
from groupvit_export.benchmark.stages import StageTime
from groupvit_export.benchmark.statistics import Summary
from groupvit_export.benchmark.steadiness import Caution, Steadiness
from groupvit_export.data.text_lines import text_lines, utf8_text
from groupvit_export.errors import BundleError, GroupViTError
from groupvit_runtime.files import write_atomically
from groupvit_runtime.manifest import DecodeName
from groupvit_runtime.serialize import from_json, to_json

SCHEMA_VERSION: Final = 1
MAX_BYTES: Final = 1 << 30


class RecordError(GroupViTError):
    """A file that `groupvit bench` did not write, or not this version of it."""


@dataclass(frozen=True)
class Record:
    """One bundle in one setting. Times are milliseconds, and those of a call unless said otherwise.

    Attributes:
        schema_version: of this record.
        run: the same for everything that one command measured; within it, records of one setting were
            measured in turn, round by round.
        created: UTC, ISO 8601.
        command: that measured it.
        bundle: which.
        engine: runtime, version, device and precision that were really in use.
        setting: threads, batch, streams, rate.
        device: that was asked for; None for the bundle's usual one.
        decode: "hf" or "paper".
        classes: how many.
        image: that was segmented.
        latency: from when a call was due to when all its images were segmented.
        images_per_second: images over the wall time of the rounds; with a rate, of the engine at work
            and waiting.
        drift: median latency of the last quarter of the rounds over that of the first.
        stages: where the time goes.
        late: with a rate only.
        cold: fresh processes; None where none were asked for.
        accuracy: of this bundle, where it was given.
        steadiness: whether the machine was left alone.
        cautions: what must be known before the numbers are believed.
        machine: it was measured on.
        versions: of Python and the packages.
        rounds: latencies, round by round, all of as many calls.
        runtime: that segmented.
    """

    schema_version: int
    run: str
    created: str
    command: str
    bundle: BundleFacts
    engine: str
    setting: Setting
    device: str | None
    decode: DecodeName
    classes: int
    image: ImageFacts
    latency: Summary
    images_per_second: float
    drift: float
    stages: tuple[StageTime, ...]
    late: Late | None
    cold: ColdStart | None
    accuracy: Accuracy | None
    steadiness: Steadiness
    cautions: tuple[Caution, ...]
    machine: Machine
    versions: dict[str, str]
    rounds: tuple[tuple[float, ...], ...]
    runtime: RuntimeName = "python"

    def __post_init__(self) -> None:
        lengths = {len(calls) for calls in self.rounds}
        if len(lengths) != 1 or lengths == {0}:
            raise BundleError(
                "the rounds of a record are not all of as many calls",
                got=f"rounds of {sorted(lengths)} calls",
                expected="one length, at least 1",
            )
        if not all(math.isfinite(ms) and ms > 0 for calls in self.rounds for ms in calls):
            raise BundleError("a latency is not a positive number of milliseconds")

    @property
    def samples(self) -> NDArray[np.float64]:
        """[rounds, calls]: milliseconds."""
        return np.array(self.rounds, np.float64)


def write_records(path: Path, records: Sequence[Record]) -> None:
    """Write a line for every record, all of them or none.

    Raises:
        GroupViTError: the folder cannot be written.
    """
    lines = [json.dumps(to_json(record), allow_nan=False) + "\n" for record in records]
    write_atomically(path, "".join(lines).encode())


def read_records(path: Path) -> tuple[Record, ...]:
    """Read what `write_records` wrote; blank lines are skipped.

    Raises:
        RecordError: it cannot be read, has no record, or a line is none of this schema; says which line.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise RecordError("the file of measurements is too large to be one", got=path, expected=MAX_BYTES)
        lines = text_lines(utf8_text(path.read_bytes()))
    except (OSError, ValueError) as error:
        raise RecordError(
            "the file of measurements cannot be read",
            got=f"{path}: {(isinstance(error, OSError) and error.strerror) or error}",
            expected="a file that groupvit bench --json wrote",
            fix="check the path and the file",
        ) from error
    records = tuple(
        _parse(line, f"{path}, line {number}") for number, line in enumerate(lines, 1) if line.strip()
    )
    if not records:
        raise RecordError(
            "the file has no measurement",
            got=path,
            expected="a line of JSON for every bundle and setting",
            fix=f"groupvit bench BUNDLE --json {path}",
        )
    return records


def _parse(line: str, where: str) -> Record:
    try:
        value = json.loads(line, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise RecordError(
            "a line of the file is not JSON",
            got=f"{where}: {error}",
            expected="whole lines; a file that was cut off lacks the end of its last",
            fix="copy the file again, or measure again",
        ) from error
    found = value.get("schema_version") if isinstance(value, dict) else None
    if found != SCHEMA_VERSION:
        raise RecordError(
            "a line of the file is no measurement of this schema",
            got=f"{where}: schema_version {found!r}",
            expected=SCHEMA_VERSION,
            fix="measure again with this version of the toolkit",
        )
    try:
        return from_json(Record, value, "record")
    except BundleError as error:
        raise RecordError(
            "a line of the file breaks the schema of a measurement",
            got=f"{where}: {error.what}" + ("" if error.got is None else f": {error.got}"),
            expected=error.expected,
            fix="measure again; a record is not edited by hand",
        ) from error


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")
