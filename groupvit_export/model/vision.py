"""The vision tower: patches in, a handful of groups out. GroupViT (arXiv:2202.11094), section 3.1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from groupvit_export.model.config import GroupViTVisionConfig
from groupvit_export.model.grouping import TokenAssign
from groupvit_export.model.initialization import initialize_tower
from groupvit_export.model.layers import EncoderLayer, MixerMLP
from groupvit_export.model.outputs import VisionOutput

__all__ = [
    "Forced",
    "GroupViTVisionModel",
    "PatchEmbeddings",
    "VisionEmbeddings",
    "VisionEncoder",
    "VisionStage",
    "VisionTransformer",
]

#: Assignments to replay: one ``[B, N_i]`` int64 tensor, or None for the argmax, a grouping stage.
Forced = Sequence[Tensor | None]


class PatchEmbeddings(nn.Module):
    """Cuts ``[B, channels, H, W]`` into patches and projects each: ``[B, rows * columns, C]``."""

    def __init__(self, config: GroupViTVisionConfig) -> None:
        super().__init__()
        self.projection = nn.Conv2d(
            config.num_channels, config.hidden_size, kernel_size=config.patch_size, stride=config.patch_size
        )

    def forward(self, pixel_values: Tensor) -> Tensor:
        out: Tensor = self.projection(pixel_values)
        return out.flatten(2).transpose(1, 2)


class VisionEmbeddings(nn.Module):
    """Patches with their positions; trained positions are resized (bicubic) to any other grid.

    transformers refuses other sizes, and its interpolation takes the trained grid for square. Here
    both grids are known: the trained one from the configuration, the other from the pixels.
    """

    def __init__(self, config: GroupViTVisionConfig) -> None:
        super().__init__()
        self.patch_size = config.patch_size
        self.trained_grid = config.patch_grid
        self.patch_embeddings = PatchEmbeddings(config)
        self.position_embeddings = nn.Parameter(torch.zeros(1, config.num_patches, config.hidden_size))
        self.dropout = nn.Dropout(config.dropout)
        self.layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def grid_of(self, pixel_values: Tensor) -> tuple[int, int]:
        """``(rows, columns)`` of the patches of ``[B, channels, H, W]``.

        Raises:
            ValueError: not four dimensions, or a side that is not a multiple of the patch size.
        """
        if pixel_values.ndim != 4:
            raise ValueError(
                f"pixel_values has shape {list(pixel_values.shape)}, "
                "expected [batch, channels, height, width]"
            )
        height, width = pixel_values.shape[2:]
        if height % self.patch_size or width % self.patch_size or height == 0 or width == 0:
            raise ValueError(
                f"pixel_values are {height}x{width} (height x width), "
                f"expected sides that are multiples of the patch size {self.patch_size}"
            )
        return height // self.patch_size, width // self.patch_size

    def positions(self, grid: tuple[int, int]) -> Tensor:
        """Position embeddings ``[1, rows * columns, C]`` for a grid of patches."""
        if grid == self.trained_grid:
            return self.position_embeddings
        planes = self.position_embeddings.unflatten(1, self.trained_grid).permute(0, 3, 1, 2)
        planes = F.interpolate(planes, size=grid, mode="bicubic", align_corners=False)
        return planes.flatten(2).transpose(1, 2)

    def forward(self, pixel_values: Tensor) -> Tensor:
        """``[B, channels, H, W]`` to ``[B, N, C]``."""
        grid = self.grid_of(pixel_values)
        x = self.layernorm(self.patch_embeddings(pixel_values))
        out: Tensor = self.dropout(x + self.positions(grid))
        return out


class VisionStage(nn.Module):
    """Transformer layers over tokens and group tokens, then a grouping block where there are groups."""

    def __init__(self, config: GroupViTVisionConfig, stage: int) -> None:
        super().__init__()
        width, count = config.hidden_size, config.num_group_tokens[stage]
        self.num_group_tokens = count
        self.group_token = nn.Parameter(torch.zeros(1, count, width)) if count else None
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.depths[stage]))
        self.downsample = (
            TokenAssign(config, num_group_tokens=count, num_output_groups=config.num_output_groups[stage])
            if count
            else None
        )
        self.group_projector = (
            nn.Sequential(
                nn.LayerNorm(width, eps=config.layer_norm_eps),
                # Sized as NVlabs does, by the tokens that it is fed; transformers sizes it by the groups, and
                # runs where both are equal.
                MixerMLP(config, config.num_group_tokens[stage - 1], width // 2, count),
            )
            if config.has_group_projector(stage)
            else None
        )

    def start_tokens(self, batch: int, previous: Tensor | None) -> Tensor | None:
        """Group tokens ``[B, K, C]`` at the stage's start, moved by those of the stage before."""
        if self.group_token is None:
            return None
        if self.group_projector is None:
            return self.group_token.expand(batch, -1, -1)
        moved: Tensor = self.group_token + self.group_projector(previous)
        return moved

    def encode(self, x: Tensor, previous: Tensor | None = None) -> Tensor:
        """Run the layers: what no assignment of this stage has a part in.

        Args:
            x: tokens, ``[B, N, C]``.
            previous: group tokens of the stage before, ``[B, K', C]``.

        Returns:
            Tokens, then group tokens, ``[B, N + K, C]``.
        """
        tokens = self.start_tokens(x.shape[0], previous)
        if tokens is not None:
            x = torch.cat([x, tokens], dim=1)
        for layer in self.layers:
            x, _ = layer(x)
        return x

    def group(
        self, x: Tensor, forced: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None, Tensor | None, Tensor | None]:
        """Run the grouping block, where there is one.

        Args:
            x: what `encode` gives, ``[B, N + K, C]``.
            forced: assignments to use, ``[B, N]`` int64.

        Returns:
            Tokens for the next stage, group tokens, soft map and index; the last three are None in a
            stage without groups.
        """
        if self.downsample is None:
            return x, None, None, None
        patches, tokens = x[:, : -self.num_group_tokens], x[:, -self.num_group_tokens :]
        assigned = self.downsample(patches, tokens, forced)
        return assigned.features, tokens, assigned.soft, assigned.index

    def forward(
        self, x: Tensor, previous: Tensor | None = None, forced: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None, Tensor | None, Tensor | None]:
        """`encode`, then `group`."""
        return self.group(self.encode(x, previous), forced)


