"""The other end of `benchmarks.peers.worker`: a process a side."""

from __future__ import annotations

import json
import select
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final

LOAD_S: Final = 400.0
"""Seconds that a side may take to load; torch.compile takes the longest."""
ANSWER_S: Final = 300.0

_END_S: Final = 5.0


class SideError(Exception):
    """A side cannot go on; the message is the reason that its row gives."""


class Worker:
    """A process that is started now, and ended when the block is left.

    Args:
        make: "module:function" that makes the `Side`.
        arguments: of that function, words.
        log: what the process prints goes to this file.
    """

    def __init__(self, make: str, arguments: Sequence[str], log: Path) -> None:
        self._log = log
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.peers.worker", make, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
            )

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        # The pipe of a process that died is broken.
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def ask(self, do: str, seconds: float = ANSWER_S, **request: Any) -> dict[str, Any]:
        """Send a request and wait for its answer.

        Raises:
            SideError: the side says that it failed, died, or has not answered in time; it is ended then.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"do": do, **request}).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise SideError(self._end()) from None
        # One line is asked for at a time, so that nothing of the next one can be buffered already.
        if not select.select([self._process.stdout], [], [], seconds)[0]:
            self._process.kill()
            raise SideError(f"no answer to {do!r} within {seconds:.0f} s")
        line = self._process.stdout.readline()
        if not line:
            raise SideError(self._end())
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise SideError(answer["error"])
        return answer

    def _end(self) -> str:
        try:
            code = self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        said = self._log.read_text(encoding="utf-8", errors="replace").split("\n")
        last = next((line for line in reversed(said) if line.strip()), "")
        return f"its process ended with code {code}" + (f": {last.strip()}" if last else "")
