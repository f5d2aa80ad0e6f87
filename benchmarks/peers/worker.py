"""A side in a process of its own: it is told what to do, a line of JSON each, and sleeps otherwise.

Usage: python -m benchmarks.peers.worker MODULE:FUNCTION [ARGUMENT...]
The function makes a `Side` of the arguments. Requests come on standard input, answers go to standard output:

    {"do": "load"}                                     -> runs, setup_s, calls, facts
    {"do": "measure", "call": C, "calls": N, "warm_up": W} -> ms (a list), idle_cpu_ms, idle_ms
    {"do": "label", "images": [FILE...], "into": FILE} -> labels and outputs are in the .npz file

An error is an answer, too. The end of the input ends the process.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from benchmarks.peers.sides import Side
from groupvit_export.metrics.interleaved import timed


class Session:
    """What the requests of one process work on."""

    def __init__(self, make: Callable[[], Side]) -> None:
        self._make = make
        self._side: Side | None = None
        self._rested = (time.perf_counter(), time.process_time())

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do what is asked for; what goes wrong is told."""
        since, cpu = self._rested
        idle = {
            "idle_ms": round(1000 * (time.perf_counter() - since), 3),
            "idle_cpu_ms": round(1000 * (time.process_time() - cpu), 3),
        }
        try:
            done: dict[str, Any] = getattr(self, f"_{request.pop('do')}")(**request)
        # The boundary of the process: whatever a library raises is the reason that the row has no figures.
        except Exception as error:  # noqa: BLE001
            done = {"error": f"{type(error).__name__}: {error}"}
        self._rested = (time.perf_counter(), time.process_time())
        return {**done, **idle}

    def _load(self) -> dict[str, Any]:
        side = self._side = self._make()
        return {
            "runs": side.runs,
            "setup_s": side.setup_s,
            "calls": list(side.calls),
            "facts": dict(side.facts),
        }

    def _measure(self, call: str, calls: int, warm_up: int) -> dict[str, Any]:
        what = self._loaded().calls[call]
        for _ in range(warm_up):
            what()
        one = timed(what)
        return {"ms": [round(one(), 4) for _ in range(calls)]}

    def _label(self, images: list[str], into: str) -> dict[str, Any]:
        side = self._loaded()
        if side.label is None:
            raise ValueError("this side has no label maps")
        labels = np.stack([side.label(Path(image)) for image in images])
        np.savez(into, labels=labels, **(side.outputs() if side.outputs else {}))  # type: ignore[arg-type]
        return {}

    def _loaded(self) -> Side:
        if self._side is None:
            raise ValueError("it has not been loaded")
        return self._side


def serve(session: Session, requests: TextIO, answers: TextIO) -> None:
    """Answer one line with one line until there are no more."""
    for line in requests:
        answers.write(json.dumps(session.answer(json.loads(line))) + "\n")
        answers.flush()


def main() -> None:
    # What libraries print must not come between the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    module, function = sys.argv[1].split(":")

    def make() -> Side:
        side: Side = getattr(importlib.import_module(module), function)(*sys.argv[2:])
        return side

    serve(Session(make), sys.stdin, answers)


if __name__ == "__main__":
    main()
