"""What became of the steps: a JSON file each, and a table of all."""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.gpu.device import Gpu
from benchmarks.gpu.steps import Step


class State(enum.Enum):
    """What became of a step."""

    PASSED = "passed"
    FAILED = "FAILED"
    TIMED_OUT = "TIMED OUT"
    INTERRUPTED = "interrupted"
    NOT_RUN = "not run"


@dataclass(frozen=True)
class Outcome:
    """What became of a step, in a word and a line.

    Attributes:
        state: the word.
        detail: the line: what was found, or why nothing was.
        seconds: it took; None where it was not run.
        date: when it began, ISO 8601; None where it was not run.
        kept: whether an earlier call computed it.
    """

    state: State
    detail: str
    seconds: float | None = None
    date: str | None = None
    kept: bool = False


@dataclass(frozen=True)
class Record:
    """The file of a step.

    Attributes:
        step, title: of the step.
        state, detail, seconds, date: as in `Outcome`.
        exit_code: of the process, negative for a signal.
        limit_s: seconds that it had.
        device: the GPU.
        versions: of Python and the packages that compute.
        commit: of the source, if git knows it.
        command: what was run.
        rows: what it wrote.
    """

    step: str
    title: str
    state: str
    detail: str
    seconds: float
    date: str
    exit_code: int | None
    limit_s: float
    device: Gpu
    versions: Mapping[str, str]
    commit: str | None
    command: Sequence[str]
    rows: Sequence[Mapping[str, Any]]

    def write(self, folder: Path) -> None:
        """Write FOLDER/STEP.json whole or not at all."""
        path = folder / f"{self.step}.json"
        beside = path.with_suffix(".json.new")
        beside.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")
        beside.replace(path)

    def outcome(self) -> Outcome:
        """For the table."""
        return Outcome(State(self.state), self.detail, self.seconds, self.date)


def kept_outcome(folder: Path, step: Step) -> Outcome | None:
    """What an earlier call found, if the step passed in it."""
    path = folder / f"{step.name}.json"
    if not path.exists():
        return None
    found = json.loads(path.read_text(encoding="utf-8"))
    if found["state"] != State.PASSED.value:
        return None
    return Outcome(State.PASSED, found["detail"], found["seconds"], found["date"], kept=True)


def read_rows(path: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """The rows in a step's output, and the lines that are none: the last of a step that was ended, say."""
    rows: list[dict[str, Any]] = []
    others: list[str] = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if isinstance(row, dict):
            rows.append(row)
        else:
            others.append(line)
    return rows, others


def table(outcomes: Mapping[str, Outcome], title: str) -> str:
    """All steps in Markdown."""
    lines = [f"{title}", "", "| step | | seconds | |", "| --- | --- | --- | --- |"]
    for name, outcome in outcomes.items():
        seconds = "" if outcome.seconds is None else f"{outcome.seconds:.0f}"
        kept = f" (kept, of {outcome.date})" if outcome.kept else ""
        detail = outcome.detail.replace("|", "/")
        lines.append(f"| {name} | {outcome.state.value}{kept} | {seconds} | {detail} |")
    return "\n".join(lines)


def exit_code(outcomes: Mapping[str, Outcome]) -> int:
    """0 where all passed, 1 where one failed, 3 where none did and one was not run, 130 after Ctrl-C."""
    states = {outcome.state for outcome in outcomes.values()}
    if State.INTERRUPTED in states:
        return 130
    if states & {State.FAILED, State.TIMED_OUT}:
        return 1
    return 3 if State.NOT_RUN in states else 0
