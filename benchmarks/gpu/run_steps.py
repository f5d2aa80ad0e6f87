"""Runs the steps, one after the other; whatever one does, the next has its turn."""

from __future__ import annotations

import datetime
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.gpu.device import Gpu
from benchmarks.gpu.installed import missing, versions
from benchmarks.gpu.results import Outcome, Record, State, kept_outcome, read_rows
from benchmarks.gpu.steps import NOT_RUN, Step

ROOT: Final = Path(__file__).resolve().parents[2]

_TO_END_S: Final = 5
"""What a step has to end by itself, before it is killed."""


@dataclass(frozen=True)
class Setting:
    """What the steps run in.

    Attributes:
        gpu: that they run on.
        folder: for results and logs.
        environment: of their processes.
        installed: versions of packages by name.
        budget_s: seconds for all of them.
        again: whether what has passed before is run again.
        now: seconds that never go back.
    """

    gpu: Gpu
    folder: Path
    environment: Mapping[str, str]
    installed: Mapping[str, str]
    budget_s: float
    again: bool = False
    now: Callable[[], float] = time.monotonic


def run_steps(
    steps: Sequence[Step], setting: Setting, say: Callable[[str], None] = lambda line: None
) -> dict[str, Outcome]:
    """Run them in order; Ctrl-C ends the one that runs, and leaves out the rest.

    Returns:
        What became of each, by name. What was computed lies in the folder, a file a step.
    """
    setting.folder.mkdir(parents=True, exist_ok=True)
    began = setting.now()
    outcomes: dict[str, Outcome] = {}
    for step in steps:
        kept = None if setting.again else kept_outcome(setting.folder, step)
        left = setting.budget_s - (setting.now() - began)
        if kept is not None:
            outcomes[step.name] = kept
        elif any(outcome.state is State.INTERRUPTED for outcome in outcomes.values()):
            outcomes[step.name] = Outcome(State.NOT_RUN, "interrupted before")
        elif (reason := _why_not(step, setting, outcomes, left)) is not None:
            outcomes[step.name] = Outcome(State.NOT_RUN, reason)
        else:
            say(f"{step.name}: {step.title} ...")
            outcomes[step.name] = _run(step, setting, min(step.limit_s, left))
        say(f"{step.name}: {outcomes[step.name].state.value}. {outcomes[step.name].detail}")
    return outcomes


def _why_not(step: Step, setting: Setting, before: Mapping[str, Outcome], left: float) -> str | None:
    for name in step.after:
        if name in before and before[name].state is not State.PASSED:
            return f"{name} has not passed"
    lacking = missing(step.packages, setting.installed)
    path = setting.environment.get("PATH")
    lacking += [f"no program {name}" for name in step.programs if shutil.which(name, path=path) is None]
    if lacking:
        return "; ".join(lacking)
    if left < step.least_s:
        return f"no time left: {max(left, 0):.0f} s, and at least {step.least_s:.0f} are needed"
    return None


def _run(step: Step, setting: Setting, limit_s: float) -> Outcome:
    """One step, and its file."""
    date = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    began = setting.now()
    log, output = setting.folder / f"{step.name}.log", setting.folder / f"{step.name}.rows"
    with log.open("wb") as errors, output.open("wb") as rows:
        code, state = _wait(step, setting, limit_s, rows, errors)
    found, stray = read_rows(output)
    output.unlink()
    if stray:
        with log.open("a", encoding="utf-8") as file:
            file.write("\n".join(["", "on standard output, no rows:", *stray, ""]))
    detail = _detail(state, code, found, log, limit_s)
    seconds = round(setting.now() - began, 1)
    if state is State.NOT_RUN:
        return Outcome(state, detail)
    record = Record(
        step=step.name,
        title=step.title,
        state=state.value,
        detail=detail,
        seconds=seconds,
        date=date,
        exit_code=code,
        limit_s=round(limit_s, 1),
        device=setting.gpu,
        versions=versions(setting.installed),
        commit=_commit(),
        command=("python", *step.command),
        rows=found,
    )
    record.write(setting.folder)
    return record.outcome()


def _wait(
    step: Step, setting: Setting, limit_s: float, rows: object, errors: object
) -> tuple[int | None, State]:
    # A session of its own: what it starts is ended with it.
    process = subprocess.Popen(
        [sys.executable, *step.command],
        cwd=ROOT,
        env=dict(setting.environment),
        stdin=subprocess.DEVNULL,
        stdout=rows,  # type: ignore[call-overload]
        stderr=errors,
        start_new_session=True,
    )
    try:
        code = process.wait(timeout=limit_s)
    except subprocess.TimeoutExpired:
        return _end(process), State.TIMED_OUT
    except KeyboardInterrupt:
        return _end(process), State.INTERRUPTED
    return code, {0: State.PASSED, NOT_RUN: State.NOT_RUN}.get(code, State.FAILED)


def _end(process: subprocess.Popen[bytes]) -> int | None:
    """End the process and all that it started."""
    for wanted in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, wanted)
        except ProcessLookupError:
            break
        try:
            process.wait(timeout=_TO_END_S)
        except subprocess.TimeoutExpired:
            continue
    return process.poll()


def _detail(
    state: State, code: int | None, rows: Sequence[Mapping[str, object]], log: Path, limit_s: float
) -> str:
    """The line of the table."""
    said = next((str(row["summary"]) for row in reversed(rows) if "summary" in row), None)
    if state in (State.PASSED, State.NOT_RUN):
        return said or "it said nothing"
    what = {
        State.TIMED_OUT: f"ended after {limit_s:.0f} s, with {len(rows)} rows",
        State.INTERRUPTED: f"Ctrl-C, after {len(rows)} rows",
    }.get(state, f"exit code {code}")
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    last = said or (lines[-1].strip()[:200] if lines else "")
    return f"{what}: {last}" if last else what


def _commit() -> str | None:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=12"], cwd=ROOT, capture_output=True, text=True
    )
    return done.stdout.strip() if done.returncode == 0 else None
