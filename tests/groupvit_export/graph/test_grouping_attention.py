"""The deployable assignment against the reference's, in float64: the same mathematics, other order."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from groupvit_export.graph.grouping_attention import RegroupedAssign
from groupvit_export.graph.passes.fold_projections import FoldedAssign
from groupvit_export.model.config import GroupViTVisionConfig
from groupvit_export.model.grouping import AssignAttention


def reference(eps: float = 1.0) -> AssignAttention:
    torch.manual_seed(3)
    config = GroupViTVisionConfig(hidden_size=24, num_attention_heads=2, assign_eps=eps)
    module = AssignAttention(config).double().eval()
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.3)
    return module


def forms(source: AssignAttention) -> dict[str, nn.Module]:
    return {"regrouped": RegroupedAssign(source), "folded": FoldedAssign(RegroupedAssign(source))}


@pytest.mark.parametrize("form", ["regrouped", "folded"])
@pytest.mark.parametrize("eps", [1.0, 0.25])
def test_it_computes_what_the_reference_computes(form: str, eps: float) -> None:
    source = reference(eps)
    query, tokens = torch.randn(3, 7, 24).double(), torch.randn(3, 31, 24).double()
    with torch.no_grad():
        expected, got = source(query, tokens), forms(source)[form](query, tokens)
    torch.testing.assert_close(got.features, expected.features, atol=1e-10, rtol=0)
    torch.testing.assert_close(got.soft, expected.soft, atol=1e-12, rtol=0)
    assert torch.equal(got.index, expected.index)


@pytest.mark.parametrize("form", ["regrouped", "folded"])
def test_an_empty_group_is_the_output_bias(form: str) -> None:
    source = reference()
    with torch.no_grad():
        # Every token agrees with group 0 by far.
        query = torch.zeros(1, 4, 24).double()
        query[:, 0] = 100 * torch.linalg.pinv(source.q_proj.weight) @ source.k_proj(torch.ones(24).double())
        got = forms(source)[form](query, torch.ones(1, 9, 24).double())
    assert got.index.unique().tolist() == [0]
    torch.testing.assert_close(got.features[0, 1], source.proj.bias, atol=1e-12, rtol=0)


@pytest.mark.parametrize("form", ["regrouped", "folded"])
def test_the_reference_is_copied_not_changed(form: str) -> None:
    source = reference()
    before = {name: value.clone() for name, value in source.state_dict().items()}
    with torch.no_grad():
        for parameter in forms(source)[form].parameters():
            parameter.zero_()
    for name, value in source.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_folding_saves_the_products() -> None:
    folded = FoldedAssign(RegroupedAssign(reference()))
    matrices = [p for p in folded.parameters() if p.ndim == 2 and min(p.shape) > 1]
    assert len(matrices) == 2


@pytest.mark.parametrize("form", ["regrouped", "folded"])
def test_it_refuses_to_be_forced(form: str) -> None:
    with pytest.raises(ValueError, match="cannot be forced"):
        forms(reference())[form](torch.zeros(1, 2, 24), torch.zeros(1, 3, 24), torch.zeros(1, 3).long())
