"""Requests that are computed together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest

from groupvit_runtime.serving.batcher import Batcher


@contextmanager
def batching(compute: Callable[[Sequence[int]], Sequence[int]], **options) -> Iterator[Batcher[int, int]]:
    batcher = Batcher(compute, **{"size": 4, "wait": 0.0, "workers": 1, **options})
    try:
        yield batcher
    finally:
        batcher.close()


class Held:
    """Work that goes on when it is told to, and says what it was given."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.begun = threading.Semaphore(0)
        self.go = threading.Semaphore(0)

    def __call__(self, requests: Sequence[int]) -> list[int]:
        self.batches.append(list(requests))
        self.begun.release()
        self.go.acquire()
        return [10 * request for request in requests]


def test_what_waits_is_computed_together():
    held = Held()
    with batching(held) as batcher:
        first = batcher.submit(0)
        held.begun.acquire()
        rest = [batcher.submit(number) for number in range(1, 7)]
        for _ in range(3):
            held.go.release()
        assert [future.result(60) for future in (first, *rest)] == [0, 10, 20, 30, 40, 50, 60]
    assert held.batches == [[0], [1, 2, 3, 4], [5, 6]]


def test_the_first_waits_for_others():
    batches: list[list[int]] = []

    def compute(requests: Sequence[int]) -> Sequence[int]:
        batches.append(list(requests))
        return requests

    # As soon as the batch is full, and not after ten minutes.
    with batching(compute, wait=600.0, workers=2) as batcher:
        for future in [batcher.submit(number) for number in range(8)]:
            future.result(60)
    assert sorted(map(len, batches)) == [4, 4]


def test_what_was_given_up_is_left_out():
    held = Held()
    with batching(held) as batcher:
        first = batcher.submit(0)
        held.begun.acquire()
        given_up, kept = batcher.submit(1), batcher.submit(2)
        assert given_up.cancel()
        held.go.release()
        held.go.release()
        assert (first.result(60), kept.result(60)) == (0, 20)
    assert held.batches == [[0], [2]]


def test_an_error_is_told_to_all_and_the_next_are_computed():
    def compute(requests: Sequence[int]) -> Sequence[int]:
        if -1 in requests:
            raise ValueError("of this batch")
        return requests

    with batching(compute, size=1) as batcher:
        with pytest.raises(ValueError, match="of this batch"):
            batcher.submit(-1).result(60)
        assert batcher.submit(5).result(60) == 5


def test_closing_finishes_what_waits_and_takes_nothing_more():
    held = Held()
    batcher = Batcher(held, size=1, wait=0.0, workers=1)
    futures = [batcher.submit(number) for number in range(3)]
    for _ in futures:
        held.go.release()
    batcher.close()
    assert [future.result(0) for future in futures] == [0, 10, 20]
    with pytest.raises(RuntimeError, match="closed"):
        batcher.submit(4)
