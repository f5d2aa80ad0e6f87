"""The process that `faults.Commands` forks commands from; it has imported much and computed nothing.

A command is forked, and then is a process of its own with the real `main`, file system, pipes and signals.
What is not as in life: nothing is executed anew, so what importing does is done already; OpenMP has one
thread, which is the one that survives a fork; of *warm* commands the capture in a child is forked, too, and
where `captures` names a folder, graphs that were captured once are read from there.
Exports and comparisons that are not warm are executed anew.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any, Final

from fault_plan import Plan

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
_HEAVY: Final = ("export", "verify")
_CHILDREN: Final = "groupvit_export.children"


def serve() -> None:
    for module in _IMPORTED:
        importlib.import_module(module)
    for line in sys.stdin:
        children = [_fork(run) for run in json.loads(line)["runs"]]
        codes = [_wait(child) for child in children]
        for module in json.loads(line)["learn"]:
            _learn(Path(module))
        print(json.dumps(codes), flush=True)


def _learn(path: Path) -> None:
    """Import what a command had imported when it ended."""
    for module in path.read_text().split():
        # Some can be imported by others only.
        with contextlib.suppress(Exception):
            importlib.import_module(module)


def _fork(run: dict[str, Any]) -> int:
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        code = _become(run)
    except BaseException as error:  # noqa: BLE001 - the process ends here
        code = error.code if isinstance(error, SystemExit) and isinstance(error.code, int) else 1
        if not isinstance(error, SystemExit):
            traceback.print_exc()
    finally:
        if run["modules"]:
            Path(run["modules"]).write_text("\n".join(set(sys.modules) - {"__main__"}))
        # As at the end of a process: files of opened bundles are removed.
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _become(run: dict[str, Any]) -> int:
    base, arguments = Path(run["base"]), run["arguments"]
    for stream, suffix in ((sys.stdout, ".out"), (sys.stderr, ".err")):
        file = os.open(base.with_suffix(suffix), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, stream.fileno())
    tempfile.tempdir = None
    plan = base.with_suffix(".plan")
    with plan.open("r+b") as opened:
        opened.seek(Plan.victim.offset)
        opened.write(ctypes.c_int(os.getpid()))
    os.environ["FAULTS_PLAN"] = str(plan)
    if not run["warm"] and arguments[0] == "python":
        os.execv(sys.executable, [sys.executable, *arguments[1:]])
    if not run["warm"] and arguments[0] in _HEAVY:
        os.execv(sys.executable, [sys.executable, "-m", "groupvit_export", *arguments])
    if arguments[0] in _HEAVY:
        subprocess._fork_exec = _fork_children  # type: ignore[attr-defined]
    if run["captures"]:
        _take_captures(Path(run["captures"]))
    ctypes.CDLL(None).faults_use(os.fsencode(plan))
    if arguments[0] == "python":
        sys.argv = arguments[1:][1:]
        exec(compile(arguments[2], "-c", "exec"), {"__name__": "__main__"})
        return 0

    from groupvit_export.cli import main

    return main(arguments)


def _take_captures(folder: Path) -> None:
    from captures import Captures

    from groupvit_export.build import graphs

    captures = Captures(folder)
    graphs.capture_image_encoder = captures.image  # type: ignore[attr-defined]
    graphs.TextCapture = captures.text  # type: ignore[assignment,attr-defined,misc]


_execute = subprocess._fork_exec  # type: ignore[attr-defined]


def _fork_children(arguments: list[Any], *rest: Any) -> int:
    """In the place of fork and exec: of children that are Python as this is, the fork alone."""
    command = [os.fsdecode(part) for part in arguments]
    if command[1:3] != ["-m", _CHILDREN]:
        return int(_execute(arguments, *rest))
    given, output, complaints = rest[5], rest[8], rest[10]
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        for source, target in ((given, 0), (output, 1), (complaints, 2)):
            if source != -1:
                os.dup2(source, target)
        os.closerange(3, 1 << 20)
        atexit._clear()
        sys.argv = ["children", *command[3:]]
        runpy.run_module(_CHILDREN, run_name="__main__", alter_sys=True)
        code = 0
    except BaseException:  # noqa: BLE001 - the process ends here
        traceback.print_exc()
    finally:
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
    serve()
