"""Counting against modules that were counted by hand."""

import pytest
import torch

from benchmarks.roofline import Ceiling, Work, bounds, count_work
from groupvit_kernels.grouping_attention_torch import grouping_attention


class Encoder(torch.nn.Module):
    """Patches of 2x2, then the grouping attention with as many groups as there are patches."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = torch.nn.Conv2d(3, 5, kernel_size=2, stride=2, bias=False)

    def forward(self, pixels):
        tokens = self.patches(pixels).flatten(2).transpose(1, 2)
        return grouping_attention(tokens, tokens, tokens[..., 0], 1.0)


@pytest.mark.parametrize("batch", [1, 8])
def test_products_convolutions_and_the_opaque_op_are_counted(batch):
    work = count_work(Encoder(), torch.zeros(batch, 3, 4, 6))
    tokens, channels = 2 * 3, 5
    products = tokens * channels * (3 * 2 * 2) + 2 * tokens * tokens * channels
    assert work.operations == 2 * batch * products
    outputs = 4 * (tokens * channels + tokens * tokens + tokens) + 8 * tokens
    assert work.bytes_moved == 4 * (batch * 3 * 4 * 6 + 5 * 3 * 2 * 2) + batch * outputs


def test_the_bound_is_the_longer_of_the_two():
    ceiling = Ceiling(operations_per_s=1e12, bytes_per_s=1e10)
    assert ceiling.bound_s(Work(10**9, 10**6)) == pytest.approx(1e-3)
    assert ceiling.bound_s(Work(10**9, 10**8)) == pytest.approx(1e-2)
    row = bounds(Work(10**9, 10**8), ceiling, {"ours-openvino": 20.0})
    assert (row["bound_ms"], row["bound_by"]) == (10.0, "memory")
    assert row["engines"]["ours-openvino"]["share_percent"] == 50.0
    # Rounded otherwise than the bound itself, these figures once came out as the other kind.
    found = bounds(Work(7_830_000_000, 124_000_000), Ceiling(0.2017e12, 38.71e9), {})
    assert found["bound_by"] == "arithmetic" and found["bound_ms"] == found["compute_ms"]
