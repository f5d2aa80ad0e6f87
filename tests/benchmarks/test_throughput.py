"""Which combinations are tried, that a round is whole, and which one is chosen."""

import threading
from contextlib import ExitStack

import pytest

from benchmarks.throughput import (
    ALONE,
    BATCHES,
    Combination,
    combinations,
    fastest,
    images_of,
    player,
    rates,
)


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

        def run(pixels, seen=seen, lock=lock):
            with lock:
                seen.append(len(pixels))

        with ExitStack() as stack:
            player(run, one, images, stack)()
        assert sum(seen) == images and set(seen) == {one.batch}


def test_streams_call_at_once():
    barrier = threading.Barrier(3, timeout=10)
    with ExitStack() as stack:
        # Passes only where three threads are inside at the same time.
        player(lambda pixels: barrier.wait(), Combination(1, 3), 6, stack)()


def test_a_failing_call_fails_the_round():
    def run(pixels):
        raise RuntimeError("refused")

    with ExitStack() as stack, pytest.raises(RuntimeError, match="refused"):
        player(run, Combination(1, 2), 2, stack)()


def test_rates_are_images_over_the_median():
    times = {ALONE: [100.0, 300.0, 200.0], Combination(4, 2): [50.0, 50.0, 900.0]}
    assert [row["images_per_s"] for row in rates(times, 10)] == [50.0, 200.0]
    assert fastest(times) == Combination(4, 2)