class VisionEncoder(nn.Module):
    """Holds the stages; :class:`VisionTransformer` runs them, so that one forward shows everything."""

    def __init__(self, config: GroupViTVisionConfig) -> None:
        super().__init__()
        self.stages = nn.ModuleList(VisionStage(config, stage) for stage in range(len(config.depths)))

    @property
    def first(self) -> VisionStage:
        """The first stage."""
        return cast(VisionStage, self.stages[0])


class VisionTransformer(nn.Module):
    """The vision tower, as it sits in :class:`groupvit_export.model.GroupViTModel`."""

    def __init__(self, config: GroupViTVisionConfig) -> None:
        super().__init__()
        self.config = config
        self.embeddings = VisionEmbeddings(config)
        self.encoder = VisionEncoder(config)
        self.layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        initialize_tower(self, config)

    def encode_first(self, pixel_values: Tensor) -> Tensor:
        """The first stage up to its grouping block, ``[B, N + K, C]`` of ``[B, channels, H, W]``."""
        return self.encoder.first.encode(self.embeddings(pixel_values))

    def forward(
        self,
        pixel_values: Tensor,
        *,
        output_attentions: bool = False,
        output_hidden_states: bool = False,
        forced: Forced | None = None,
        first_encoded: Tensor | None = None,
    ) -> VisionOutput:
        """Group an image.

        Args:
            pixel_values: ``[B, channels, H, W]`` floating point; sides multiples of the patch size.
            output_attentions: return the soft maps.
            output_hidden_states: return the input of every stage and the last output.
            forced: assignments to replay, one entry a grouping stage.
            first_encoded: what `encode_first` gave for these images, which is most of the work, and the same
                whatever is forced.

        Raises:
            ValueError: an image or an assignment of a shape that cannot be used.
        """
        waiting = _forced_by_stage(forced, self.config)
        x = self.embeddings(pixel_values)
        group_tokens: Tensor | None = None
        inputs: list[Tensor] = []
        soft_maps: list[Tensor] = []
        assignments: list[Tensor] = []
        for i, stage in enumerate(self.encoder.stages):
            inputs.append(x)
            if first_encoded is not None and i == 0:
                x, group_tokens, soft, index = self.encoder.first.group(first_encoded, waiting.get(i))
            else:
                x, group_tokens, soft, index = stage(x, group_tokens, waiting.get(i))
            if soft is not None and index is not None:
                soft_maps.append(soft)
                assignments.append(index)
        groups = self.layernorm(x)
        return VisionOutput(
            last_hidden_state=groups,
            pooler_output=groups.mean(dim=1),
            assignments=tuple(assignments),
            grid=self.embeddings.grid_of(pixel_values),
            hidden_states=(*inputs, x) if output_hidden_states else None,
            attentions=tuple(soft_maps) if output_attentions else None,
        )


class GroupViTVisionModel(nn.Module):
    """The vision tower alone, with the ``vision_model.`` prefix of transformers' class of this name."""

    def __init__(self, config: GroupViTVisionConfig) -> None:
        super().__init__()
        self.config = config
        self.vision_model = VisionTransformer(config)

    def forward(
        self,
        pixel_values: Tensor,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        forced: Forced | None = None,
    ) -> VisionOutput:
        """As :meth:`VisionTransformer.forward`."""
        out: VisionOutput = self.vision_model(
            pixel_values,
            output_attentions=bool(output_attentions),
            output_hidden_states=bool(output_hidden_states),
            forced=forced,
        )
        return out


def _forced_by_stage(
    forced: Forced | Tensor | None, config: GroupViTVisionConfig
) -> dict[int, Tensor | None]:
    if forced is None:
        return {}
    if isinstance(forced, Tensor) or len(forced) != len(config.grouping_stages):
        got = "one tensor" if isinstance(forced, Tensor) else f"{len(forced)} entries"
        raise ValueError(
            f"forced has {got}, expected {len(config.grouping_stages)}: "
            "a tensor or None for each grouping stage"
        )
    return dict(zip(config.grouping_stages, forced, strict=True))
