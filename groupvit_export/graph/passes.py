"""Named changes of a deployable encoder before capture; each keeps its function and says how exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, cast

import torch
from torch import nn

from groupvit_export.errors import UsageError
from groupvit_export.graph.assign import FoldedAssign, RegroupedAssign
from groupvit_export.graph.embeds import JointEmbeds
from groupvit_export.graph.encoders import ImageEncoder
from groupvit_export.graph.fused_attention import FusedCrossAttention, FusedSelfAttention
from groupvit_export.graph.linear import after, constant, linear
from groupvit_export.graph.mixer import LeftMixer
from groupvit_export.graph.start import StartingTokens
from groupvit_export.model.layers import EncoderLayer, MixerMLP
from groupvit_export.model.vision import VisionStage


@dataclass(frozen=True)
class Pass:
    """One pass.

    Attributes:
        apply: changes the encoder in place.
        changes: what it does, in words.
        ulp: how far what it replaces may move in float64, in units in the last place of that output's largest
            value: 0 where the same products and sums are formed in the same order; a number, measured, where
            the products are the same and the library chooses the order of their sum; None where products
            themselves are others.
    """

    apply: Callable[[ImageEncoder], None]
    changes: str
    ulp: int | None

    @property
    def summary(self) -> str:
        """What `groupvit inspect` prints."""
        if self.ulp is None:
            return f"{self.changes}; reassociates"
        return f"{self.changes}; " + (f"within {self.ulp} ulp" if self.ulp else "exact")


def _fold_projections(encoder: ImageEncoder) -> None:
    for block in encoder.grouping_blocks():
        block.add_module("assign", FoldedAssign(cast(RegroupedAssign, block.assign)))


def _fold_layer_norm(encoder: ImageEncoder) -> None:
    for layer in _layers(encoder):
        attention = layer.self_attn
        norm = layer.layer_norm1
        for name in ("q_proj", "k_proj", "v_proj"):
            attention.add_module(name, after(norm.weight, norm.bias, getattr(attention, name)))
        layer.layer_norm1 = _without_affine(norm)
        layer.mlp.fc1 = after(layer.layer_norm2.weight, layer.layer_norm2.bias, layer.mlp.fc1)
        layer.layer_norm2 = _without_affine(layer.layer_norm2)
    for block in encoder.grouping_blocks():
        cross = block.pre_assign_attn
        cross.mlp.fc1 = after(cross.norm2.weight, cross.norm2.bias, cross.mlp.fc1)
        cross.norm2 = _without_affine(cross.norm2)
        block.mlp_channels.fc1 = after(block.norm_new_x.weight, block.norm_new_x.bias, block.mlp_channels.fc1)
        block.norm_new_x = _without_affine(block.norm_new_x)
    # Read as it is and as the mean over groups, which commutes, and by this layer both times.
    norm, projection = encoder.vision_model.layernorm, encoder.visual_projection
    projection[0] = after(norm.weight, norm.bias, cast(nn.Linear, projection[0]))
    encoder.vision_model.layernorm = _without_affine(norm)


def _fold_batch_norm(encoder: ImageEncoder) -> None:
    first, norm, *rest = encoder.visual_projection
    assert isinstance(first, nn.Linear) and isinstance(norm, nn.BatchNorm1d)
    assert norm.running_mean is not None and norm.running_var is not None
    with torch.no_grad():
        dtype = first.weight.dtype
        scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
        weight = first.weight.double() * scale[:, None]
        bias = (first.bias.double() - norm.running_mean.double()) * scale + norm.bias.double()
        encoder.visual_projection = nn.Sequential(linear(weight.to(dtype), bias.to(dtype)), *rest)


def _fuse_qkv(encoder: ImageEncoder) -> None:
    for layer in _layers(encoder):
        layer.add_module("self_attn", FusedSelfAttention(layer.self_attn))
    for block in encoder.grouping_blocks():
        cross = block.pre_assign_attn
        cross.add_module("attn", FusedCrossAttention(cross.attn))


def _fold_mixer_transposes(encoder: ImageEncoder) -> None:
    for block in encoder.grouping_blocks():
        block.add_module("mlp_inter", LeftMixer(block.mlp_inter))
    for stage in _stages(encoder):
        if stage.group_projector is not None:
            norm, mixer = stage.group_projector
            stage.group_projector = nn.Sequential(norm, LeftMixer(cast(MixerMLP, mixer)))


def _fold_positions(encoder: ImageEncoder) -> None:
    embeddings = encoder.vision_model.embeddings
    norm = embeddings.layernorm
    with torch.no_grad():
        positions = embeddings.position_embeddings.double() + norm.bias.double()
        embeddings.position_embeddings = constant(positions.to(norm.bias.dtype))
    embeddings.layernorm = nn.LayerNorm(
        norm.normalized_shape, eps=norm.eps, bias=False, dtype=norm.weight.dtype
    )
    embeddings.layernorm.weight = constant(norm.weight)


def _precompute_start(encoder: ImageEncoder) -> None:
    first = _stages(encoder)[0]
    if first.group_token is None:
        return
    embeddings = encoder.vision_model.embeddings
    encoder.vision_model.add_module("embeddings", StartingTokens(embeddings, first.group_token))
    first.group_token = None


def _project_jointly(encoder: ImageEncoder) -> None:
    encoder.embed = JointEmbeds()


def _stages(encoder: ImageEncoder) -> list[VisionStage]:
    return cast(list[VisionStage], list(encoder.vision_model.encoder.stages))


def _layers(encoder: ImageEncoder) -> Iterator[EncoderLayer]:
    for stage in _stages(encoder):
        yield from cast(list[EncoderLayer], list(stage.layers))


def _without_affine(norm: nn.LayerNorm) -> nn.LayerNorm:
    return nn.LayerNorm(norm.normalized_shape, eps=norm.eps, elementwise_affine=False)


PASSES: Final[Mapping[str, Pass]] = MappingProxyType(
    {
        "fold_projections": Pass(
            _fold_projections,
            "k_proj folded into q_proj and v_proj into proj of the grouping attention",
            ulp=None,
        ),
        "fold_layer_norm": Pass(
            _fold_layer_norm,
            "weight and bias of a LayerNorm that one linear layer reads folded into that layer",
            ulp=None,
        ),
        "fold_batch_norm": Pass(
            _fold_batch_norm,
            "BatchNorm of the projection folded into the linear layer before it",
            ulp=None,
        ),
        "fuse_qkv": Pass(
            _fuse_qkv,
            "query, key and value by one product, key and value where groups look at tokens; the scale of "
            "the attention in the query's weights",
            ulp=None,
        ),
        "fold_mixer_transposes": Pass(
            _fold_mixer_transposes,
            "token mixers multiply from the left instead of transposing before and after",
            ulp=8,
        ),
        "fold_positions": Pass(
            _fold_positions,
            "bias of the patches' LayerNorm added to the position embedding",
            ulp=None,
        ),
        "precompute_start": Pass(
            _precompute_start,
            "positions and the first stage's group tokens as one constant that is added, instead of tokens "
            "that are repeated for every image and joined to the patches",
            ulp=0,
        ),
        "project_jointly": Pass(
            _project_jointly,
            "the image's embedding and its groups' by one projection instead of two",
            ulp=32,
        ),
    }
)
"""In the order in which they are applied; each works without any of the others."""


def select_passes(disabled: Sequence[str]) -> tuple[str, ...]:
    """All passes but the disabled ones, in the order of the table.

    Raises:
        UsageError: a name is not in the table.
    """
    check_passes(disabled)
    return tuple(name for name in PASSES if name not in disabled)


def check_passes(names: Sequence[str]) -> None:
    """Refuse names that are not in the table.

    Raises:
        UsageError: there are some.
    """
    unknown = [name for name in names if name not in PASSES]
    if unknown:
        raise UsageError("unknown graph pass", got=", ".join(unknown), expected=", ".join(PASSES))


def apply_passes(encoder: ImageEncoder, names: Sequence[str]) -> None:
    """Apply the passes of these names in the order of the table.

    Raises:
        UsageError: a name is not in the table.
    """
    check_passes(names)
    for name in PASSES:
        if name in names:
            PASSES[name].apply(encoder)
