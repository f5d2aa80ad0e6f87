"""Weights under the names of NVlabs' training code, and how they become the canonical ones.

The authors publish a ``.pth`` without a configuration; Hugging Face publishes the same weights under
other names, with the fused projections split and the 1-wide convolutions flattened. One table says how.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from torch import Tensor

from groupvit_export.errors import CheckpointError
from groupvit_export.model.config import GroupViTConfig, GroupViTTextConfig, GroupViTVisionConfig

__all__ = ["DROPPED", "HEAD_DIM", "infer_config", "is_nvlabs", "to_canonical"]

#: NVlabs keys that the model does not compute with.
DROPPED = {"multi_label_logit_scale": "scale of a training loss over several captions an image"}

#: Width of an attention head in every published model; shapes alone do not tell it.
HEAD_DIM = 64


class _How(Enum):
    COPY = "as it is"
    FLATTEN = "a convolution of width 1 becomes a matrix: [out, in, 1] to [out, in]"
    SPLIT = "one matrix with the rows of query, key and value becomes three"


@dataclass(frozen=True)
class _Rule:
    """Names of one weight in both worlds; ``{x}`` is a number, ``{leaf}`` the parameter's own name."""

    nvlabs: str
    canonical: str
    how: _How = _How.COPY

    def canonical_names(self) -> tuple[str, ...]:
        if self.how is _How.SPLIT:
            return tuple(self.canonical.replace("{qkv}", part) for part in ("q_proj", "k_proj", "v_proj"))
        return (self.canonical,)


_STAGE = "vision_model.encoder.stages.{i}"
_TEXT_LAYER = "text_model.encoder.layers.{i}"
_NV_TEXT = "text_encoder.transformer.resblocks.{i}"

_TABLE = (
    _Rule("logit_scale", "logit_scale"),
    # Vision tower.
    _Rule("img_encoder.pos_embed", "vision_model.embeddings.position_embeddings"),
    _Rule(
        "img_encoder.patch_embed.proj.{leaf}", "vision_model.embeddings.patch_embeddings.projection.{leaf}"
    ),
    _Rule("img_encoder.patch_embed.norm.{leaf}", "vision_model.embeddings.layernorm.{leaf}"),
    _Rule("img_encoder.norm.{leaf}", "vision_model.layernorm.{leaf}"),
    _Rule("img_encoder.layers.{i}.group_token", f"{_STAGE}.group_token"),
    _Rule("img_encoder.layers.{i}.blocks.{j}.norm1.{leaf}", f"{_STAGE}.layers.{{j}}.layer_norm1.{{leaf}}"),
    _Rule("img_encoder.layers.{i}.blocks.{j}.norm2.{leaf}", f"{_STAGE}.layers.{{j}}.layer_norm2.{{leaf}}"),
    _Rule(
        "img_encoder.layers.{i}.blocks.{j}.attn.qkv.{leaf}",
        f"{_STAGE}.layers.{{j}}.self_attn.{{qkv}}.{{leaf}}",
        _How.SPLIT,
    ),
    _Rule(
        "img_encoder.layers.{i}.blocks.{j}.attn.proj.{leaf}",
        f"{_STAGE}.layers.{{j}}.self_attn.out_proj.{{leaf}}",
    ),
    _Rule("img_encoder.layers.{i}.blocks.{j}.mlp.fc1.{leaf}", f"{_STAGE}.layers.{{j}}.mlp.fc1.{{leaf}}"),
    _Rule("img_encoder.layers.{i}.blocks.{j}.mlp.fc2.{leaf}", f"{_STAGE}.layers.{{j}}.mlp.fc2.{{leaf}}"),
    _Rule("img_encoder.layers.{i}.group_projector.0.{leaf}", f"{_STAGE}.group_projector.0.{{leaf}}"),
    _Rule("img_encoder.layers.{i}.group_projector.1.fc1.{leaf}", f"{_STAGE}.group_projector.1.fc1.{{leaf}}"),
    _Rule("img_encoder.layers.{i}.group_projector.1.fc2.{leaf}", f"{_STAGE}.group_projector.1.fc2.{{leaf}}"),
    # Grouping blocks: the same names, but for the cross attention's output.
    *(
        _Rule(
            f"img_encoder.layers.{{i}}.downsample.{nvlabs}.{{leaf}}",
            f"{_STAGE}.downsample.{canonical}.{{leaf}}",
        )
        for nvlabs, canonical in (
            ("norm_tokens", "norm_tokens"),
            ("mlp_inter.fc1", "mlp_inter.fc1"),
            ("mlp_inter.fc2", "mlp_inter.fc2"),
            ("norm_post_tokens", "norm_post_tokens"),
            ("norm_x", "norm_x"),
            ("pre_assign_attn.attn.q_proj", "pre_assign_attn.attn.q_proj"),
            ("pre_assign_attn.attn.k_proj", "pre_assign_attn.attn.k_proj"),
            ("pre_assign_attn.attn.v_proj", "pre_assign_attn.attn.v_proj"),
            ("pre_assign_attn.attn.proj", "pre_assign_attn.attn.out_proj"),
            ("pre_assign_attn.norm2", "pre_assign_attn.norm2"),
            ("pre_assign_attn.mlp.fc1", "pre_assign_attn.mlp.fc1"),
            ("pre_assign_attn.mlp.fc2", "pre_assign_attn.mlp.fc2"),
            ("pre_assign_attn.norm_post", "pre_assign_attn.norm_post"),
            ("assign.q_proj", "assign.q_proj"),
            ("assign.k_proj", "assign.k_proj"),
            ("assign.v_proj", "assign.v_proj"),
            ("assign.proj", "assign.proj"),
            ("norm_new_x", "norm_new_x"),
            ("mlp_channels.fc1", "mlp_channels.fc1"),
            ("mlp_channels.fc2", "mlp_channels.fc2"),
        )
    ),
    # Text tower.
    _Rule("text_encoder.positional_embedding", "text_model.embeddings.position_embedding.weight"),
    _Rule("text_encoder.token_embedding.weight", "text_model.embeddings.token_embedding.weight"),
    _Rule("text_encoder.ln_final.{leaf}", "text_model.final_layer_norm.{leaf}"),
    _Rule(f"{_NV_TEXT}.ln_1.{{leaf}}", f"{_TEXT_LAYER}.layer_norm1.{{leaf}}"),
    _Rule(f"{_NV_TEXT}.ln_2.{{leaf}}", f"{_TEXT_LAYER}.layer_norm2.{{leaf}}"),
    _Rule(f"{_NV_TEXT}.attn.in_proj_{{leaf}}", f"{_TEXT_LAYER}.self_attn.{{qkv}}.{{leaf}}", _How.SPLIT),
    _Rule(f"{_NV_TEXT}.attn.out_proj.{{leaf}}", f"{_TEXT_LAYER}.self_attn.out_proj.{{leaf}}"),
    _Rule(f"{_NV_TEXT}.mlp.c_fc.{{leaf}}", f"{_TEXT_LAYER}.mlp.fc1.{{leaf}}"),
    _Rule(f"{_NV_TEXT}.mlp.c_proj.{{leaf}}", f"{_TEXT_LAYER}.mlp.fc2.{{leaf}}"),
    # Projections into the joint space.
    *(
        _Rule(f"{nvlabs}.{inner}", f"{canonical}.{outer}", how)
        for nvlabs, canonical in (
            ("img_projector", "visual_projection"),
            ("text_projector", "text_projection"),
        )
        for inner, outer, how in (
            ("linear_hidden.0.weight", "0.weight", _How.FLATTEN),
            ("linear_hidden.0.bias", "0.bias", _How.COPY),
            ("linear_hidden.1.{leaf}", "1.{leaf}", _How.COPY),
            ("linear_out.weight", "3.weight", _How.FLATTEN),
            ("linear_out.bias", "3.bias", _How.COPY),
        )
    ),
)


