"""The grouping block: every token joins one group, every group gathers its tokens.

GroupViT (arXiv:2202.11094), section 3.1.
"""

from __future__ import annotations

import contextlib

import torch
from torch import Tensor, nn

from groupvit_export.model.config import GroupViTVisionConfig
from groupvit_export.model.layers import MLP, Attention, MixerMLP
from groupvit_export.model.outputs import AssignmentResult

__all__ = ["AssignAttention", "CrossAttentionLayer", "TokenAssign"]


class CrossAttentionLayer(nn.Module):
    """Groups look at the tokens before they are assigned; normalized at the end, not at the start."""

    def __init__(self, config: GroupViTVisionConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.attn = Attention(config)
        self.norm2 = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.mlp = MLP(config, width, config.intermediate_size, width)
        self.norm_post = nn.LayerNorm(width, eps=config.layer_norm_eps)

    def forward(self, groups: Tensor, tokens: Tensor) -> Tensor:
        """``[B, G, C]`` groups and ``[B, N, C]`` tokens to ``[B, G, C]``."""
        attended, _ = self.attn(groups, context=tokens)
        x = groups + attended
        x = x + self.mlp(self.norm2(x))
        out: Tensor = self.norm_post(x)
        return out


class AssignAttention(nn.Module):
    """Assign every token to one group and average the tokens of each group.

    The group of a token is the ``argmax`` over groups of the *logits*, the lowest index on ties.
    transformers takes it after the softmax, which orders equally in exact arithmetic; but a softmax
    can round two different logits to one probability, so the two may disagree on near-ties. Logits
    are computed in float32 at least, whatever the dtype of the weights and under autocast.

    A group's sum is divided by ``count + assign_eps``, so it is a shrunk mean, and an empty group is
    exactly zero before ``proj``.

    In evaluation the assignment is an exact one-hot matrix without gradient to the logits. In
    training it is a straight-through Gumbel softmax, with the noise that transformers draws.
    """

    def __init__(self, config: GroupViTVisionConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.scale = width**-0.5
        self.assign_eps = config.assign_eps
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.proj = nn.Linear(width, width)

    def logits(self, query: Tensor, tokens: Tensor) -> Tensor:
        """``[B, G, N]`` similarities that decide the assignment, float32 or float64."""
        q = _at_least_fp32(self.q_proj(query))
        k = _at_least_fp32(self.k_proj(tokens))
        with _no_autocast(q.device.type):
            return (q @ k.transpose(-2, -1)) * self.scale

    def forward(self, query: Tensor, tokens: Tensor, forced: Tensor | None = None) -> AssignmentResult:
        """Assign and gather.

        Args:
            query: groups, ``[B, G, C]`` floating point.
            tokens: ``[B, N, C]`` of the same dtype.
            forced: ``[B, N]`` int64, groups to use instead of the argmax. The soft map still comes
                from the logits. This replays another engine's decisions.

        Returns:
            Features ``[B, G, C]``, soft map ``[B, G, N]``, index ``[B, N]`` (in training, of the
            noisy logits).

        Raises:
            ValueError: ``forced`` of another shape or dtype, or with a group that does not exist.
        """
        logits = self.logits(query, tokens)
        soft = logits.softmax(dim=-2)
        noisy = logits + _gumbel_like(logits) if self.training else logits
        index = noisy.argmax(dim=-2) if forced is None else _checked_assignment(forced, logits)
        assignment = _one_hot(index, logits)
        if self.training:
            relaxed = noisy.softmax(dim=-2)
            assignment = assignment - relaxed.detach() + relaxed
        weights = assignment / (assignment.sum(dim=-1, keepdim=True) + self.assign_eps)
        values = self.v_proj(tokens)
        return AssignmentResult(self.proj(weights.to(values.dtype) @ values), soft, index)


class TokenAssign(nn.Module):
    """A whole grouping block: mix the group tokens, let them look, assign, then a channel MLP."""

    def __init__(
        self, config: GroupViTVisionConfig, *, num_group_tokens: int, num_output_groups: int
    ) -> None:
        super().__init__()
        width, eps = config.hidden_size, config.layer_norm_eps
        tokens_dim, channels_dim = config.assign_mlp_dims
        self.norm_tokens = nn.LayerNorm(width, eps=eps)
        self.mlp_inter = MixerMLP(config, num_group_tokens, tokens_dim, num_output_groups)
        self.norm_post_tokens = nn.LayerNorm(width, eps=eps)
        self.norm_x = nn.LayerNorm(width, eps=eps)
        self.pre_assign_attn = CrossAttentionLayer(config)
        self.assign = AssignAttention(config)
        self.norm_new_x = nn.LayerNorm(width, eps=eps)
        self.mlp_channels = MLP(config, width, channels_dim, width)

    def forward(self, tokens: Tensor, group_tokens: Tensor, forced: Tensor | None = None) -> AssignmentResult:
        """``[B, N, C]`` tokens and ``[B, K, C]`` group tokens to ``[B, G, C]`` group features.

        Args:
            tokens: what is grouped.
            group_tokens: the learned queries, after the stage's layers.
            forced: as in :meth:`AssignAttention.forward`.

        Raises:
            ValueError: ``forced`` cannot be an assignment of these tokens.
        """
        tokens = self.norm_x(tokens)
        groups = self.norm_post_tokens(self.mlp_inter(self.norm_tokens(group_tokens)))
        groups = self.pre_assign_attn(groups, tokens)
        assigned: AssignmentResult = self.assign(groups, tokens, forced)
        features = assigned.features + groups
        features = features + self.mlp_channels(self.norm_new_x(features))
        return AssignmentResult(features, assigned.soft, assigned.index)


def _at_least_fp32(x: Tensor) -> Tensor:
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def _no_autocast(device_type: str) -> contextlib.AbstractContextManager[object]:
    # Autocast would take the float32 product back to half, where 0.09 % of decisions flip. Entered
    # only when it is on, so that an exported graph carries no trace of it.
    if torch.is_autocast_enabled(device_type):
        return torch.autocast(device_type, enabled=False)
    return contextlib.nullcontext()


def _gumbel_like(logits: Tensor) -> Tensor:
    # The distribution object, not a formula: the same seed must give transformers' noise.
    zero = torch.zeros((), dtype=logits.dtype, device=logits.device)
    sample: Tensor = torch.distributions.Gumbel(zero, zero + 1).sample(logits.shape)
    return sample


def _one_hot(index: Tensor, like: Tensor) -> Tensor:
    groups = torch.arange(like.shape[-2], device=index.device)
    return (index.unsqueeze(-2) == groups.unsqueeze(-1)).to(like.dtype)


def _checked_assignment(forced: Tensor, logits: Tensor) -> Tensor:
    batch, groups, tokens = logits.shape
    if forced.dtype != torch.int64:
        raise ValueError(f"forced assignment has dtype {forced.dtype}, expected torch.int64")
    if forced.ndim != 2 or forced.shape[0] != batch or forced.shape[1] != tokens:
        raise ValueError(
            f"forced assignment has shape {list(forced.shape)}, "
            f"expected [batch, tokens] = [{batch}, {tokens}]"
        )
    # Values are unknown while a graph is captured.
    if not torch.compiler.is_compiling() and forced.numel():
        low, high = int(forced.min()), int(forced.max())
        if low < 0 or high >= groups:
            raise ValueError(
                f"forced assignment names groups from {low} to {high}, expected 0 to {groups - 1}"
            )
    return forced.to(logits.device)
