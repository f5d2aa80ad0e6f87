"""The assignment of a grouping block in the form that the grouping-attention op computes.

Projections of tokens are linear, so they commute with the sums over a group's tokens. Written on
the group side they touch G rows instead of N, and the op reads the tokens once:

    q . (Wk x + bk)                 = (Wk^T q) . x + q . bk
    sum_n w_n (Wv x_n + bv)         = Wv (sum_n w_n x_n) + (sum_n w_n) bv,  sum_n w_n = count / (count + eps)

The sums are taken in another order than in the reference, so results differ in the last bits.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from groupvit_export.graph.linear import constant, linear
from groupvit_export.model.grouping import AssignAttention
from groupvit_export.model.outputs import AssignmentResult
from groupvit_kernels import grouping_attention_torch
from groupvit_kernels.grouping_attention_contract import DOMAIN, OP_NAME, OPSET_VERSION


class RegroupedAssign(nn.Module):
    """Drop-in for `AssignAttention` in evaluation, with the projections on the group side.

    Args:
        source: the reference module, whose parameters are copied.
    """

    def __init__(self, source: AssignAttention) -> None:
        super().__init__()
        self.eps = float(source.assign_eps)
        with torch.no_grad():
            scale = float(source.scale)
            self.to_query = linear(source.q_proj.weight * scale, source.q_proj.bias * scale)
            self.to_tokens = linear(source.k_proj.weight.T, None)
            self.to_bias = constant(source.k_proj.bias)
            self.value = linear(source.v_proj.weight, None)
            self.value_bias = constant(source.v_proj.bias)
            self.output = linear(source.proj.weight, source.proj.bias)

    def forward(self, query: Tensor, tokens: Tensor, forced: Tensor | None = None) -> AssignmentResult:
        """See `AssignAttention.forward`; `forced` is not for deployment.

        Args:
            query: [B, G, C].
            tokens: [B, N, C].

        Raises:
            ValueError: `forced` is given.
        """
        if forced is not None:
            raise ValueError("the deployable assignment cannot be forced; force the reference instead")
        projected = self.to_query(query)
        means, soft, index, count = call_grouping_attention(
            self.to_tokens(projected), tokens, projected @ self.to_bias, self.eps
        )
        mass = (count / (count + self.eps)).unsqueeze(-1)
        features = self.output(self.value(means) + mass * self.value_bias)
        return AssignmentResult(features=features, soft=soft, index=index)


def call_grouping_attention(
    query: Tensor, tokens: Tensor, bias: Tensor, eps: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The op in PyTorch, and one node `groupvit::GroupingAttention` where a graph is captured.

    Args:
        query: [B, G, C].
        tokens: [B, N, C].
        bias: [B, G].
        eps: added to the number of a group's tokens before dividing by it.

    Returns:
        means [B, G, C], soft map [B, G, N], index [B, N] int64 and count [B, G].
    """
    if not torch.onnx.is_in_onnx_export():
        return grouping_attention_torch.grouping_attention(query, tokens, bias, eps)
    batch, groups, channels = query.shape
    length = tokens.shape[1]
    # symbolic_multi_out is the exporter's own way to emit a node with several outputs; a translation
    # table into an unregistered domain fails in torch 2.13.
    means, soft, index, count = torch.onnx.ops.symbolic_multi_out(
        f"{DOMAIN}::{OP_NAME}",
        (query, tokens, bias),
        {"eps": eps},
        dtypes=(torch.float32, torch.float32, torch.int64, torch.float32),
        shapes=((batch, groups, channels), (batch, groups, length), (batch, length), (batch, groups)),
        version=OPSET_VERSION,
    )
    return means, soft, index, count
