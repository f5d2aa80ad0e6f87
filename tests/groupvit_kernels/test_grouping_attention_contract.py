"""The contract itself: shapes, ties, empty groups, and PyTorch's op against the float64 reference."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import groupvit_kernels
from groupvit_kernels import grouping_attention_torch


def inputs(seed: int, batch: int, groups: int, length: int, channels: int) -> tuple[np.ndarray, ...]:
    random = np.random.default_rng(seed)
    return (
        random.normal(size=(batch, groups, channels)),
        random.normal(size=(batch, length, channels)),
        random.normal(size=(batch, groups)),
    )


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    batch=st.integers(1, 3),
    groups=st.integers(1, 17),
    length=st.integers(1, 40),
    channels=st.integers(1, 24),
)
def test_torch_op_equals_the_reference_in_float64(
    seed: int, batch: int, groups: int, length: int, channels: int
) -> None:
    arrays = inputs(seed, batch, groups, length, channels)
    expected = groupvit_kernels.grouping_attention(*arrays, eps=1.0)
    means, soft, index, count = grouping_attention_torch.grouping_attention(
        *map(torch.from_numpy, arrays), 1.0
    )
    np.testing.assert_allclose(means, expected.means, atol=1e-12)
    np.testing.assert_allclose(soft, expected.soft, atol=1e-12)
    np.testing.assert_array_equal(index, expected.index)
    np.testing.assert_array_equal(count, expected.count)
    assert count.sum() == batch * length


def test_reference_equals_a_plain_loop() -> None:
    query, tokens, bias = inputs(0, 2, 3, 5, 4)
    got = groupvit_kernels.grouping_attention(query, tokens, bias, eps=1.0)
    for b in range(2):
        members: list[list[int]] = [[], [], []]
        for n in range(5):
            logits = [float(query[b, g] @ tokens[b, n] + bias[b, g]) for g in range(3)]
            best = max(range(3), key=lambda g: (logits[g], -g))
            members[best].append(n)
            assert got.index[b, n] == best
            total = sum(np.exp(logits))
            np.testing.assert_allclose(got.soft[b, :, n], np.exp(logits) / total)
        for g in range(3):
            mean = sum((tokens[b, n] for n in members[g]), np.zeros(4)) / (len(members[g]) + 1.0)
            np.testing.assert_allclose(got.means[b, g], mean, atol=1e-15)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_ties_go_to_the_lowest_index(dtype: torch.dtype) -> None:
    query = torch.ones(1, 4, 2, dtype=dtype)
    tokens = torch.ones(1, 3, 2, dtype=dtype)
    bias = torch.tensor([[0.0, 1.0, 1.0, 1.0]], dtype=dtype)
    means, _, index, count = grouping_attention_torch.grouping_attention(query, tokens, bias, 1.0)
    assert index.tolist() == [[1, 1, 1]]
    assert count.tolist() == [[0.0, 3.0, 0.0, 0.0]]
    assert means[0, 0].tolist() == [0.0, 0.0], "an empty group is exactly zero"
    torch.testing.assert_close(means[0, 1], torch.full((2,), 0.75, dtype=means.dtype))


def test_half_inputs_decide_on_float32_logits() -> None:
    # 2049 is not a float16: a logit rounded to half precision would tie and pick group 0.
    query = torch.tensor([[[2048.0, 0.0], [2048.0, 1.0]]], dtype=torch.float16)
    tokens = torch.ones(1, 1, 2, dtype=torch.float16)
    bias = torch.zeros(1, 2, dtype=torch.float16)
    means, soft, index, count = grouping_attention_torch.grouping_attention(query, tokens, bias, 1.0)
    assert index.item() == 1
    assert {means.dtype, soft.dtype, count.dtype} == {torch.float32}


def test_the_fake_describes_the_op() -> None:
    arrays = [torch.from_numpy(x).float() for x in inputs(0, 2, 3, 5, 4)]
    torch.library.opcheck(grouping_attention_torch.grouping_attention, (*arrays, 1.0))


@pytest.mark.parametrize(
    ("shapes", "eps"),
    [
        (((1, 2, 3), (1, 4, 5), (1, 2)), 1.0),
        (((1, 2, 3), (2, 4, 3), (1, 2)), 1.0),
        (((1, 2, 3), (1, 4, 3), (1, 3)), 1.0),
        (((2, 3), (1, 4, 3), (1, 2)), 1.0),
        (((1, 0, 3), (1, 4, 3), (1, 0)), 1.0),
        (((1, 2, 3), (1, 4, 3), (1, 2)), 0.0),
    ],
)
def test_broken_shapes_are_refused(shapes: tuple[tuple[int, ...], ...], eps: float) -> None:
    with pytest.raises(ValueError, match=r"\[B, G, C\]|differ|at least 1|positive"):
        groupvit_kernels.grouping_attention(*(np.zeros(shape) for shape in shapes), eps=eps)
