"""The steps run in order, whatever one of them does; on an imagined GPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.gpu import __main__ as command
from benchmarks.gpu import run_steps as running
from benchmarks.gpu.device import Gpu, NoGpuError
from benchmarks.gpu.results import Outcome, State, exit_code, table
from benchmarks.gpu.run_steps import Setting, run_steps
from benchmarks.gpu.steps import BUDGET_S, NOT_RUN, STEPS, Step

FOUND = 'print(\'{"milliseconds": 1}\'); print(\'{"summary": "fine"}\')'
REFUSES = f'print(\'{{"summary": "too old"}}\'); raise SystemExit({NOT_RUN})'
HANGS = "import time; print('{\"milliseconds\": 2}\\n{\"mill', end='', flush=True); time.sleep(600)"
CRASHES = "import sys; print('{\"milliseconds\": 3}', flush=True); sys.exit('out of memory')"


def step(name: str, program: str, **more) -> Step:
    return Step(name, f"the step {name}", ("-c", program), more.pop("limit_s", 60), 5, **more)


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    gpu = Gpu("Imagined GPU", "9.0", "13.0", "1.2")
    installed = {"torch": "2.11.0+cu130", "triton": "3.6.0"}
    return Setting(gpu, tmp_path / gpu.slug, dict(os.environ), installed, BUDGET_S)


def record(setting: Setting, name: str) -> dict:
    return json.loads((setting.folder / f"{name}.json").read_text())


def test_what_a_step_wrote_is_kept_with_its_circumstances(setting: Setting) -> None:
    outcomes = run_steps([step("a", FOUND)], setting)
    assert (outcomes["a"].state, outcomes["a"].detail) == (State.PASSED, "fine")
    found = record(setting, "a")
    assert found["rows"] == [{"milliseconds": 1}, {"summary": "fine"}]
    assert found["device"]["name"] == "Imagined GPU" and found["device"]["driver"] == "1.2"
    assert found["versions"]["torch"] == "2.11.0+cu130" and found["command"][:2] == ["python", "-c"]
    assert found["date"].endswith("+00:00") and found["exit_code"] == 0
    assert sorted(path.name for path in setting.folder.iterdir()) == ["a.json", "a.log"]


def ends(monkeypatch, hanging: str, ready: Callable[[], bool], error: BaseException) -> None:
    """Let waiting for a program end with an error once the program has come so far."""

    class Ended(subprocess.Popen):
        has_ended = False

        def wait(self, timeout=None):
            if hanging not in self.args or self.has_ended:
                return super().wait(timeout)
            while not ready():
                time.sleep(0.01)
            self.has_ended = True
            raise error

    monkeypatch.setattr(subprocess, "Popen", Ended)


def test_a_crash_and_a_step_that_hangs_cost_the_next_nothing(setting: Setting, monkeypatch) -> None:
    rows = setting.folder / "hang.rows"
    ends(monkeypatch, HANGS, lambda: rows.read_text().endswith("mill"), subprocess.TimeoutExpired("hang", 60))
    outcomes = run_steps([step("crash", CRASHES), step("hang", HANGS), step("last", FOUND)], setting)
    assert [outcome.state for outcome in outcomes.values()] == [State.FAILED, State.TIMED_OUT, State.PASSED]
    assert outcomes["crash"].detail == "exit code 1: out of memory"
    # What was measured before the end is kept; half a line is no row, and is in the log.
    assert record(setting, "crash")["rows"] == [{"milliseconds": 3}]
    assert record(setting, "hang")["rows"] == [{"milliseconds": 2}]
    assert '{"mill' in (setting.folder / "hang.log").read_text()
    assert exit_code(outcomes) == 1


def test_a_step_has_the_time_that_it_is_given(setting: Setting) -> None:
    outcome = run_steps([step("hang", HANGS, limit_s=0.2)], setting)["hang"]
    assert outcome.state is State.TIMED_OUT and outcome.detail.startswith("ended after 0 s")


def test_what_a_step_started_ends_with_it(setting: Setting, monkeypatch) -> None:
    child = "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])"
    program = f"import subprocess, sys, time; print({child}.pid, flush=True); time.sleep(600)"
    rows = setting.folder / "parent.rows"
    pids: list[str] = []

    def ready() -> bool:
        pids[:] = rows.read_text().split()
        return bool(pids)

    ends(monkeypatch, program, ready, subprocess.TimeoutExpired("parent", 60))
    run_steps([step("parent", program)], setting)
    monkeypatch.undo()
    state = subprocess.run(["ps", "-o", "stat=", "-p", pids[0]], capture_output=True, text=True).stdout
    assert not state or state.startswith("Z"), "it goes on"


def test_only_what_has_passed_is_not_run_again(setting: Setting) -> None:
    run_steps([step("a", FOUND), step("b", CRASHES)], setting)
    again = [step("a", CRASHES), step("b", FOUND)]
    outcomes = run_steps(again, setting)
    assert outcomes["a"].kept and outcomes["a"].state is State.PASSED
    assert not outcomes["b"].kept and outcomes["b"].state is State.PASSED
    assert "passed (kept, of 2" in table(outcomes, "all")
    assert run_steps(again, replace(setting, again=True))["a"].state is State.FAILED


def test_steps_that_no_longer_fit_are_not_run(setting: Setting) -> None:
    seconds = iter([0.0, 0.0, 0.0, 96.0, 96.0])
    short = replace(setting, budget_s=100, now=lambda: next(seconds))
    outcomes = run_steps([step("a", FOUND), step("b", FOUND)], short)
    assert outcomes["a"].state is State.PASSED
    assert outcomes["b"] == Outcome(State.NOT_RUN, "no time left: 4 s, and at least 5 are needed")
    assert not (setting.folder / "b.json").exists()
    assert exit_code(outcomes) == 3


def test_what_is_missing_is_said_before_anything_starts(setting: Setting) -> None:
    steps = [
        step("package", CRASHES, packages=("torch", "onnxruntime-gpu")),
        step("old", CRASHES, packages=("torch>=2.13",)),
        step("either", FOUND, packages=("tensorrt|triton",)),
        step("program", CRASHES, programs=("compute-sanitizer-of-nowhere",)),
        step("itself", REFUSES),
        step("after", CRASHES, after=("itself",)),
    ]
    outcomes = run_steps(steps, setting)
    assert {name: outcome.detail for name, outcome in outcomes.items()} == {
        "package": "onnxruntime-gpu is not installed",
        "old": "torch is 2.11.0+cu130, 2.13 or newer is needed",
        "either": "fine",
        "program": "no program compute-sanitizer-of-nowhere",
        "itself": "too old",
        "after": "itself has not passed",
    }
    assert [path.name for path in setting.folder.glob("*.json")] == ["either.json"]


def test_ctrl_c_keeps_what_is_done_and_leaves_out_the_rest(setting: Setting, monkeypatch) -> None:
    rows = setting.folder / "b.rows"
    ends(monkeypatch, HANGS, lambda: rows.read_text().endswith("mill"), KeyboardInterrupt())
    outcomes = run_steps([step("a", FOUND), step("b", HANGS), step("c", FOUND)], setting)
    states = [outcome.state for outcome in outcomes.values()]
    assert states == [State.PASSED, State.INTERRUPTED, State.NOT_RUN]
    assert record(setting, "b")["rows"] == [{"milliseconds": 2}] and exit_code(outcomes) == 130
    # It is not taken for done.
    assert run_steps([step("b", FOUND)], setting)["b"].state is State.PASSED


def test_without_a_gpu_every_step_says_so_and_nothing_is_written(monkeypatch, capsys, tmp_path: Path) -> None:
    def none() -> Gpu:
        raise NoGpuError("there is no NVIDIA driver")

    monkeypatch.setattr(command, "find_gpu", none)
    monkeypatch.setattr(sys, "argv", ["gpu", "--results", str(tmp_path)])
    assert command.main() == 3
    printed = capsys.readouterr().out
    assert [line.split(" | ")[0].strip("| ") for line in printed.splitlines()[4:]] == [s.name for s in STEPS]
    assert printed.count("| not run |  | no GPU: there is no NVIDIA driver |") == len(STEPS)
    assert list(tmp_path.iterdir()) == []


def test_no_step_interprets_or_looks_elsewhere_than_in_this_project(tmp_path: Path) -> None:
    given = {"TRITON_INTERPRET": "1", "PYTHONPATH": "/elsewhere", "PATH": "/bin", "HOME": "/root"}
    found = command.environment(given, (tmp_path,))
    assert "TRITON_INTERPRET" not in found and found["HOME"] == "/root"
    assert found["PYTHONPATH"].split(os.pathsep) == [
        *(str(running.ROOT / folder) for folder in ("", "kernels", "runtimes/python")),
        str(tmp_path),
        "/elsewhere",
    ]
    assert found["PATH"].startswith(f"/bin{os.pathsep}")


def test_the_table_of_steps_fits_the_budget() -> None:
    assert sum(item.limit_s for item in STEPS[:-2]) <= BUDGET_S
    names = [item.name for item in STEPS]
    for position, item in enumerate(STEPS):
        assert set(item.after) <= set(names[:position]) and item.least_s <= item.limit_s
        assert (Path(running.ROOT) / (item.command[1].replace(".", "/") + ".py")).is_file()
