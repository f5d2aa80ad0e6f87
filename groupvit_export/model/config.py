"""What a GroupViT is made of: sizes, depths and rules, read from and written to Hugging Face JSON.

No PyTorch here: the command line and the manifest read a configuration long before any tensor exists.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, ClassVar, Self

from groupvit_export.errors import CheckpointError
from groupvit_export.model.config_checks import (
    ACTIVATIONS,
    LARGEST_PATCH,
    LARGEST_SIDE,
    MOST_LAYERS,
    MOST_WORDS,
    WIDEST,
    check_activation,
    check_float,
    check_heads,
    check_int,
    check_int_tuple,
    is_int,
    is_number,
    known_fields,
    refuse,
    require_mapping,
    require_model_type,
)

__all__ = ["ACTIVATIONS", "GroupViTConfig", "GroupViTTextConfig", "GroupViTVisionConfig"]


class _TowerConfig:
    """Reading and writing, shared by the two towers."""

    model_type: ClassVar[str]

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build from a Hugging Face table; keys that do not describe the model are dropped.

        Raises:
            CheckpointError: another ``model_type``, or a value that no GroupViT can have.
        """
        values = require_mapping(values, f"{cls.model_type} configuration")
        require_model_type(values, cls.model_type)
        return cls(**known_fields(cls, values))

    def to_dict(self) -> dict[str, Any]:
        """Every field, plus ``model_type``, as JSON types."""
        values: dict[str, Any] = {"model_type": self.model_type}
        for entry in fields(self):  # type: ignore[arg-type]
            value = getattr(self, entry.name)
            values[entry.name] = list(value) if isinstance(value, tuple) else value
        return values


@dataclass(frozen=True)
class GroupViTTextConfig(_TowerConfig):
    """The text tower: a causal transformer that is pooled at one token.

    Names and defaults are those of transformers 5. ``eos_token_id`` decides where a caption is
    pooled: 2 (files written before the id was corrected) means the position of the highest token id,
    any other value its first position; a caption without that id is pooled at position 0. A list of
    ids is refused, because transformers cannot run it either.

    Raises:
        CheckpointError: a value that no GroupViT can have.
    """

    model_type: ClassVar[str] = "groupvit_text_model"

    vocab_size: int = 49408
    hidden_size: int = 256
    intermediate_size: int = 1024
    num_hidden_layers: int = 12
    num_attention_heads: int = 4
    max_position_embeddings: int = 77
    hidden_act: str = "quick_gelu"
    layer_norm_eps: float = 1e-5
    dropout: float = 0.0
    attention_dropout: float = 0.0
    initializer_range: float = 0.02
    initializer_factor: float = 1.0
    pad_token_id: int | None = 1
    bos_token_id: int | None = 49406
    eos_token_id: int = 49407

    def __post_init__(self) -> None:
        check_int(self, "hidden_size", "intermediate_size", "num_attention_heads", "max_position_embeddings")
        check_int(self, "vocab_size", at_most=MOST_WORDS)
        check_int(self, "num_hidden_layers", at_most=MOST_LAYERS)
        check_float(self, "layer_norm_eps", "initializer_range", "initializer_factor")
        check_float(self, "dropout", "attention_dropout", below=1.0)
        check_heads(self)
        check_activation(self)
        check_int(self, "eos_token_id", at_least=0, at_most=MOST_WORDS)
        for name in ("pad_token_id", "bos_token_id"):
            value = getattr(self, name)
            if value is not None and not is_int(value):
                raise refuse(self, name, value, "an integer or null")

    @property
    def head_dim(self) -> int:
        return self.hidden_size // self.num_attention_heads

    @property
    def pools_highest_id(self) -> bool:
        """Whether captions are pooled at the highest token id (the rule of old files)."""
        return self.eos_token_id == 2


