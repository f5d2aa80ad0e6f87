"""The grouping block alone: who joins whom, and what a group gathers."""

from __future__ import annotations

import pytest
import torch

from groupvit_export.model.grouping import AssignAttention

modeling = pytest.importorskip("transformers.models.groupvit.modeling_groupvit")


@pytest.fixture
def make_assign(tiny):
    """An AssignAttention of width 4 whose logits are query · token / 2."""

    def make(**vision):
        config = tiny(vision={"hidden_size": 4, "num_attention_heads": 1, "assign_mlp_ratio": 1, **vision})
        block = AssignAttention(config.vision_config).eval()
        with torch.no_grad():
            for projection in (block.q_proj, block.k_proj):
                projection.weight.copy_(torch.eye(4))
                projection.bias.zero_()
        return block

    return make


def test_ties_go_to_the_lowest_group(make_assign):
    block = make_assign()
    query = torch.ones(1, 5, 4)
    with torch.no_grad():
        assert block(query, torch.randn(1, 7, 4)).index.tolist() == [[0] * 7]
        query[:, 3] += 1
        query[:, 4] += 1
        assert block(query, torch.ones(1, 7, 4)).index.tolist() == [[3] * 7]


def test_decides_on_logits_where_a_softmax_cannot_tell_them_apart(make_assign, tiny):
    """The one place where transformers may decide differently: a near-tie below the softmax's rounding."""
    block = make_assign()
    query = torch.zeros(1, 2, 4)
    query[0, 1, 0] = 2e-9
    tokens = torch.ones(1, 1, 4)
    with torch.no_grad():
        result = block(query, tokens)
        assert result.soft[0, 0, 0] == result.soft[0, 1, 0]
        assert result.index.item() == 1
        after_softmax = modeling.hard_softmax(block.logits(query, tokens), dim=-2)
    assert after_softmax[0, 0, 0] == 1


def test_group_is_a_shrunk_mean_and_an_empty_group_is_the_bias(make_assign):
    block = make_assign(assign_eps=1.0)
    torch.manual_seed(0)
    query, tokens = torch.randn(2, 3, 4), torch.randn(2, 5, 4)
    forced = torch.tensor([[0, 0, 0, 2, 0], [2, 2, 2, 2, 2]])
    with torch.no_grad():
        features = block(query, tokens, forced).features
        values = block.v_proj(tokens)
        expected = block.proj(values[0, [0, 1, 2, 4]].sum(dim=0) / (4 + 1.0))
    assert torch.equal(features[0, 1], block.proj.bias)
    assert torch.equal(features[1, 0], block.proj.bias)
    torch.testing.assert_close(features[0, 0], expected)


def test_forced_with_the_argmax_is_the_same_result(make_assign):
    block = make_assign()
    torch.manual_seed(0)
    query, tokens = torch.randn(2, 3, 4), torch.randn(2, 9, 4)
    with torch.no_grad():
        free = block(query, tokens)
        same = block(query, tokens, free.index)
        other = block(query, tokens, (free.index + 1) % 3)
    assert torch.equal(free.features, same.features)
    assert torch.equal(free.soft, same.soft) and torch.equal(free.soft, other.soft)
    assert not torch.allclose(free.features, other.features)
    assert torch.equal(other.index, (free.index + 1) % 3)


@pytest.mark.parametrize(
    ("forced", "message"),
    [
        (torch.zeros(2, 9), r"dtype torch.float32, expected torch.int64"),
        (torch.zeros(2, 9, dtype=torch.int32), r"dtype torch.int32, expected torch.int64"),
        (torch.zeros(2, 8, dtype=torch.int64), r"shape \[2, 8\], expected \[batch, tokens\] = \[2, 9\]"),
        (torch.zeros(1, 9, dtype=torch.int64), r"shape \[1, 9\]"),
        (torch.zeros(2, 9, 1, dtype=torch.int64), r"shape \[2, 9, 1\]"),
        (torch.full((2, 9), 3), r"groups from 3 to 3, expected 0 to 2"),
        (torch.full((2, 9), -1), r"groups from -1 to -1, expected 0 to 2"),
    ],
)
def test_forced_that_cannot_be_an_assignment_is_refused(forced, message, make_assign):
    with pytest.raises(ValueError, match=message):
        make_assign()(torch.randn(2, 3, 4), torch.randn(2, 9, 4), forced)


def test_evaluation_weights_are_exact(make_assign):
    """No `hard - soft + soft`: with an identity for values, one token's group gives back exactly half."""
    block = make_assign()
    with torch.no_grad():
        for projection in (block.v_proj, block.proj):
            projection.weight.copy_(torch.eye(4))
            projection.bias.zero_()
        tokens = torch.randn(1, 1, 4)
        features = block(torch.randn(1, 3, 4), tokens, torch.tensor([[1]])).features
    assert torch.equal(features[0, 1], tokens[0, 0] / 2)
    assert torch.equal(features[0, [0, 2]], torch.zeros(2, 4))


def test_training_forced_keeps_the_noise_and_reports_the_forced_index(make_assign):
    block = make_assign().double().train()
    query, tokens = torch.randn(1, 3, 4).double(), torch.randn(1, 6, 4).double()
    torch.manual_seed(3)
    free = block(query, tokens)
    torch.manual_seed(3)
    same = block(query, tokens, free.index)
    assert torch.equal(free.features, same.features)
    assert torch.equal(free.index, same.index)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_logits_are_float32_at_least(dtype, make_assign):
    block = make_assign().to(dtype)
    with torch.no_grad():
        result = block(torch.randn(1, 3, 4).to(dtype), torch.randn(1, 6, 4).to(dtype))
    assert result.soft.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert result.features.dtype == dtype
    assert result.index.dtype == torch.int64


def test_autocast_does_not_take_the_logits_back_to_half(make_assign):
    block = make_assign()
    query, tokens = torch.randn(1, 3, 4), torch.randn(1, 6, 4)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        logits = block.logits(query, tokens)
    rounded = query.bfloat16().float() @ tokens.bfloat16().float().mT / 2
    assert logits.dtype == torch.float32
    torch.testing.assert_close(logits, rounded)
