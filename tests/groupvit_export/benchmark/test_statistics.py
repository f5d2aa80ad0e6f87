"""Statistics against SciPy and the standard library."""

from __future__ import annotations

import statistics

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from groupvit_export.benchmark.statistics import drift, summarize

latencies = st.lists(st.floats(0.01, 1e4), min_size=2, max_size=60)


@given(latencies)
def test_the_summary_is_theirs(values: list[float]) -> None:
    summary = summarize(values)
    assert summary.count == len(values)
    assert summary.minimum == min(values)
    assert summary.mean == pytest.approx(statistics.fmean(values))
    assert summary.standard_deviation == pytest.approx(statistics.stdev(values), abs=1e-9)
    variation = statistics.stdev(values) / statistics.fmean(values)
    assert summary.coefficient_of_variation == pytest.approx(variation, abs=1e-9)
    for share, found in ((50, summary.p50), (90, summary.p90), (95, summary.p95), (99, summary.p99)):
        assert found == pytest.approx(scipy.stats.scoreatpercentile(values, share))


def test_a_single_value_does_not_vary() -> None:
    summary = summarize([3.0])
    assert (summary.p50, summary.p99, summary.standard_deviation) == (3.0, 3.0, 0.0)


def test_drift_is_last_quarter_over_first() -> None:
    values = np.concatenate([np.full(25, 10.0), np.full(50, 99.0), np.full(25, 12.0)])
    assert drift(values) == pytest.approx(1.2)
    assert drift(values[::-1]) == pytest.approx(1 / 1.2)
    assert drift([1.0, 5.0, 2.0]) == 2.0
