"""How far a build is, from the phases that a builder reports."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator

import pytest

from groupvit_export.targets.tensorrt.monitor import Phases, run_interruptibly


def record() -> tuple[Phases, list[tuple[str, float, float]]]:
    said: list[tuple[str, float, float]] = []
    ticks = iter(range(1000))
    return Phases(lambda *report: said.append(report), lambda: float(next(ticks))), said


def test_nested_phases_are_shares_of_their_parents() -> None:
    phases, said = record()
    phases.start("build", None, 4)
    phases.step("build", 0)
    phases.start("optimize", "build", 10)
    for step in range(10):
        phases.step("optimize", step)
    phases.finish("optimize")
    phases.step("build", 1)
    assert [name for name, _, _ in said[:3]] == ["build", "build", "optimize"]
    shares = [share for _, share, _ in said]
    assert shares[0] == 0 and shares[1] == 0.25
    assert shares[-2] == pytest.approx(0.5) and shares[-1] == 0.5
    assert shares == sorted(shares)


def test_the_share_never_goes_back_or_beyond() -> None:
    phases, said = record()
    phases.start("build", None, 2)
    for name in ("a", "b", "c"):
        phases.start(name, "build", 2)
        for step in range(5):
            phases.step(name, step)
        phases.finish(name)
        phases.step("build", 7)
    phases.step("gone", 1)
    phases.finish("gone")
    shares = [share for _, share, _ in said]
    assert shares == sorted(shares) and shares[-1] <= 1


def test_seconds_count_from_the_start() -> None:
    phases, said = record()
    phases.start("build", None, 1)
    phases.step("build", 0)
    assert [seconds for _, _, seconds in said] == [1.0, 2.0]


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Shells start what runs in the background with the signal ignored, and children inherit that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interruption_stops_the_work_and_is_raised_after_it() -> None:
    stop, ended = threading.Event(), []

    def work() -> str:
        threading.Timer(0.2, signal.raise_signal, (signal.SIGINT,)).start()
        assert stop.wait(30)
        time.sleep(0.1)
        ended.append(True)
        return "half"

    with pytest.raises(KeyboardInterrupt):
        run_interruptibly(work, stop)
    assert ended == [True]


def test_results_and_errors_come_through() -> None:
    assert run_interruptibly(lambda: 5, threading.Event()) == 5
    with pytest.raises(ZeroDivisionError):
        run_interruptibly(lambda: 1 // 0, threading.Event())
