"""What `groupvit::GroupingAttention` is, for every implementation of it.

The op is the hard token assignment of a GroupViT grouping block (Xu et al., arXiv:2202.11094,
section 3.2) with every projection moved from the tokens to the groups, so that it reads the
tokens once. For batch b, group g and token n:

    logits[b, g, n] = sum_c query[b, g, c] * tokens[b, n, c] + bias[b, g]
    soft[b, g, n]   = softmax of logits over g
    index[b, n]     = argmax of logits over g, the LOWEST g on ties
    count[b, g]     = number of n with index[b, n] == g
    means[b, g, c]  = sum of tokens[b, n, c] over those n / (count[b, g] + eps)

Rules that an implementation may not bend:

- The decision is taken on the logits, never on the softmax, and the logits are float32 or wider:
  a softmax rounds distinct logits into ties, and a half-precision one moves whole percents of
  the tokens to another group.
- A tie goes to the lowest index. Reduce-max-and-compare puts a tied token into both groups.
- A group without tokens has means of exactly 0 and count 0; with eps > 0 nothing divides by 0.
- `soft` is the map that segments the image; `index` alone decides `means` and `count`.
- NaN in any input is outside the contract.

`count` is an output because the bias of the value projection reaches the group as
``bias * count / (count + eps)`` (the weights of a group sum to less than one), and the kernel has
counted already.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Protocol

DOMAIN: Final = "groupvit"
"""ONNX domain of the op; also the namespace of the PyTorch op."""

OP_NAME: Final = "GroupingAttention"
"""ONNX operator type, and the name of the model-local function that defines it."""

OPSET_VERSION: Final = 1
"""Version of the domain. Raised whenever inputs, outputs or a rule above change."""

INPUTS: Final = ("query", "tokens", "bias")
"""query [B, G, C], tokens [B, N, C], bias [B, G]; one floating-point dtype T for all three."""

OUTPUTS: Final = ("means", "soft", "index", "count")
"""means [B, G, C] float32, soft [B, G, N] float32, index [B, N] int64, count [B, G] float32.

With float64 inputs the three floating-point outputs are float64."""


class _HasShape(Protocol):
    @property
    def shape(self) -> Any: ...


@dataclass(frozen=True)
class GroupingAttentionOutputs:
    """The four outputs, arrays of whatever library computed them (see `OUTPUTS`)."""

    means: Any
    soft: Any
    index: Any
    count: Any


def check_inputs(query: _HasShape, tokens: _HasShape, bias: _HasShape, eps: float) -> None:
    """Check the shapes against the contract.

    Raises:
        ValueError: a rank or dimension does not fit, a dimension of G, N or C is zero, or eps is
            not positive.
    """
    shapes = f"query {tuple(query.shape)}, tokens {tuple(tokens.shape)}, bias {tuple(bias.shape)}"
    if len(query.shape) != 3 or len(tokens.shape) != 3 or len(bias.shape) != 2:
        raise ValueError(f"expected query [B, G, C], tokens [B, N, C], bias [B, G]; got {shapes}")
    batch, groups, channels = query.shape
    if tokens.shape[0] != batch or tokens.shape[2] != channels or tuple(bias.shape) != (batch, groups):
        raise ValueError(f"B, G or C differ between the inputs: {shapes}")
    if 0 in (groups, channels, tokens.shape[1]):
        raise ValueError(f"G, N and C must be at least 1: {shapes}")
    if not eps > 0:
        raise ValueError(f"eps must be positive, or an empty group divides by zero; got {eps}")
