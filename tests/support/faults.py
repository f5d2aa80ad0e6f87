"""Commands as processes whose n-th operation on files fails, or that are killed at it.

A process that has imported everything is forked for a command, which then takes no longer than its own work.
`faults.c`, preloaded, counts and interferes, in what the command starts, too. It sees Python's calls and
those of the libraries, whatever they are written in, except those below `fopen` and those past the C library.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from fault_plan import Plan

SOURCE: Final = Path(__file__).with_suffix(".c")
KILL: Final = -1
_SERVER: Final = Path(__file__).with_name("command_server.py")


@dataclass(frozen=True)
class Fault:
    """What happens at operation `at`: an errno, or `KILL`.

    With `onwards` later ones that take space fail, too, as on a disk that stays full.
    """

    at: int
    code: int
    onwards: bool = False


@dataclass(frozen=True)
class Done:
    """A command that ended: exit code, negative for a signal; what it printed, and did to files, in order."""

    code: int
    output: str
    error: str
    operations: tuple[str, ...] = field(repr=False)


class Commands:
    """Runs `groupvit` commands, and those of `python`.

    Args:
        folder: for the harness itself; `folder/temporary` is the commands' folder for temporary files.
        root: operations below it, and below the temporary folder, count.
    """

    def __init__(self, folder: Path, root: Path) -> None:
        self._folder, self._root = folder, root
        self.temporary = folder / "temporary"
        self.temporary.mkdir(parents=True)
        library = folder / "faults.so"
        compiler = os.environ.get("CC", "cc")
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, SOURCE, "-ldl"], check=True)
        self._server = subprocess.Popen(
            [sys.executable, _SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={
                **os.environ,
                "LD_PRELOAD": str(library),
                "TMPDIR": str(self.temporary),
                "OMP_NUM_THREADS": "1",
            },
            text=True,
        )

    def __enter__(self) -> Commands:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.communicate()

    def learn(self, *command: object) -> Done:
        """Run a command, and let the server import what it did: as a warm one it takes its own work only."""
        modules = str(self._folder / "modules")
        return self._run([command], None, warm=False, captures=None, modules=modules)[0]

    def run(
        self,
        *commands: Sequence[object],
        fault: Fault | None = None,
        warm: bool = False,
        captures: Path | None = None,
    ) -> list[Done]:
        """Run them at the same time; the fault is that of the first.

        Args:
            commands: of `groupvit`, or `["python", "-c", CODE, ...]`.
            fault: None for none.
            warm: exports, comparisons and Python's are forked as the others are; see `command_server`.
            captures: with `warm`, of exports: a folder of graphs, which are not captured anew.
        """
        return self._run(commands, fault, warm=warm, captures=captures, modules="")

    def _run(
        self,
        commands: Sequence[Sequence[object]],
        fault: Fault | None,
        *,
        warm: bool,
        captures: Path | None,
        modules: str,
    ) -> list[Done]:
        runs = []
        for number, command in enumerate(commands):
            base = self._folder / f"run-{number}"
            plan = Plan(log=os.fsencode(base.with_suffix(".log")))
            for place, root in enumerate((self._root, self.temporary)):
                plan.roots[place].value = os.fsencode(root.resolve())
            if fault is not None and number == 0:
                plan.at, plan.code, plan.onwards = fault.at, fault.code, fault.onwards
            base.with_suffix(".plan").write_bytes(bytes(plan))
            base.with_suffix(".log").write_bytes(b"")
            runs.append(
                {
                    "base": str(base),
                    "arguments": [str(part) for part in command],
                    "warm": warm or bool(modules),
                    "captures": str(captures or ""),
                    "modules": modules,
                }
            )
        assert self._server.stdin is not None and self._server.stdout is not None
        learn = [modules] if modules else []
        print(json.dumps({"runs": runs, "learn": learn}), file=self._server.stdin, flush=True)
        codes = json.loads(self._server.stdout.readline())
        return [_done(Path(run["base"]), code) for run, code in zip(runs, codes, strict=True)]

    def orphans(self) -> list[int]:
        """Processes that commands started and that are left, once they had the time to end."""
        end = time.monotonic() + 20
        while (found := self._started()) and time.monotonic() < end:
            time.sleep(0.02)
        return found

    def _started(self) -> list[int]:
        found, mark = [], b"FAULTS_PLAN=" + os.fsencode(self._folder)
        for path in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                if mark in path.read_bytes():
                    found.append(int(path.parent.name))
        return found


def _done(base: Path, code: int) -> Done:
    output, error, log = (
        base.with_suffix(suffix).read_text(errors="replace") for suffix in (".out", ".err", ".log")
    )
    return Done(code, output, error, tuple(log.splitlines()))