@dataclass(frozen=True)
class GroupViTVisionConfig(_TowerConfig):
    """The vision tower: stages of transformer layers, each ended by a grouping block where it has groups.

    Names and defaults are those of transformers 5. ``image_size`` is one side or ``(height, width)``
    and says what the position embeddings were trained for; the model takes any size whose sides are
    multiples of ``patch_size``. ``num_hidden_layers`` only scales the initial weights. A stage with
    ``num_group_tokens`` 0 has no grouping block, and its ``num_output_groups`` is not used.

    Raises:
        CheckpointError: a value that no GroupViT can have, or stages that do not fit each other.
    """

    model_type: ClassVar[str] = "groupvit_vision_model"

    hidden_size: int = 384
    intermediate_size: int = 1536
    num_hidden_layers: int = 12
    depths: tuple[int, ...] = (6, 3, 3)
    num_group_tokens: tuple[int, ...] = (64, 8, 0)
    num_output_groups: tuple[int, ...] = (64, 8, 8)
    num_attention_heads: int = 6
    image_size: int | tuple[int, int] = 224
    patch_size: int = 16
    num_channels: int = 3
    hidden_act: str = "gelu"
    layer_norm_eps: float = 1e-5
    dropout: float = 0.0
    attention_dropout: float = 0.0
    initializer_range: float = 0.02
    initializer_factor: float = 1.0
    assign_eps: float = 1.0
    assign_mlp_ratio: tuple[float, float] = (0.5, 4)

    def __post_init__(self) -> None:
        check_int(self, "hidden_size", "intermediate_size", "num_attention_heads")
        check_int(self, "num_hidden_layers", "num_channels", at_most=MOST_LAYERS)
        check_float(self, "layer_norm_eps", "initializer_range", "initializer_factor", "assign_eps")
        check_float(self, "dropout", "attention_dropout", below=1.0)
        check_heads(self)
        check_activation(self)
        self._check_sizes()
        self._check_mlp_ratio()
        self._check_stages()

    def _check_sizes(self) -> None:
        patch: object = self.patch_size
        if isinstance(patch, (list, tuple)) and len(set(patch)) == 1 and len(patch) == 2:
            patch = patch[0]
            object.__setattr__(self, "patch_size", patch)
        if not isinstance(patch, int) or isinstance(patch, bool) or patch < 1:
            raise refuse(self, "patch_size", self.patch_size, "one positive integer (patches are square)")
        check_int(self, "patch_size", at_most=LARGEST_PATCH)

        size: object = self.image_size
        sides = (size, size) if is_int(size) else size
        if not isinstance(sides, (list, tuple)) or len(sides) != 2 or not all(map(is_int, sides)):
            raise refuse(self, "image_size", size, "an integer or [height, width]")
        if any(side < patch or side % patch for side in sides):
            raise refuse(self, "image_size", size, f"sides that are multiples of patch_size {patch}")
        if max(sides) > LARGEST_SIDE:
            raise refuse(self, "image_size", size, f"at most {LARGEST_SIDE:,}")
        # One spelling for a square, so that equal models have equal configurations.
        normal = sides[0] if sides[0] == sides[1] else tuple(sides)
        object.__setattr__(self, "image_size", normal)

    def _check_mlp_ratio(self) -> None:
        ratio: object = self.assign_mlp_ratio
        pair = (ratio, ratio) if is_number(ratio) else ratio
        if (
            not isinstance(pair, (list, tuple))
            or len(pair) != 2
            or not all(is_number(v) and 1 <= v * self.hidden_size <= WIDEST for v in pair)
        ):
            raise refuse(
                self,
                "assign_mlp_ratio",
                ratio,
                f"a number or two, each at least 1 / hidden_size, at most {WIDEST:,} / hidden_size",
            )
        object.__setattr__(self, "assign_mlp_ratio", tuple(pair))

    def _check_stages(self) -> None:
        check_int_tuple(self, "depths", at_least=1, at_most=MOST_LAYERS)
        check_int_tuple(self, "num_group_tokens", "num_output_groups", at_least=0, at_most=LARGEST_SIDE)
        stages = len(self.depths)
        for name in ("num_group_tokens", "num_output_groups"):
            if len(getattr(self, name)) != stages:
                raise refuse(self, name, getattr(self, name), f"{stages} entries, one for each of `depths`")
        if not any(self.num_group_tokens):
            raise refuse(
                self,
                "num_group_tokens",
                self.num_group_tokens,
                "at least one stage with group tokens: without them nothing is grouped or segmented",
            )
        for stage, tokens in enumerate(self.num_group_tokens):
            if tokens and not self.num_output_groups[stage]:
                raise refuse(
                    self,
                    "num_output_groups",
                    self.num_output_groups,
                    f"at least 1 at stage {stage}, which has {tokens} group tokens",
                )
            if self.has_group_projector(stage) and not self.num_group_tokens[stage - 1]:
                raise refuse(
                    self,
                    "num_output_groups",
                    self.num_output_groups,
                    f"0 at stage {stage - 1}, which has no group tokens for the next stage to project",
                )

    @property
    def image_shape(self) -> tuple[int, int]:
        """``(height, width)`` that the position embeddings were trained for."""
        return (self.image_size, self.image_size) if isinstance(self.image_size, int) else self.image_size

    @property
    def patch_grid(self) -> tuple[int, int]:
        """``(rows, columns)`` of patches at the trained size."""
        height, width = self.image_shape
        return height // self.patch_size, width // self.patch_size

    @property
    def num_patches(self) -> int:
        rows, columns = self.patch_grid
        return rows * columns

    @property
    def head_dim(self) -> int:
        return self.hidden_size // self.num_attention_heads

    @property
    def assign_mlp_dims(self) -> tuple[int, int]:
        """Widths inside a grouping block: of the MLP over group tokens, of the MLP over channels."""
        tokens, channels = self.assign_mlp_ratio
        return int(tokens * self.hidden_size), int(channels * self.hidden_size)

    @property
    def grouping_stages(self) -> tuple[int, ...]:
        """Indices of the stages that end in a grouping block."""
        return tuple(i for i, tokens in enumerate(self.num_group_tokens) if tokens)

    def has_group_projector(self, stage: int) -> bool:
        """Whether a stage's group tokens are moved by those of the stage before it."""
        return stage > 0 and self.num_group_tokens[stage] > 0 and self.num_output_groups[stage - 1] > 0


