"""The kernels' own code, run on the CPU block by block, against the contract in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from groupvit_export.verification.checks.grouping_attention import compare_operator, operator_cases
from groupvit_kernels import grouping_attention

DTYPES = ("float32", "float16", "bfloat16")
OUTPUTS = ("means", "soft", "index", "count")

EPSILON = 2.0**-24
"""Half the distance of float32 numbers around 1."""


def stored(array: Any, dtype: str) -> NDArray[Any]:
    """The elements as they lie in memory; bfloat16 by its bits, cut off rather than rounded."""
    if dtype == "bfloat16":
        return (np.asarray(array, np.float32).view(np.uint32) >> 16).astype(np.uint16)
    return np.asarray(array).astype(dtype)


def worth(array: NDArray[Any], dtype: str) -> NDArray[np.float64]:
    """What stored elements stand for."""
    if dtype == "bfloat16":
        return (array.astype(np.uint32) << 16).view(np.float32).astype(np.float64)
    return array.astype(np.float64)


def drawn(seed: int, batch: int, groups: int, length: int, channels: int, dtype: str) -> list[NDArray[Any]]:
    """Stored query, tokens and bias with logits of about one."""
    random = np.random.default_rng(seed)
    shapes = ((batch, groups, channels), (batch, length, channels), (batch, groups))
    query, tokens, bias = (random.normal(size=shape) for shape in shapes)
    return [stored(array, dtype) for array in (query / np.sqrt(channels), tokens, bias)]


def assert_holds(got: Any, arrays: list[NDArray[Any]], dtype: str, eps: float = 1.0) -> None:
    """Hold outputs against float64, with the bounds that float32 sums of n terms have."""
    query, tokens, bias = (worth(array, dtype) for array in arrays)
    channels, length = query.shape[2], tokens.shape[1]
    logits = query @ tokens.transpose(0, 2, 1) + bias[:, :, None]
    size = np.abs(query) @ np.abs(tokens).transpose(0, 2, 1) + np.abs(bias)[:, :, None]
    bound = (channels + 1) * EPSILON * size.max(axis=1)

    # Nobody is decided for whom another group leads by more than both logits can be off.
    chosen = np.take_along_axis(logits, got.index[:, None, :], axis=1)[:, 0]
    assert (logits.max(axis=1) - chosen <= 2 * bound).all()

    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    soft = shifted / shifted.sum(axis=1, keepdims=True)
    assert (np.abs(got.soft - soft) <= 2 * bound[:, None, :] + 1e-6).all()

    hard = (got.index[:, None, :] == np.arange(query.shape[1])[None, :, None]).astype(np.float64)
    count = hard.sum(axis=2)
    np.testing.assert_array_equal(got.count, count)
    means = (hard @ tokens) / (count + eps)[:, :, None]
    terms = (hard @ np.abs(tokens)) / (count + eps)[:, :, None]
    assert (np.abs(got.means - means) <= (length + 4) * EPSILON * terms + 1e-45).all()
    assert (got.means[count == 0] == 0).all(), "an empty group is exactly zero"


def assert_same_bits(left: Any, right: Any) -> None:
    for name in OUTPUTS:
        assert getattr(left, name).tobytes() == getattr(right, name).tobytes(), name


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("batch", "groups", "length", "channels"),
    [
        (2, 64, 196, 384),
        (2, 8, 64, 384),
        (1, 128, 33, 1024),
        (3, 1, 1, 16),
        (1, 65, 2049, 48),
        (1, 32, 31, 144),
    ],
)
def test_a_grid_of_sizes(
    emulation: Any, dtype: str, batch: int, groups: int, length: int, channels: int
) -> None:
    arrays = drawn(0, batch, groups, length, channels, dtype)
    got = emulation(*arrays, dtype=dtype)
    assert got.status == 0
    assert_holds(got, arrays, dtype)


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    batch=st.integers(1, 3),
    groups=st.integers(1, 128),
    length=st.integers(1, 100),
    sixteens=st.integers(1, 6),
    dtype=st.sampled_from(DTYPES),
    eps=st.sampled_from([1.0, 0.25, 1e-6]),
)
def test_odd_sizes(
    emulation: Any, seed: int, batch: int, groups: int, length: int, sixteens: int, dtype: str, eps: float
) -> None:
    arrays = drawn(seed, batch, groups, length, 16 * sixteens, dtype)
    got = emulation(*arrays, dtype=dtype, eps=eps)
    assert got.status == 0
    assert_holds(got, arrays, dtype, eps)


@pytest.mark.parametrize(
    ("groups", "length", "channels"), [(64, 196, 96), (8, 70, 48), (2, 33, 16), (1, 5, 16)]
)
@pytest.mark.parametrize("number", range(5))
def test_inputs_that_no_image_gives(
    emulation: Any, groups: int, length: int, channels: int, number: int
) -> None:
    case = operator_cases(groups, length, channels)[number]
    got = emulation(case.query, case.tokens, case.bias, dtype="float32")
    size = float(
        (np.abs(case.query) @ np.abs(case.tokens).transpose(0, 2, 1)).max() + np.abs(case.bias).max()
    )
    budget = (channels + 1) * EPSILON * size
    figures = compare_operator(case, {name: getattr(got, name) for name in OUTPUTS}, 1.0, budget)
    assert figures.safe_flips == ()
    assert figures.count_error[0] == 0
    assert figures.means_error[0] <= 1e-5
    assert figures.soft_error[0] <= 2 * budget + 1e-6
    if case.exact:
        truth = grouping_attention(case.query, case.tokens, case.bias)
        np.testing.assert_array_equal(got.index, truth.index)


@pytest.mark.parametrize("dtype", DTYPES)
@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), groups=st.integers(1, 128), length=st.integers(1, 70))
def test_exact_ties_go_to_the_lowest_group(
    emulation: Any, dtype: str, seed: int, groups: int, length: int
) -> None:
    random = np.random.default_rng(seed)
    shapes = ((2, groups, 16), (2, length, 16), (2, groups))
    arrays = [stored(random.integers(-1, 2, shape) * (np.arange(shape[-1]) < 3), dtype) for shape in shapes]
    got = emulation(*arrays, dtype=dtype)
    truth = grouping_attention(*(worth(array, dtype) for array in arrays))
    np.testing.assert_array_equal(got.index, truth.index)
    np.testing.assert_array_equal(got.count, truth.count)
    np.testing.assert_allclose(got.means, truth.means, rtol=2e-7, atol=0)
    np.testing.assert_allclose(got.soft, truth.soft, rtol=2e-6, atol=0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("groups", [1, 2, 5, 40, 128])
@pytest.mark.parametrize("pattern", ["some -inf", "all -inf", "one +inf", "many +inf", "both"])
def test_infinite_logits(emulation: Any, dtype: str, groups: int, pattern: str) -> None:
    query, tokens, _ = drawn(1, 2, groups, 37, 32, dtype)
    bias = np.zeros((2, groups))
    if pattern in ("some -inf", "both"):
        bias[:, ::2] = -np.inf
    if pattern == "all -inf":
        bias[:] = -np.inf
    if pattern in ("one +inf", "both"):
        bias[:, -1] = np.inf
    if pattern == "many +inf":
        bias[:, groups // 2 :] = np.inf
    arrays = [query, tokens, stored(bias, dtype)]
    got = emulation(*arrays, dtype=dtype)
    with np.errstate(invalid="ignore"):
        truth = grouping_attention(*(worth(array, dtype) for array in arrays))
    np.testing.assert_array_equal(got.index, truth.index)
    np.testing.assert_array_equal(got.count, truth.count)
    np.testing.assert_allclose(got.soft, truth.soft, atol=1e-6)
    np.testing.assert_allclose(got.means, truth.means, atol=1e-5)


@pytest.mark.parametrize("dtype", DTYPES)
def test_subnormal_numbers_decide(emulation: Any, dtype: str) -> None:
    # Tokens of the smallest number there is, and queries that tell groups apart by it alone.
    smallest = {"float32": 1e-45, "float16": 6e-8, "bfloat16": 9.2e-41}[dtype]
    query = np.zeros((1, 3, 16))
    query[0, 1:, 0] = [1.0, 2.0]
    tokens = np.zeros((1, 40, 16))
    tokens[..., 0] = smallest
    arrays = [stored(array, dtype) for array in (query, tokens, np.zeros((1, 3)))]
    assert worth(arrays[1], dtype).max() > 0
    got = emulation(*arrays, dtype=dtype)
    assert (got.index == 2).all()
    truth = grouping_attention(*(worth(array, dtype) for array in arrays))
    np.testing.assert_allclose(got.means, truth.means, rtol=1e-6, atol=1e-45)
    assert got.means[0, 2, 0] > 0


def test_the_softmax_may_end_in_subnormal_numbers(emulation: Any) -> None:
    query = np.zeros((1, 2, 16), np.float32)
    query[0, 1, 0] = -100.0
    tokens = np.ones((1, 3, 16), np.float32)
    got = emulation(query, tokens, np.zeros((1, 2), np.float32), dtype="float32")
    np.testing.assert_allclose(got.soft[0, 1], np.exp(-100.0), rtol=0, atol=1.5e-45)
    assert (got.soft[0, 1] > 0).all()


def test_huge_logits(emulation: Any) -> None:
    random = np.random.default_rng(0)
    query = (random.normal(size=(1, 20, 32)) * 1e18).astype(np.float32)
    tokens = (random.normal(size=(1, 40, 32)) * 1e18).astype(np.float32)
    got = emulation(query, tokens, np.zeros((1, 20), np.float32), dtype="float32")
    truth = grouping_attention(query, tokens, np.zeros((1, 20)))
    np.testing.assert_array_equal(got.index, truth.index)
    np.testing.assert_array_equal(got.soft, truth.soft)


def test_every_half_precision_number_is_read_exactly(emulation: Any) -> None:
    # One group, so that a mean of one token is that token; NaN is outside of the contract.
    for dtype, exponent in (("float16", 0x7C00), ("bfloat16", 0x7F80)):
        bits = np.arange(0x10000, dtype=np.uint32).astype(np.uint16)
        bits = bits[(bits & exponent) != exponent]
        tokens = np.resize(bits, (-(-bits.size // 1024), 1, 1024))
        nothing = np.zeros((len(tokens), 1, 1024), np.uint16)
        got = emulation(nothing, tokens, nothing[:, :, 0], dtype=dtype, eps=1e-30)
        wanted = tokens.view(np.float16) if dtype == "float16" else worth(tokens, dtype)
        np.testing.assert_array_equal(got.means, wanted.astype(np.float32))


@pytest.mark.parametrize("dtype", DTYPES)
def test_nan_stays_within_memory(emulation: Any, dtype: str) -> None:
    query, tokens, bias = (np.full(shape, np.nan) for shape in ((1, 5, 16), (1, 9, 16), (1, 5)))
    arrays = [stored(array, dtype) for array in (query, tokens, bias)]
    got = emulation(*arrays, dtype=dtype)
    assert ((got.index >= 0) & (got.index < 5)).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_one_group_takes_the_longest_sequence(emulation: Any, dtype: str) -> None:
    tokens = stored(np.ones((1, 16384, 16)), dtype)
    nothing = stored(np.zeros((1, 2, 16)), dtype)
    got = emulation(nothing, tokens, stored(np.array([[0.0, 1.0]]), dtype), dtype=dtype)
    assert got.count.tolist() == [[0.0, 16384.0]]
    np.testing.assert_array_equal(got.means[0, 0], 0.0)
    np.testing.assert_array_equal(got.means[0, 1], np.float32(16384.0 / 16385.0))


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_image_does_not_depend_on_its_batch(emulation: Any, dtype: str) -> None:
    query, tokens, bias = drawn(2, 3, 17, 75, 48, dtype)
    whole = emulation(query, tokens, bias, dtype=dtype)
    for image in range(3):
        part = slice(image, image + 1)
        alone = emulation(query[part], tokens[part], bias[part], dtype=dtype)
        for name in OUTPUTS:
            assert getattr(alone, name).tobytes() == getattr(whole, name)[part].tobytes(), name


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("groups", "length"), [(20, 75), (50, 2100), (100, 40)])
def test_threads_read_nothing_that_others_write_in_the_same_phase(
    emulation: Any, dtype: str, groups: int, length: int
) -> None:
    arrays = drawn(3, 1, groups, length, 48, dtype)
    assert_same_bits(emulation(*arrays, dtype=dtype), emulation(*arrays, dtype=dtype, backwards=True))


def views(array: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """The same values, laid out in other ways."""
    padded = np.zeros((*array.shape[:-1], array.shape[-1] + 3), array.dtype)
    padded[..., : array.shape[-1]] = array
    apart = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
    apart[..., ::2] = array
    images = np.zeros((len(array), array[0].size + 1), array.dtype)
    images[:, :-1] = array.reshape(len(array), -1)
    return {
        "columns first": np.asfortranarray(array),
        "padded rows": padded[..., : array.shape[-1]],
        "images apart": images[:, :-1].reshape(array.shape),
        "every second element": apart[..., ::2],
        "reversed": np.ascontiguousarray(array[::-1, ::-1])[::-1, ::-1],
    }


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize(
    "layout", ["columns first", "padded rows", "images apart", "every second element", "reversed"]
)
def test_strides_change_nothing(emulation: Any, dtype: str, batch: int, layout: str) -> None:
    arrays = drawn(4, batch, 19, 45, 48, dtype)
    expected = emulation(*arrays, dtype=dtype)
    assert_same_bits(expected, emulation(*(views(array)[layout] for array in arrays), dtype=dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_alignment_changes_nothing(emulation: Any, dtype: str) -> None:
    arrays = drawn(5, 2, 19, 45, 48, dtype)
    expected = emulation(*arrays, dtype=dtype)
    for shift in (1, 2, 7, 8):
        assert_same_bits(expected, emulation(*arrays, dtype=dtype, shift=shift))


def test_a_stride_of_zero_repeats_a_image(emulation: Any) -> None:
    query, tokens, bias = drawn(6, 1, 6, 40, 32, "float32")
    got = emulation(*(np.broadcast_to(x, (3, *x.shape[1:])) for x in (query, tokens, bias)), dtype="float32")
    once = emulation(query, tokens, bias, dtype="float32")
    for name in OUTPUTS:
        np.testing.assert_array_equal(getattr(got, name), np.repeat(getattr(once, name), 3, axis=0))
