"""Calls in a process of their own: for what counts processors once, and for what might end the process."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def in_fresh_process(call: Callable[P, R], *arguments: P.args, **options: P.kwargs) -> R:
    """What `call`, a function of a module, returns in a process that may use every processor.

    Raises:
        BrokenProcessPool: the process ended in the middle of it.
    """
    with ProcessPoolExecutor(1, get_context("spawn"), _use_all) as pool:
        return pool.submit(call, *arguments, **options).result()


def _use_all() -> None:
    # Workers of tests have one processor each.
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
