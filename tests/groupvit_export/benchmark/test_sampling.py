"""Turns, rounds, streams and stages, by a clock that nobody waits for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from groupvit_export.benchmark.calls import Caller, StageClock
from groupvit_export.benchmark.sampling import CALLS_IN_A_ROW, sample
from groupvit_export.benchmark.settings import SamplingBudget
from groupvit_export.errors import EngineError


def ignore(share: float) -> None:
    del share


def test_bundles_are_interleaved_call_by_call(clock: Any, make_caller: Callable[..., Caller]) -> None:
    made: list[str] = []
    callers = [make_caller(clock, [1.0], lambda name=name: made.append(name)) for name in "ab"]
    found = sample(callers, 1, SamplingBudget(rounds=4, warm_up=1), ignore)
    assert "".join(made) == "ab" + "abbaabba"
    assert [len(rounds) for rounds in found] == [4, 4]


def test_a_call_is_timed_alone(clock: Any, make_caller: Callable[..., Caller]) -> None:
    fast, slow = make_caller(clock, [0.010]), make_caller(clock, [0.025])
    found = sample([fast, slow], 1, SamplingBudget(rounds=3, warm_up=0), ignore)
    for rounds, expected in zip(found, (10, 25), strict=True):
        assert [r.calls[0].milliseconds for r in rounds] == pytest.approx([expected] * 3)
        assert [r.seconds for r in rounds] == pytest.approx([expected / 1000] * 3)
        assert all(r.calls[0].waited == 0 for r in rounds)


def test_seconds_are_a_length_and_rounds_the_least(clock: Any, make_caller: Callable[..., Caller]) -> None:
    (rounds,) = sample(
        [make_caller(clock, [0.5])], 1, SamplingBudget(rounds=3, seconds=10, warm_up=0), ignore
    )
    assert len(rounds) == 20
    (rounds,) = sample(
        [make_caller(clock, [9.0])], 1, SamplingBudget(rounds=3, seconds=10, warm_up=0), ignore
    )
    assert len(rounds) == 3


def test_progress_goes_from_nothing_to_all(clock: Any, make_caller: Callable[..., Caller]) -> None:
    shares: list[float] = []
    sample([make_caller(clock, [1.0])], 1, SamplingBudget(rounds=4, warm_up=2), shares.append)
    assert shares == [0, 0.25, 0.5, 0.75]


def test_streams_call_at_once() -> None:
    meeting = threading.Barrier(3, timeout=20)
    stages = StageClock()
    # Would stand still for ever if one waited for another's answer.
    caller = Caller(lambda: meeting.wait(), stages)
    (rounds,) = sample([caller], 3, SamplingBudget(rounds=3, warm_up=1), ignore)
    assert [len(one.calls) for one in rounds] == [3 * CALLS_IN_A_ROW] * 3


def test_an_error_of_a_stream_ends_the_measurement(clock: Any) -> None:
    def fail() -> None:
        raise EngineError("out of order")

    with pytest.raises(EngineError, match="out of order"):
        sample([Caller(fail, StageClock(clock), clock)], 2, SamplingBudget(rounds=3), ignore)


def test_stages_of_every_batch_are_added_up(clock: Any) -> None:
    stages = StageClock(clock)

    def call() -> None:
        for _ in range(3):
            with stages("engine"):
                clock.advance(0.004)
        with stages("postprocess"):
            clock.advance(0.001)
        clock.advance(0.002)

    one, begin, end = Caller(call, stages, clock)()
    assert one.stages == pytest.approx({"engine": 12, "postprocess": 1})
    assert one.milliseconds == pytest.approx(15) == (end - begin) * 1000
    assert stages.take() == {}


def test_giving_memory_back_is_not_part_of_the_time(clock: Any) -> None:
    class Large:
        def __del__(self) -> None:
            clock.advance(1.0)

    def call() -> Large:
        clock.advance(0.01)
        return Large()

    one, _, _ = Caller(call, StageClock(clock), clock)()
    assert one.milliseconds == pytest.approx(10)
    assert clock() == pytest.approx(101.01)


def test_stages_of_threads_do_not_mix() -> None:
    stages = StageClock()
    found: dict[str, dict[str, float]] = {}
    gate = threading.Barrier(2, timeout=20)

    def work(stage: Any) -> None:
        with stages(stage):
            gate.wait()
        found[stage] = stages.take()

    threads = [threading.Thread(target=work, args=(stage,)) for stage in ("read", "engine")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {stage: list(taken) for stage, taken in found.items()} == {"read": ["read"], "engine": ["engine"]}
