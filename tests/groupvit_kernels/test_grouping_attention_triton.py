"""The Triton kernels against the float64 reference: interpreted, or on a GPU where there is one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from interpreted import DEVICE, poisoned, prepare

import groupvit_kernels
from groupvit_kernels.grouping_attention_variants import CHANNEL_MULTIPLE, Variant, choose_variant

triton_launch = pytest.importorskip(
    "groupvit_kernels.grouping_attention_triton_launch", reason="Triton is not installed"
)

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
VARIANTS = ("two_pass", "fused")


@pytest.fixture(autouse=True)
def interpreter() -> None:
    prepare()


@pytest.fixture(autouse=True)
def poison(monkeypatch: pytest.MonkeyPatch) -> None:
    """Outputs are full of NaN before the kernels write them."""
    genuine = triton_launch.empty_outputs
    monkeypatch.setattr(
        triton_launch, "empty_outputs", lambda *given: tuple(poisoned(t) for t in genuine(*given))
    )


def variant(name: str, groups: int, block_n: int = 32, block_c: int = 32) -> Variant:
    return Variant(name, max(16, 1 << (groups - 1).bit_length()), block_n, block_c, num_warps=4, num_stages=2)


def random_inputs(
    seed: int, batch: int, groups: int, length: int, channels: int, dtype: torch.dtype
) -> tuple[torch.Tensor, ...]:
    random = np.random.default_rng(seed)
    shapes = ((batch, groups, channels), (batch, length, channels), (batch, groups))
    # Logits of about unit size, as the model's are.
    scales = (channels**-0.5, 1.0, 1.0)
    return tuple(
        torch.from_numpy(random.normal(size=shape) * scale).to(DEVICE, dtype)
        for shape, scale in zip(shapes, scales, strict=True)
    )


def check(inputs: tuple[torch.Tensor, ...], name: str | None, eps: float = 1.0) -> tuple[torch.Tensor, ...]:
    """Run and compare; a token may be in another group only where float32 cannot tell the two apart."""
    query, tokens, bias = inputs
    chosen = None if name is None else variant(name, query.shape[1])
    means, soft, index, count = triton_launch.forward(query, tokens, bias, eps, variant=chosen)
    wide = [t.detach().cpu().double().numpy() for t in inputs]
    truth = groupvit_kernels.grouping_attention(*wide, eps=eps)
    np.testing.assert_allclose(soft.cpu(), truth.soft, atol=2e-5)
    found = index.cpu().numpy()
    assert found.min(initial=0) >= 0 and found.max(initial=0) < query.shape[1]
    logits = wide[0] @ wide[1].transpose(0, 2, 1) + wide[2][:, :, None]
    best = np.take_along_axis(logits, truth.index[:, None], 1)
    chosen_logit = np.take_along_axis(logits, found[:, None], 1)
    size = 1 + np.abs(wide[0]).max(initial=0) * np.abs(wide[1]).sum(-1).max(initial=0)
    assert (best - chosen_logit <= 2e-6 * size).all(), "a token is in a group that is clearly worse"
    hard = (found[:, None] == np.arange(query.shape[1])[None, :, None]).astype(np.float64)
    np.testing.assert_array_equal(count.cpu(), hard.sum(2))
    expected = (hard @ wide[1]) / (hard.sum(2) + eps)[:, :, None]
    np.testing.assert_allclose(means.cpu(), expected, rtol=2e-5, atol=2e-5)
    return means, soft, index, count


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize(
    ("groups", "length", "channels"),
    [
        *[(1, 1, 16), (7, 33, 48), (17, 31, 32), (128, 40, 16)],
        *[pytest.param(*sizes, marks=pytest.mark.slow) for sizes in [(8, 64, 384), (64, 196, 48)]],
    ],
)
def test_shapes_of_the_model_and_around_them(dtype, name, groups, length, channels) -> None:
    check(random_inputs(0, 2, groups, length, channels, DTYPES[dtype]), name)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("groups", [1, 2, 7, 8, 16, 17, 64, 128])
@pytest.mark.parametrize("length", [1, 31, 32, 33, 196])
@pytest.mark.parametrize("channels", [16, 48, 384])
def test_the_grid(dtype: str, name: str, groups: int, length: int, channels: int) -> None:
    check(random_inputs(0, 2, groups, length, channels, DTYPES[dtype]), name)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_most_tokens(dtype: str) -> None:
    check(random_inputs(0, 1, 8, 16_384, 16, DTYPES[dtype]), None)


@pytest.mark.slow
@settings(max_examples=30)
@given(
    seed=st.integers(0, 2**32 - 1),
    dtype=st.sampled_from(sorted(DTYPES)),
    name=st.sampled_from([None, *VARIANTS]),
    batch=st.integers(0, 4),
    groups=st.integers(1, 128),
    length=st.integers(1, 130),
    channels=st.integers(1, 9).map(lambda n: n * CHANNEL_MULTIPLE),
    eps=st.sampled_from([1e-3, 1.0, 7.5]),
)
def test_odd_shapes(seed, dtype, name, batch, groups, length, channels, eps) -> None:
    prepare()
    check(random_inputs(seed, batch, groups, length, channels, DTYPES[dtype]), name, eps)


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_exact_ties_go_to_the_lowest_index(name: str, dtype: str) -> None:
    random = np.random.default_rng(0)
    # Small integers: every product and sum is exact, and many logits are equal.
    query = random.integers(-1, 2, (2, 24, 32)).astype(np.float32)
    tokens = random.integers(-1, 2, (2, 70, 32)).astype(np.float32)
    query[:, 12:] = query[:, :12]
    bias = np.zeros((2, 24), np.float32)
    inputs = tuple(torch.from_numpy(a).to(DEVICE, DTYPES[dtype]) for a in (query, tokens, bias))
    _, _, index, _ = check(inputs, name)
    expected = groupvit_kernels.grouping_attention(query, tokens, bias).index
    np.testing.assert_array_equal(index.cpu(), expected)
    assert index.max() < 12


@pytest.mark.parametrize("name", VARIANTS)
def test_all_tokens_in_one_group_and_the_others_exactly_zero(name: str) -> None:
    query, tokens, bias = random_inputs(1, 2, 9, 50, 32, torch.float32)
    bias[:, 5] = 1e4
    means, _, index, count = check((query, tokens, bias), name)
    assert (index == 5).all() and (count[:, 5] == 50).all()
    others = [g for g in range(9) if g != 5]
    assert (means[:, others] == 0).all() and not torch.signbit(means[:, others]).any()


@pytest.mark.parametrize("name", VARIANTS)
def test_minus_infinity_never_wins_and_has_no_share(name: str) -> None:
    query, tokens, bias = random_inputs(2, 1, 6, 40, 16, torch.float32)
    bias[:, 0] = bias[:, 3] = float("-inf")
    _, soft, index, count = triton_launch.forward(query, tokens, bias, 1.0, variant=variant(name, 6))
    assert (soft[:, [0, 3]] == 0).all() and torch.isfinite(soft).all()
    assert not ((index == 0) | (index == 3)).any() and (count[:, [0, 3]] == 0).all()


@pytest.mark.parametrize("name", VARIANTS)
def test_an_infinite_logit_wins_at_the_lowest_index(name: str) -> None:
    query, tokens, bias = random_inputs(3, 1, 6, 40, 16, torch.float32)
    bias[:, 2] = bias[:, 4] = float("inf")
    _, _, index, count = triton_launch.forward(query, tokens, bias, 1.0, variant=variant(name, 6))
    assert (index == 2).all() and count[0].tolist() == [0, 0, 40, 0, 0, 0]


@pytest.mark.parametrize("name", VARIANTS)
def test_huge_logits_and_denormals(name: str) -> None:
    query, tokens, bias = random_inputs(4, 1, 8, 40, 16, torch.float32)
    check((query * 3e3, tokens, bias), name)
    tiny = torch.full_like(tokens, 1e-41)
    means, *_ = triton_launch.forward(query, tiny, bias, 1.0, variant=variant(name, 8))
    assert torch.isfinite(means).all() and means.max() > 0


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", VARIANTS)
def test_strides_do_not_matter(name: str, dtype: str) -> None:
    query, tokens, bias = random_inputs(5, 2, 8, 40, 32, DTYPES[dtype])
    expected = triton_launch.forward(query, tokens, bias, 1.0, variant=variant(name, 8))
    transposed = tokens.transpose(1, 2).contiguous().transpose(1, 2)
    part = torch.cat([query, query], dim=2)[:, :, :32]
    every_other = torch.stack([bias, bias], dim=2)[:, :, 0]
    assert not (transposed.is_contiguous() or part.is_contiguous() or every_other.is_contiguous())
    found = triton_launch.forward(part, transposed, every_other, 1.0, variant=variant(name, 8))
    for a, b in zip(found, expected, strict=True):
        assert torch.equal(a, b)
    expanded = query[:1].expand(2, -1, -1)
    check((expanded, tokens, bias), name)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", VARIANTS)
def test_runs_and_batches_give_the_same_bits(name: str, dtype: str) -> None:
    inputs = random_inputs(6, 5, 17, 70, 48, DTYPES[dtype])
    first = triton_launch.forward(*inputs, 1.0, variant=variant(name, 17))
    again = triton_launch.forward(*inputs, 1.0, variant=variant(name, 17))
    for a, b in zip(first, again, strict=True):
        assert torch.equal(a, b)
    for image in range(5):
        alone = triton_launch.forward(*(t[image : image + 1] for t in inputs), 1.0, variant=variant(name, 17))
        for a, b in zip(alone, first, strict=True):
            assert torch.equal(a[0], b[image])


@pytest.mark.parametrize(
    ("groups", "length", "channels", "dtype", "expected"),
    [(8, 64, 384, "bf16", "fused"), (64, 196, 384, "bf16", "two_pass"), (64, 784, 384, "fp32", "two_pass")],
)
def test_what_runs_is_what_the_table_says(monkeypatch, groups, length, channels, dtype, expected) -> None:
    ran: list[str] = []

    class Spy:
        def __init__(self, name: str) -> None:
            self.name = name

        def __getitem__(self, grid):
            return lambda *given, **options: ran.append(self.name)

    for name in ("assign", "group_mean", "fused"):
        monkeypatch.setattr(triton_launch.grouping_attention_triton, name, Spy(name))
    inputs = random_inputs(0, 1, groups, length, channels, DTYPES[dtype])
    assert choose_variant(groups, length, channels, dtype, 90).name == expected
    triton_launch.forward(*inputs, 1.0)
    assert ran == {"fused": ["fused"], "two_pass": ["assign", "group_mean"]}[expected]


def test_the_form_for_compilers_computes_the_same() -> None:
    from groupvit_kernels import grouping_attention_triton_op

    inputs = random_inputs(7, 2, 8, 40, 32, torch.float32)
    expected = triton_launch.forward(*inputs, 1.0)
    for a, b in zip(grouping_attention_triton_op.grouping_attention(*inputs, 1.0), expected, strict=True):
        assert torch.equal(a, b)


def test_shapes_that_break_the_contract_are_refused() -> None:
    query, tokens, bias = random_inputs(0, 2, 8, 40, 32, torch.float32)
    with pytest.raises(ValueError, match="differ between the inputs"):
        triton_launch.forward(query, tokens[:1], bias, 1.0)
    with pytest.raises(ValueError, match="multiples of 16"):
        triton_launch.forward(query[:, :, :24], tokens[:, :, :24], bias, 1.0)