@dataclass(frozen=True)
class GroupViTConfig:
    """Both towers and what joins them.

    Args:
        text_config: the text tower.
        vision_config: the vision tower.
        projection_dim: width of the joint embedding space.
        projection_intermediate_dim: width inside the two projections.
        logit_scale_init_value: logarithm of the initial similarity scale.
        output_segmentation: whether a forward returns segmentation logits when not told.

    Raises:
        CheckpointError: a value that no GroupViT can have.
    """

    model_type: ClassVar[str] = "groupvit"

    text_config: GroupViTTextConfig = field(default_factory=GroupViTTextConfig)
    vision_config: GroupViTVisionConfig = field(default_factory=GroupViTVisionConfig)
    projection_dim: int = 256
    projection_intermediate_dim: int = 4096
    logit_scale_init_value: float = 2.6592
    initializer_range: float = 0.02
    initializer_factor: float = 1.0
    output_segmentation: bool = False

    def __post_init__(self) -> None:
        for name, kind in (("text_config", GroupViTTextConfig), ("vision_config", GroupViTVisionConfig)):
            if not isinstance(getattr(self, name), kind):
                raise refuse(self, name, getattr(self, name), f"a {kind.__name__}")
        check_int(self, "projection_dim", "projection_intermediate_dim")
        check_float(self, "initializer_range", "initializer_factor")
        scale = self.logit_scale_init_value
        if not is_number(scale) or not -100 < scale < 100:
            raise refuse(self, "logit_scale_init_value", scale, "a logarithm in (-100, 100)")
        object.__setattr__(self, "logit_scale_init_value", float(scale))
        if not isinstance(self.output_segmentation, bool):
            raise refuse(self, "output_segmentation", self.output_segmentation, "true or false")

    @classmethod
    def from_text_vision_configs(
        cls, text: GroupViTTextConfig, vision: GroupViTVisionConfig, **kwargs: Any
    ) -> GroupViTConfig:
        """Join two towers; ``kwargs`` are the remaining fields.

        Raises:
            CheckpointError: a value that no GroupViT can have.
        """
        return cls(text_config=text, vision_config=vision, **kwargs)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> GroupViTConfig:
        """Build from the table in a Hugging Face ``config.json``.

        Keys that do not describe the model are dropped. The legacy ``text_config_dict`` and
        ``vision_config_dict`` win over ``text_config`` and ``vision_config`` and bring their own
        defaults, as in transformers.

        Raises:
            CheckpointError: another ``model_type``, or a value that no GroupViT can have.
        """
        values = require_mapping(values, "The configuration")
        require_model_type(values, cls.model_type)
        own = known_fields(cls, values)
        own["text_config"] = GroupViTTextConfig.from_dict(_tower(values, "text_config"))
        own["vision_config"] = GroupViTVisionConfig.from_dict(_tower(values, "vision_config"))
        return cls(**own)

    @classmethod
    def from_json_file(cls, path: str | Path) -> GroupViTConfig:
        """Read a Hugging Face ``config.json``.

        Raises:
            CheckpointError: no such file, not JSON, another model, or a value that no GroupViT can have.
        """
        path = Path(path)
        try:
            values = json.loads(path.read_text(encoding="utf-8-sig"))
        except OSError as error:
            raise CheckpointError(
                "The configuration cannot be read.",
                got=f"{path}: {error.strerror or error}",
                expected="a Hugging Face config.json",
                fix="give the path of the config.json that was published with the weights",
            ) from error
        except (ValueError, RecursionError) as error:
            raise CheckpointError(
                "The configuration is not JSON.",
                got=f"{path}: {error}",
                expected="a Hugging Face config.json",
                fix="fetch the file again; an interrupted download leaves half a file",
            ) from error
        return cls.from_dict(values)

    def to_dict(self) -> dict[str, Any]:
        """The table that Hugging Face's ``GroupViTConfig`` reads."""
        values: dict[str, Any] = {"architectures": ["GroupViTModel"], "model_type": self.model_type}
        for entry in fields(self):
            if entry.name not in ("text_config", "vision_config"):
                values[entry.name] = getattr(self, entry.name)
        values["text_config"] = self.text_config.to_dict()
        values["vision_config"] = self.vision_config.to_dict()
        return values

    def to_json_file(self, path: str | Path) -> None:
        """Write ``config.json``, keys sorted, so that equal configurations are equal files."""
        text = json.dumps(self.to_dict(), indent=2, sort_keys=True) + "\n"
        Path(path).write_text(text, encoding="utf-8")

    def replace(self, **changes: Any) -> GroupViTConfig:
        """A copy with some fields changed, checked again."""
        return replace(self, **changes)


def _tower(values: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    legacy = values.get(f"{key}_dict")
    chosen = legacy if legacy is not None else values.get(key)
    return require_mapping({} if chosen is None else chosen, f"`{key}`")
