"""Which kernels run for which shapes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groupvit_kernels.grouping_attention_variants import (
    DTYPES,
    MAX_CHANNELS,
    MAX_GROUPS,
    MAX_LENGTH,
    choose_variant,
)

GROUPS = st.integers(1, MAX_GROUPS)
LENGTHS = st.integers(1, MAX_LENGTH)
CHANNELS = st.integers(1, MAX_CHANNELS // 16).map(lambda n: 16 * n)


@given(GROUPS, LENGTHS, CHANNELS, st.sampled_from(DTYPES), st.sampled_from([0, 75, 80, 86, 89, 90, 100, 120]))
def test_every_problem_within_the_limits_has_a_variant(groups, length, channels, dtype, arch) -> None:
    variant = choose_variant(groups, length, channels, dtype, arch)
    assert variant.name in ("fused", "two_pass")
    assert variant.groups >= max(groups, 16) and variant.groups & (variant.groups - 1) == 0
    assert variant == choose_variant(groups, length, channels, dtype, arch)


@pytest.mark.parametrize(
    ("problem", "complaint"),
    [
        ((0, 64, 384, "fp16"), "1 to 128 groups; got 0"),
        ((129, 64, 384, "fp16"), "1 to 128 groups; got 129"),
        ((8, 0, 384, "fp16"), "1 to 16,384 tokens; got 0"),
        ((8, 16_385, 384, "fp16"), "1 to 16,384 tokens; got 16,385"),
        ((8, 64, 24, "fp16"), "multiples of 16 up to 1,024; got 24"),
        ((8, 64, 1040, "fp16"), "got 1040"),
        ((8, 64, 0, "fp16"), "got 0"),
        ((8, 64, 384, "torch.float64"), "fp32, fp16, bf16; got torch.float64"),
    ],
)
def test_what_is_outside_is_refused(problem, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        choose_variant(*problem, arch=90)
