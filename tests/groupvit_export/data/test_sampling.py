"""Some of many images."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from groupvit_export.data.sampling import spread


@given(st.integers(0, 400), st.integers(0, 400), st.integers(0, 400))
def test_a_larger_limit_takes_the_same_and_more(count: int, low: int, high: int) -> None:
    low, high = sorted((low, high))
    few, many = spread(range(count), low), spread(range(count), high)
    assert len(few) == min(low, count) and few == sorted(set(few))
    assert set(few) <= set(many)


@given(st.integers(8, 400), st.integers(2, 400))
def test_no_gap_is_much_larger_than_another(count: int, limit: int) -> None:
    chosen = spread(range(count), limit)
    mean = count / len(chosen)
    gaps = [b - a for a, b in pairwise([*chosen, count])]
    assert max(gaps) <= 3 * mean + 1


def test_without_a_limit_all_are_taken() -> None:
    assert spread("abc", None) == ["a", "b", "c"]
