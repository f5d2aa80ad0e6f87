"""The straight-through gradient: against autograd of its written-out form, and the kernels against it."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from interpreted import DEVICE, poisoned, prepare

from groupvit_kernels import grouping_attention_torch
from groupvit_kernels.grouping_attention_contract import check_inputs


def written_out(
    query: torch.Tensor, tokens: torch.Tensor, bias: torch.Tensor, eps: float
) -> tuple[torch.Tensor, ...]:
    """As transformers writes it: hard - soft.detach() + soft."""
    check_inputs(query, tokens, bias, eps)
    logits = query @ tokens.transpose(1, 2) + bias.unsqueeze(-1)
    soft = logits.softmax(dim=1)
    index = logits.argmax(dim=1)
    hard = torch.zeros_like(logits).scatter_(1, index.unsqueeze(1), 1.0)
    straight = hard - soft.detach() + soft
    count = straight.sum(dim=2)
    means = straight @ tokens / (count + eps).unsqueeze(-1)
    return means, soft, index, count


def leaves(
    seed: int, batch: int, groups: int, length: int, channels: int, dtype: torch.dtype
) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    shapes = ((batch, groups, channels), (batch, length, channels), (batch, groups))
    return tuple(
        torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype).requires_grad_()
        for shape in shapes
    )


def gradients(function, inputs, eps: float, seed: int) -> tuple[torch.Tensor, ...]:
    outputs = function(*inputs, eps)
    generator = torch.Generator().manual_seed(seed)
    loss = sum(
        (value * torch.randn(value.shape, generator=generator, dtype=torch.float64).to(value)).sum()
        for position, value in enumerate(outputs)
        if position != 2
    )
    return torch.autograd.grad(loss, inputs)


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**31),
    batch=st.integers(1, 3),
    groups=st.integers(1, 9),
    length=st.integers(1, 20),
    channels=st.integers(1, 12),
    eps=st.sampled_from([0.01, 1.0]),
)
def test_the_op_derives_as_it_is_written_out(seed, batch, groups, length, channels, eps) -> None:
    inputs = leaves(seed, batch, groups, length, channels, torch.float64)
    found = gradients(grouping_attention_torch.grouping_attention, inputs, eps, seed)
    expected = gradients(written_out, inputs, eps, seed)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


def test_the_assignment_has_no_gradient() -> None:
    _, _, index, _ = grouping_attention_torch.grouping_attention(*leaves(0, 1, 3, 5, 4, torch.float64), 1.0)
    assert not index.requires_grad


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_gradients_have_the_dtype_of_their_inputs(dtype: torch.dtype) -> None:
    inputs = leaves(0, 1, 3, 5, 4, dtype)
    for gradient, leaf in zip(
        gradients(grouping_attention_torch.grouping_attention, inputs, 1.0, 0), inputs, strict=True
    ):
        assert gradient.dtype == leaf.dtype and gradient.shape == leaf.shape


def test_the_backward_op_describes_itself() -> None:
    inputs = [leaf.detach() for leaf in leaves(0, 2, 3, 5, 4, torch.float32)]
    outputs = grouping_attention_torch.grouping_attention(*inputs, 1.0)
    given_gradients = [torch.ones_like(outputs[i]) for i in (0, 1, 3)]
    torch.library.opcheck(
        grouping_attention_torch.grouping_attention_backward, (*inputs[:2], *outputs, *given_gradients, 1.0)
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize(
    ("batch", "groups", "length", "channels"),
    [(1, 1, 1, 16), (2, 8, 64, 48), (2, 17, 33, 32), (1, 64, 196, 64), (1, 128, 40, 16)],
)
def test_the_kernels_derive_as_pytorch_does(dtype, batch, groups, length, channels, monkeypatch) -> None:
    triton_launch = pytest.importorskip(
        "groupvit_kernels.grouping_attention_triton_launch", reason="Triton is not installed"
    )
    prepare()
    query, tokens, bias = (
        leaf.detach().to(DEVICE) for leaf in leaves(3, batch, groups, length, channels, dtype)
    )
    outputs = grouping_attention_torch.plain_forward(query, tokens, bias, 1.0)
    generator = torch.Generator().manual_seed(4)
    slopes = tuple(torch.randn(outputs[i].shape, generator=generator).to(DEVICE) for i in (0, 1, 3))
    expected = grouping_attention_torch.plain_backward(
        query.double(), tokens.double(), widened(outputs), slopes_wide(slopes), 1.0
    )
    genuine = torch.Tensor.new_empty
    monkeypatch.setattr(torch.Tensor, "new_empty", lambda self, *a, **k: poisoned(genuine(self, *a, **k)))
    found = triton_launch.backward(query, tokens, outputs, slopes, 1.0)
    tolerance = {torch.float32: 2e-5, torch.float16: 2e-3, torch.bfloat16: 2e-2}[dtype]
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == dtype
        scale = max(1.0, float(b.abs().max()))
        torch.testing.assert_close(a.double().cpu(), b.cpu(), rtol=tolerance, atol=tolerance * scale)
    again = triton_launch.backward(query, tokens, outputs, slopes, 1.0)
    assert all(torch.equal(a, b) for a, b in zip(found, again, strict=True))


def widened(outputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    means, soft, index, count = outputs
    return means.double(), soft.double(), index, count.double()


def slopes_wide(slopes: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    return tuple(slope.double() for slope in slopes)


def test_strides_of_gradients_do_not_matter() -> None:
    triton_launch = pytest.importorskip(
        "groupvit_kernels.grouping_attention_triton_launch", reason="Triton is not installed"
    )
    prepare()
    query, tokens, bias = (leaf.detach().to(DEVICE) for leaf in leaves(5, 2, 8, 40, 32, torch.float32))
    outputs = grouping_attention_torch.plain_forward(query, tokens, bias, 1.0)
    slopes = tuple(torch.ones_like(outputs[i]) for i in (0, 1, 3))
    expected = triton_launch.backward(query, tokens, outputs, slopes, 1.0)
    expanded = tuple(torch.ones(1, device=DEVICE).expand(slope.shape) for slope in slopes)
    transposed = tokens.transpose(1, 2).contiguous().transpose(1, 2)
    for a, b in zip(triton_launch.backward(query, transposed, outputs, expanded, 1.0), expected, strict=True):
        assert torch.equal(a, b)
