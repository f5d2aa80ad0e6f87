"""Interpolation against PyTorch's, and against the definition in exact fractions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from groupvit_runtime.resize import bilinear, composed_matrix, linear_taps

lengths = st.integers(1, 90)


def torch_bilinear(array: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    lead = array.shape[:-2]
    flat = torch.from_numpy(array.reshape(1, -1, *array.shape[-2:]).copy())
    return F.interpolate(flat, size=size, mode="bilinear", align_corners=False).numpy().reshape(*lead, *size)


def linear_matrix(src: int, dst: int) -> np.ndarray:
    """One interpolation as a matrix [dst, src], entry by entry from its taps."""
    matrix = np.zeros((dst, src))
    for row, (low, high, t) in enumerate(zip(*linear_taps(src, dst), strict=True)):
        matrix[row, low] += 1 - np.float64(t)
        matrix[row, high] += t
    return matrix.astype(np.float32)


@given(lengths, lengths)
def test_taps_are_the_exact_half_pixel_positions(src: int, dst: int) -> None:
    low, high, t = linear_taps(src, dst)
    for d in range(dst):
        position = (d + Fraction(1, 2)) * Fraction(src, dst) - Fraction(1, 2)
        position = min(max(position, Fraction(0)), Fraction(src - 1))
        assert low[d] == position.numerator // position.denominator
        assert high[d] == min(low[d] + 1, src - 1)
        assert t[d] == np.float32(float(position - int(low[d])))


@given(lengths, lengths)
def test_matrix_is_torchs_interpolation(src: int, dst: int) -> None:
    identity = np.eye(src, dtype=np.float32)[None]
    expected = F.interpolate(torch.from_numpy(identity), size=dst, mode="linear").numpy()[0].T
    # PyTorch rounds the position itself to float32, ours is exact.
    np.testing.assert_allclose(linear_matrix(src, dst), expected, atol=2e-7 * src, rtol=0)
    np.testing.assert_allclose(linear_matrix(src, dst).sum(axis=1), 1, atol=1e-6)


@settings(deadline=None)
@given(lengths, lengths, lengths, lengths, st.integers(0, 2**32 - 1))
def test_bilinear_is_torchs(height: int, width: int, h: int, w: int, seed: int) -> None:
    array = np.random.default_rng(seed).standard_normal((2, 3, height, width)).astype(np.float32)
    result = bilinear(array, (h, w))
    assert result.dtype == np.float32
    np.testing.assert_allclose(
        result, torch_bilinear(array, (h, w)), atol=1e-6 * max(height, width, 8), rtol=0
    )


@given(lengths, lengths, lengths)
def test_composition_is_one_after_the_other(src: int, middle: int, dst: int) -> None:
    expected = linear_matrix(middle, dst).astype(np.float64) @ linear_matrix(src, middle).astype(np.float64)
    np.testing.assert_allclose(composed_matrix(src, middle, dst), expected, atol=3e-7, rtol=0)


@given(lengths, lengths)
def test_composition_through_either_end_is_the_plain_matrix(src: int, dst: int) -> None:
    np.testing.assert_array_equal(composed_matrix(src, dst, dst), linear_matrix(src, dst))
    np.testing.assert_array_equal(composed_matrix(src, src, dst), linear_matrix(src, dst))


def test_same_size_is_the_same_array() -> None:
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert bilinear(array, (3, 4)) is array


def test_constants_stay_exactly_constant() -> None:
    array = np.full((5, 7), np.float32(0.1))
    assert (bilinear(array, (64, 33)) == np.float32(0.1)).all()


@pytest.mark.parametrize("shared", [composed_matrix(5, 7, 9), *linear_taps(5, 9)], ids=lambda a: str(a.shape))
def test_shared_results_cannot_be_written(shared: np.ndarray) -> None:
    with pytest.raises(ValueError, match="read-only"):
        shared[0] = 0


def test_refusals() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        composed_matrix(0, 3, 3)
    with pytest.raises(ValueError, match="at least 1"):
        linear_taps(3, 0)
    with pytest.raises(ValueError, match="float32"):
        bilinear(np.zeros((3, 4)), (6, 8))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="float32"):
        bilinear(np.zeros(3, np.float32), (6, 8))
