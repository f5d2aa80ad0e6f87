"""Forks after an engine was used, lets the child end in one way, and uses the engine again.

fork_child.py BUNDLE WAY: prints what the child was told, if anything, and "parent" where the parent's
result was the same before and after. A child that hangs is killed, and is an error.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np

from groupvit_runtime import EngineError, Segmenter

LIMIT = 30.0
"""Seconds that a child is given."""

NAMES = ("sky", "water", "red car")
RGB = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)


def zipped(bundle: Path, folder: Path) -> Path:
    path = folder / "bundle.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in bundle.rglob("*"):
            archive.write(file, file.relative_to(bundle))
    return path


def told(call: object, *arguments: object) -> str:
    try:
        call(*arguments)  # type: ignore[operator]
    except EngineError as error:
        return str(error)
    return "nothing"


def wait(child: int) -> None:
    deadline = time.monotonic() + LIMIT
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            if code:
                raise SystemExit(f"the child ended with {code}")
            return
        time.sleep(0.02)
    os.kill(child, 9)
    os.waitpid(child, 0)
    raise SystemExit("the child hangs")


def in_child(way: str, bundle: Path, held: list[Segmenter]) -> None:
    if way == "sys.exit":
        sys.exit(0)
    if way == "freed":
        held.clear()
    if way == "run":
        print(told(held[0], RGB, NAMES), flush=True)
        print(told(held[0].vocabulary, NAMES), flush=True)
    if way == "load":
        print(told(lambda: Segmenter.load(bundle)(RGB, NAMES)), flush=True)
    os._exit(0)


def main() -> None:
    bundle, way = Path(sys.argv[1]), sys.argv[2]
    scratch = Path(tempfile.mkdtemp(dir=os.environ["TMPDIR"]))
    held = [Segmenter.load(zipped(bundle, scratch))]
    before = held[0](RGB, NAMES).labels
    # Its text engine is read from the unpacked bundle after the fork.
    late = Segmenter.load(scratch / "bundle.zip")
    if way == "process":
        child = multiprocessing.get_context("fork").Process(target=held.clear)
        child.start()
        assert child.pid is not None
        child.join(LIMIT)
        if child.exitcode is None:
            child.kill()
        assert child.exitcode == 0, f"the child ended with {child.exitcode}"
    else:
        number = os.fork()
        if number == 0:
            in_child(way, bundle, held)
        wait(number)
    np.testing.assert_array_equal(held[0](RGB, NAMES).labels, before)
    np.testing.assert_array_equal(late(RGB, NAMES).labels, before)
    print("parent")


if __name__ == "__main__":
    main()