def _pattern(template: str) -> re.Pattern[str]:
    escaped = re.escape(template).replace(r"\{", "{").replace(r"\}", "}")
    escaped = re.sub(r"\{([ij])\}", r"(?P<\1>[0-9]+)", escaped)
    return re.compile(escaped.replace("{leaf}", "(?P<leaf>[a-z_]+)"))


_PATTERNS = tuple((_pattern(rule.nvlabs), rule) for rule in _TABLE)


def is_nvlabs(keys: Mapping[str, object]) -> bool:
    """Whether the names are those of NVlabs' training code."""
    return any(key.startswith(("img_encoder.", "text_encoder.")) for key in keys)


def to_canonical(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename NVlabs weights to canonical names.

    Args:
        state_dict: weights under NVlabs' names, any dtype.

    Returns:
        Weights under canonical names, same dtype, no two sharing memory. Keys in :data:`DROPPED` are
        left out. A key that the table does not know keeps its name, so that an audit can name it.
    """
    canonical: dict[str, Tensor] = {}
    for key, value in state_dict.items():
        if key in DROPPED:
            continue
        rule, found = _match(key)
        if rule is None:
            canonical[key] = value
            continue
        names = [name.format(**found) for name in rule.canonical_names()]
        if rule.how is _How.SPLIT:
            parts = [part.clone() for part in value.tensor_split(3)]
        elif rule.how is _How.FLATTEN and value.ndim == 3 and value.shape[-1] == 1:
            parts = [value.squeeze(-1)]
        else:
            parts = [value]
        canonical.update(zip(names, parts, strict=True))
    return canonical


def _match(key: str) -> tuple[_Rule | None, dict[str, str]]:
    for pattern, rule in _PATTERNS:
        found = pattern.fullmatch(key)
        if found:
            return rule, found.groupdict()
    return None, {}


def infer_config(state_dict: Mapping[str, Tensor]) -> GroupViTConfig:
    """The configuration of canonical weights that came without one, from their shapes.

    What shapes do not tell is taken as published: heads of width 64, square images, GELU in the
    vision tower and quick GELU in the text tower, ``assign_eps`` 1, and an end-of-text token that is
    the last of the vocabulary (49407 of 49408), which is where NVlabs pools.

    Raises:
        CheckpointError: a weight that tells a size is absent, or the sizes are not as published.
    """
    stages = _count(state_dict, r"vision_model\.encoder\.stages\.([0-9]+)\.")
    stage = "vision_model.encoder.stages.{}"
    width, channels, patch, _ = _shape(
        state_dict, "vision_model.embeddings.patch_embeddings.projection.weight", 4
    )
    tokens, groups, widths = _grouping(state_dict, stages)
    over_tokens, over_channels = widths[0]
    depths = [_count(state_dict, re.escape(stage.format(i)) + r"\.layers\.([0-9]+)\.") for i in range(stages)]
    patches = _shape(state_dict, "vision_model.embeddings.position_embeddings", 3)[1]
    side = math.isqrt(patches)
    if side * side != patches:
        raise _cannot_infer(f"{patches} patches, which is not a square", "a square grid of patches")

    vocabulary, text_width = _shape(state_dict, "text_model.embeddings.token_embedding.weight", 2)
    projection = _shape(state_dict, "visual_projection.3.weight", 2)
    vision = GroupViTVisionConfig(
        hidden_size=width,
        intermediate_size=_shape(state_dict, f"{stage.format(0)}.layers.0.mlp.fc1.weight", 2)[0],
        num_hidden_layers=sum(depths),
        depths=tuple(depths),
        num_group_tokens=tuple(tokens),
        num_output_groups=tuple(groups),
        num_attention_heads=_heads(width, "vision"),
        image_size=side * patch,
        patch_size=patch,
        num_channels=channels,
        assign_mlp_ratio=(_ratio(over_tokens, width), _ratio(over_channels, width)),
    )
    text = GroupViTTextConfig(
        vocab_size=vocabulary,
        hidden_size=text_width,
        intermediate_size=_shape(state_dict, "text_model.encoder.layers.0.mlp.fc1.weight", 2)[0],
        num_hidden_layers=_count(state_dict, r"text_model\.encoder\.layers\.([0-9]+)\."),
        num_attention_heads=_heads(text_width, "text"),
        max_position_embeddings=_shape(state_dict, "text_model.embeddings.position_embedding.weight", 2)[0],
        bos_token_id=max(vocabulary - 2, 0),
        eos_token_id=vocabulary - 1,
    )
    return GroupViTConfig.from_text_vision_configs(
        text, vision, projection_dim=projection[0], projection_intermediate_dim=projection[1]
    )


def _grouping(
    state_dict: Mapping[str, Tensor], stages: int
) -> tuple[list[int], list[int], list[tuple[int, int]]]:
    """Group tokens and groups of every stage, and the widths inside every grouping block."""
    tokens: list[int] = []
    groups: list[int] = []
    widths: list[tuple[int, int]] = []
    for i in range(stages):
        stage = f"vision_model.encoder.stages.{i}"
        if f"{stage}.group_token" not in state_dict:
            tokens.append(0)
            # Without a grouping block the groups of the stage before pass through.
            groups.append(groups[-1] if groups else 0)
            continue
        tokens.append(_shape(state_dict, f"{stage}.group_token", 3)[1])
        inner = _shape(state_dict, f"{stage}.downsample.mlp_inter.fc2.weight", 2)
        groups.append(inner[0])
        widths.append((inner[1], _shape(state_dict, f"{stage}.downsample.mlp_channels.fc1.weight", 2)[0]))
    if not widths:
        raise _cannot_infer("no grouping block", "group tokens in one stage at least")
    return tokens, groups, widths


def _cannot_infer(got: str, expected: str) -> CheckpointError:
    return CheckpointError(
        "The weights come without a configuration, and their shapes do not tell it.",
        got=got,
        expected=expected,
        fix="pass the config.json of this model: --config PATH (in Python config=)",
    )


def _shape(state_dict: Mapping[str, Tensor], key: str, dimensions: int) -> tuple[int, ...]:
    if key not in state_dict:
        raise _cannot_infer(f"no {key}", "every weight of a GroupViT")
    shape = tuple(state_dict[key].shape)
    if len(shape) != dimensions or 0 in shape:
        raise _cannot_infer(f"{key} of shape {list(shape)}", f"{dimensions} dimensions, none of size 0")
    return shape


def _count(state_dict: Mapping[str, Tensor], pattern: str) -> int:
    found = [int(match[1]) for match in map(re.compile(pattern).match, state_dict) if match]
    return max(found, default=-1) + 1


def _heads(width: int, tower: str) -> int:
    if width % HEAD_DIM:
        raise _cannot_infer(
            f"a {tower} tower of width {width}", f"a multiple of the head width {HEAD_DIM}, as published"
        )
    return width // HEAD_DIM


def _ratio(dim: int, width: int) -> float:
    # The model computes int(ratio * width): the quotient may land just below the whole number.
    ratio = dim / width
    return ratio if int(ratio * width) == dim else math.nextafter(ratio, math.inf)
