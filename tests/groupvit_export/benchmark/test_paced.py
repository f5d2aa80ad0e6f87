"""Calls at a fixed rate: what was due counts from then, however late it was begun."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from groupvit_export.benchmark.calls import Call, Caller, StageClock
from groupvit_export.benchmark.paced import CALLS_A_ROUND, ROUNDS_A_TURN, count_late, sample_paced
from groupvit_export.benchmark.settings import SamplingBudget
from groupvit_export.errors import EngineError


def ignore(share: float) -> None:
    del share


def calls_in(rounds: Any) -> list[Call]:
    return [call for one in rounds for call in one.calls]


def paced(clock: Any, callers: list[Caller], rate: float, **effort: Any) -> list[tuple[Any, ...]]:
    options = SamplingBudget(**{"rounds": 10, "warm_up": 0, **effort})
    return sample_paced(callers, rate, 1, options, ignore, clock.wait)


def test_calls_begin_when_they_are_due(clock: Any, make_caller: Callable[..., Caller]) -> None:
    (rounds,) = paced(clock, [make_caller(clock, [0.02])], 10)
    calls = calls_in(rounds)
    assert [call.milliseconds for call in calls] == pytest.approx([20] * 10)
    assert [call.waited for call in calls] == pytest.approx([0] * 10, abs=1e-6)
    assert clock.waits == pytest.approx([0.08] * 9)
    assert count_late(calls).late == 0
    assert 10 / sum(one.seconds for one in rounds) == pytest.approx(10)


def test_a_slow_call_delays_the_next_ones_whose_latency_counts_from_the_schedule(
    clock: Any, make_caller: Callable[..., Caller]
) -> None:
    (rounds,) = paced(clock, [make_caller(clock, [0.35, 0.02])], 10)
    calls = calls_in(rounds)
    # Due at 0, 100, 200, ...; begun at 0, 350, 370, 390, 410, then on time.
    assert [call.milliseconds for call in calls] == pytest.approx([350, 270, 190, 110, 30] + [20] * 5)
    assert [call.waited for call in calls] == pytest.approx([0, 250, 170, 90, 10] + [0] * 5, abs=1e-6)
    late = count_late(calls)
    assert (late.calls, late.late) == (10, 4)


def test_beyond_what_can_be_served_the_queue_grows(clock: Any, make_caller: Callable[..., Caller]) -> None:
    (rounds,) = paced(clock, [make_caller(clock, [0.2])], 10, rounds=20)
    calls = calls_in(rounds)
    assert [call.waited for call in calls] == pytest.approx([100 * number for number in range(20)], abs=1e-6)
    assert 20 / sum(one.seconds for one in rounds) == pytest.approx(5)


def test_bundles_take_turns_and_never_queue_behind_each_other(
    clock: Any, make_caller: Callable[..., Caller]
) -> None:
    made: list[str] = []
    callers = [
        make_caller(clock, [seconds], lambda name=name: made.append(name))
        for name, seconds in (("a", 0.3), ("b", 0.01))
    ]
    slow, fast = paced(clock, callers, 10, rounds=70)
    turn, rest = ROUNDS_A_TURN * CALLS_A_ROUND, 70 - ROUNDS_A_TURN * CALLS_A_ROUND
    assert "".join(made) == "a" * turn + "b" * turn + "b" * rest + "a" * rest
    assert count_late(calls_in(fast)).late == 0
    # Every turn begins with nothing queued.
    assert [call.waited for call in calls_in(slow)].count(0) == 2


def test_rounds_are_filled_up_and_seconds_are_shared(clock: Any, make_caller: Callable[..., Caller]) -> None:
    (rounds,) = paced(clock, [make_caller(clock, [0.01])], 10, rounds=13)
    assert [len(one.calls) for one in rounds] == [CALLS_A_ROUND] * 2
    both = paced(clock, [make_caller(clock, [0.01]) for _ in range(2)], 10, rounds=3, seconds=8)
    assert [len(calls_in(rounds)) for rounds in both] == [40, 40]


def test_progress_never_goes_back(clock: Any, make_caller: Callable[..., Caller]) -> None:
    shares: list[float] = []
    callers = [make_caller(clock, [0.01]) for _ in range(2)]
    sample_paced(callers, 100, 1, SamplingBudget(rounds=70, warm_up=0), shares.append, clock.wait)
    assert shares == sorted(shares) and shares[0] == 0 and 0.9 < shares[-1] < 1


def test_streams_serve_one_queue() -> None:
    meeting = threading.Barrier(2, timeout=20)
    caller = Caller(lambda: meeting.wait(), StageClock())
    (rounds,) = sample_paced([caller], 1000, 2, SamplingBudget(rounds=20, warm_up=1), ignore)
    calls = calls_in(rounds)
    assert len(calls) == 20 and all(call.milliseconds > 0 for call in calls)


def test_an_error_ends_the_schedule_at_once() -> None:
    def fail() -> None:
        raise EngineError("out of order")

    # At this rate the schedule is of hours; the threads that wait are woken.
    with pytest.raises(EngineError, match="out of order"):
        sample_paced([Caller(fail, StageClock())], 0.001, 3, SamplingBudget(rounds=10, warm_up=0), ignore)
