"""Which combinations are tried, that a round is whole, and which one is chosen."""

import threading
from contextlib import ExitStack

import pytest

from groupvit_export.benchmark.suggest import (
    ALONE,
    BATCHES,
    Combination,
    combinations,
    fastest,
    images_of,
    player,
    rates,
    suggest,
)
from groupvit_export.cli import main


@pytest.mark.parametrize(
    ("cores", "streams"), [(1, [1]), (2, [1, 2]), (6, [1, 2, 4, 6]), (16, [1, 2, 4, 8, 16])]
)
def test_streams_are_powers_of_two_and_the_cores(cores, streams):
    tried = combinations(cores)
    assert sorted({one.streams for one in tried}) == streams
    assert len(tried) == len(streams) * len(BATCHES) and ALONE in tried


@pytest.mark.parametrize("cores", [1, 2, 6, 16])
def test_a_round_is_the_same_work_for_every_combination(cores):
    tried = combinations(cores)
    images = images_of(tried)
    assert all(images % (one.batch * one.streams) == 0 for one in tried)
    for one in tried:
        seen: list[int] = []
        lock = threading.Lock()

        def run(count, seen=seen, lock=lock):
            with lock:
                seen.append(count)

        with ExitStack() as stack:
            player(run, one, images, stack)()
        assert sum(seen) == images and set(seen) == {one.batch}


def test_streams_call_at_once():
    barrier = threading.Barrier(3, timeout=10)
    with ExitStack() as stack:
        # Passes only where three threads are inside at the same time.
        player(lambda count: barrier.wait(), Combination(1, 3), 6, stack)()


def test_a_failing_call_fails_the_round():
    def run(count):
        raise RuntimeError("refused")

    with ExitStack() as stack, pytest.raises(RuntimeError, match="refused"):
        player(run, Combination(1, 2), 2, stack)()


def test_rates_are_images_over_the_median():
    times = {ALONE: [100.0, 300.0, 200.0], Combination(4, 2): [50.0, 50.0, 900.0]}
    assert list(rates(times, 10).values()) == [50.0, 200.0]
    assert fastest(times) == Combination(4, 2)


def test_what_computes_more_at_once_is_suggested():
    lock, now = threading.Lock(), [0.0]

    def costing(seconds):
        def call(count):
            with lock:
                now[0] += seconds(count)

        return call

    tried = combinations(2)
    calls = {1: costing(lambda count: 2.0 * count), 2: costing(lambda count: 1.0)}
    found = suggest(calls, tried, 3, clock=lambda: now[0])
    assert found.best == Combination(8, 2) and set(found.measured) == {ALONE, found.best}
    assert set(found.rates) == set(tried) and found.gain.ratio == found.gain.low == 2 * 8


@pytest.mark.slow
def test_the_command_prints_a_setting(demo_bundles, capsys):
    bundle = str(demo_bundles["openvino"])
    assert main(["bench", bundle, "--suggest", "--rounds", "3", "--quiet", "--threads", "2"]) == 0
    said = capsys.readouterr().out
    assert "images/s" in said and "is the fastest" in said
    assert main(["bench", bundle, "--suggest", "--batch", "2"]) == 2
    assert "--batch" in capsys.readouterr().err
