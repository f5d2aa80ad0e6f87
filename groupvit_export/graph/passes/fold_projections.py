"""Each pair of consecutive projections of the grouping attention multiplied into one matrix."""

from __future__ import annotations

from typing import Final, cast

import torch
from torch import Tensor, nn

from groupvit_export.graph.encoders import ImageEncoder
from groupvit_export.graph.grouping_attention import RegroupedAssign, call_grouping_attention
from groupvit_export.graph.linear import constant, linear
from groupvit_export.model.outputs import AssignmentResult

SUMMARY: Final = "k_proj folded into q_proj and v_proj into proj of the grouping attention; reassociates"


def apply(encoder: ImageEncoder) -> None:
    """Change `encoder` in place."""
    for block in encoder.grouping_blocks():
        block.add_module("assign", FoldedAssign(cast(RegroupedAssign, block.assign)))


class FoldedAssign(nn.Module):
    """`RegroupedAssign` with each pair of consecutive projections multiplied into one.

    The products are formed in float64 and rounded once.
    """

    def __init__(self, source: RegroupedAssign) -> None:
        super().__init__()
        self.eps = source.eps
        with torch.no_grad():
            dtype = source.to_query.weight.dtype
            query, query_bias = source.to_query.weight.double(), source.to_query.bias.double()
            to_tokens, to_bias = source.to_tokens.weight.double(), source.to_bias.double()
            value, value_bias = source.value.weight.double(), source.value_bias.double()
            output = source.output.weight.double()
            self.to_tokens = linear((to_tokens @ query).to(dtype), (to_tokens @ query_bias).to(dtype))
            self.to_bias = linear(
                (to_bias @ query).unsqueeze(0).to(dtype), (to_bias @ query_bias).unsqueeze(0).to(dtype)
            )
            self.output = linear((output @ value).to(dtype), source.output.bias)
            self.mass_bias = constant((output @ value_bias).to(dtype))

    def forward(self, query: Tensor, tokens: Tensor, forced: Tensor | None = None) -> AssignmentResult:
        """See `RegroupedAssign.forward`."""
        if forced is not None:
            raise ValueError("the deployable assignment cannot be forced; force the reference instead")
        means, soft, index, count = call_grouping_attention(
            self.to_tokens(query), tokens, self.to_bias(query).squeeze(-1), self.eps
        )
        mass = (count / (count + self.eps)).unsqueeze(-1)
        return AssignmentResult(features=self.output(means) + mass * self.mass_bias, soft=soft, index=index)
