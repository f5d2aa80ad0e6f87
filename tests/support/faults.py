"""Commands as processes whose n-th operation on files fails, or that are killed at it.

A process that has imported everything is forked for a command, which then takes no longer than its own work.
`faults.c`, preloaded, counts and interferes, in what the command starts, too. It sees Python's calls and
those of the libraries, whatever they are written in, except those below `fopen` and those past the C library.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

SOURCE: Final = Path(__file__).with_suffix(".c")
KILL: Final = -1
_LONGEST_SECONDS: Final = 300
_IMPORTED: Final = (
    "groupvit_export.evaluate.session",
    "groupvit_export.evaluate.html",
    "groupvit_export.benchmark.measure",
    "groupvit_export.benchmark.html",
    "groupvit_runtime.engines.onnxruntime",
    "groupvit_runtime.engines.openvino",
    *(f"groupvit_export.cli.{verb}" for verb in ("segment", "bench", "eval", "vocab")),
)
# PyTorch's threads do not survive a fork.
_FRESH: Final = ("export", "verify")


class _Plan(ctypes.Structure):
    _fields_ = [
        ("at", ctypes.c_int),
        ("code", ctypes.c_int),
        ("onwards", ctypes.c_int),
        ("victim", ctypes.c_int),
        ("count", ctypes.c_int),
        ("roots", (ctypes.c_char * 1024) * 2),
        ("log", ctypes.c_char * 1024),
    ]


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
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "LD_PRELOAD": str(library), "TMPDIR": str(self.temporary)},
            text=True,
        )

    def __enter__(self) -> Commands:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.communicate()

    def run(self, *commands: Sequence[object], fault: Fault | None = None) -> list[Done]:
        """Run them at the same time; the fault is that of the first."""
        runs = []
        for number, command in enumerate(commands):
            base = self._folder / f"run-{number}"
            plan = _Plan(log=os.fsencode(base.with_suffix(".log")))
            for place, root in enumerate((self._root, self.temporary)):
                plan.roots[place].value = os.fsencode(root.resolve())
            if fault is not None and number == 0:
                plan.at, plan.code, plan.onwards = fault.at, fault.code, fault.onwards
            base.with_suffix(".plan").write_bytes(bytes(plan))
            base.with_suffix(".log").write_bytes(b"")
            runs.append({"base": str(base), "arguments": [str(part) for part in command]})
        assert self._server.stdin is not None and self._server.stdout is not None
        print(json.dumps(runs), file=self._server.stdin, flush=True)
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


def _serve() -> None:
    for module in _IMPORTED:
        __import__(module)
    for line in sys.stdin:
        children = [_fork(run) for run in json.loads(line)]
        print(json.dumps([_wait(child) for child in children]), flush=True)


def _fork(run: dict[str, Any]) -> int:
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        base = Path(run["base"])
        for stream, suffix in ((sys.stdout, ".out"), (sys.stderr, ".err")):
            file = os.open(base.with_suffix(suffix), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(file, stream.fileno())
        tempfile.tempdir = None
        plan = base.with_suffix(".plan")
        with plan.open("r+b") as opened:
            opened.seek(_Plan.victim.offset)
            opened.write(ctypes.c_int(os.getpid()))
        os.environ["FAULTS_PLAN"] = str(plan)
        if run["arguments"][0] == "python":
            os.execv(sys.executable, [sys.executable, *run["arguments"][1:]])
        if run["arguments"][0] in _FRESH:
            os.execv(sys.executable, [sys.executable, "-m", "groupvit_export", *run["arguments"]])
        ctypes.CDLL(None).faults_use(os.fsencode(plan))

        from groupvit_export.cli import main

        code = main(run["arguments"])
    except BaseException as error:  # noqa: BLE001 - the process ends here
        code = error.code if isinstance(error, SystemExit) and isinstance(error.code, int) else 1
        if not isinstance(error, SystemExit):
            traceback.print_exc()
    finally:
        # As at the end of a process: files of opened bundles are removed.
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _wait(child: int) -> int:
    end = time.monotonic() + _LONGEST_SECONDS
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > end:
            os.kill(child, signal.SIGABRT)
        time.sleep(0.005)


if __name__ == "__main__":
    _serve()
