"""Intervals: they cover what they promise, pairs cancel what disturbs both sides, and nothing is random."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from groupvit_export.benchmark.bootstrap import ratio_of_medians

TRUE_RATIO = 1.2
TRIALS = 300
ROUNDS = 50


def noisy(random: np.random.Generator, median: float) -> np.ndarray:
    return median * np.exp(random.normal(scale=0.1, size=(ROUNDS, 1)))


@pytest.mark.parametrize("paired", [False, True])
def test_the_interval_covers_the_true_ratio_as_often_as_it_says(paired: bool) -> None:
    random = np.random.default_rng(1)
    covered = 0
    for trial in range(TRIALS):
        disturbance = np.exp(random.normal(scale=0.2, size=(ROUNDS, 1))) if paired else 1.0
        first = noisy(random, 10.0) * disturbance
        second = noisy(random, 10.0 * TRUE_RATIO) * disturbance
        found = ratio_of_medians(first, second, paired=paired, resamples=400, seed=trial)
        covered += found.low <= TRUE_RATIO <= found.high
    assert 0.91 <= covered / TRIALS <= 0.995


def test_pairs_cancel_what_disturbs_both() -> None:
    random = np.random.default_rng(2)
    disturbance = np.linspace(1, 3, ROUNDS)[:, None]
    first, second = noisy(random, 10.0) * disturbance, noisy(random, 12.0) * disturbance
    paired, apart = (ratio_of_medians(first, second, paired=p) for p in (True, False))
    assert paired.high - paired.low < 0.7 * (apart.high - apart.low)


def test_the_interval_is_scipys() -> None:
    random = np.random.default_rng(3)
    first, second = noisy(random, 10.0), noisy(random, 11.0)
    found = ratio_of_medians(first, second, paired=True)
    theirs = scipy.stats.bootstrap(
        (second[:, 0], first[:, 0]),
        lambda a, b, axis: np.median(a, axis) / np.median(b, axis),
        n_resamples=5000,
        paired=True,
        method="percentile",
        rng=np.random.default_rng(4),
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=0.01)
    assert found.ratio == np.median(second) / np.median(first)


def test_the_same_samples_give_the_same_interval() -> None:
    first, second = noisy(np.random.default_rng(5), 1.0), noisy(np.random.default_rng(6), 1.0)
    assert ratio_of_medians(first, second, paired=False) == ratio_of_medians(first, second, paired=False)


def test_rounds_are_drawn_whole() -> None:
    # Calls that were made together are alike; drawn one by one they would look like four times as many.
    random = np.random.default_rng(7)
    rounds = np.exp(random.normal(scale=0.2, size=(30, 1)))
    together = np.repeat(rounds, 4, axis=1)
    flat = together.reshape(-1, 1)
    whole = ratio_of_medians(together, together[::-1].copy(), paired=False)
    single = ratio_of_medians(flat, flat[::-1].copy(), paired=False)
    assert whole.high - whole.low > 1.4 * (single.high - single.low)


def test_sides_of_different_lengths() -> None:
    random = np.random.default_rng(8)
    found = ratio_of_medians(noisy(random, 10.0), noisy(random, 20.0)[:20], paired=False)
    assert found.low < 2 < found.high
