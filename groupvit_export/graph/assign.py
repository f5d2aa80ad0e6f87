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
from groupvit_kernels import torch_op
from groupvit_kernels.contract import DOMAIN, OP_NAME, OPSET_VERSION


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
        means, soft, index, count = _grouping_attention(
            self.to_tokens(projected), tokens, projected @ self.to_bias, self.eps
        )
        mass = (count / (count + self.eps)).unsqueeze(-1)
        features = self.output(self.value(means) + mass * self.value_bias)
        return AssignmentResult(features=features, soft=soft, index=index)


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
        means, soft, index, count = _grouping_attention(
            self.to_tokens(query), tokens, self.to_bias(query).squeeze(-1), self.eps
        )
        mass = (count / (count + self.eps)).unsqueeze(-1)
        return AssignmentResult(features=self.output(means) + mass * self.mass_bias, soft=soft, index=index)


def _grouping_attention(
    query: Tensor, tokens: Tensor, bias: Tensor, eps: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    if not torch.onnx.is_in_onnx_export():
        return torch_op.grouping_attention(query, tokens, bias, eps)
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
