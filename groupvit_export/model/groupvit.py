"""Both towers, the joint space and the masks. GroupViT (arXiv:2202.11094), sections 3.2 and 3.3."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from groupvit_export.model.config import GroupViTConfig
from groupvit_export.model.initialization import initialize_linear
from groupvit_export.model.outputs import GroupViTOutput, TextOutput, VisionOutput
from groupvit_export.model.text import TextTransformer
from groupvit_export.model.vision import Forced, VisionTransformer

__all__ = ["GroupViTModel", "group_masks"]


class GroupViTModel(nn.Module):
    """The reference model: what transformers' ``GroupViTModel`` computes, at any image size.

    Its state dict has exactly the keys of transformers', which are this project's canonical keys.
    Decisions are taken from the logits (see :class:`~groupvit_export.model.grouping.AssignAttention`),
    and the patch grid comes from the pixels, so images need not be square.
    """

    def __init__(self, config: GroupViTConfig) -> None:
        super().__init__()
        self.config = config
        self.text_model = TextTransformer(config.text_config)
        self.vision_model = VisionTransformer(config.vision_config)
        self.visual_projection = _projection(config.vision_config.hidden_size, config)
        self.text_projection = _projection(config.text_config.hidden_size, config)
        self.logit_scale = nn.Parameter(torch.tensor(config.logit_scale_init_value))

    def get_text_features(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
    ) -> Tensor:
        """Caption vectors in the joint space, ``[T, projection_dim]``, *not* normalized.

        transformers 4 returned this tensor; transformers 5 returns the tower's output object with the
        same tensor as ``pooler_output``.

        Raises:
            ValueError: as :meth:`forward`.
        """
        pooled = self.text_model(input_ids, attention_mask, position_ids).pooler_output
        out: Tensor = self.text_projection(pooled)
        return out

    def get_image_features(self, pixel_values: Tensor, *, forced: Forced | None = None) -> Tensor:
        """Image vectors in the joint space, ``[I, projection_dim]``, *not* normalized.

        transformers 4 returned this tensor; transformers 5 returns the tower's output object with the
        same tensor as ``pooler_output``.

        Raises:
            ValueError: as :meth:`forward`.
        """
        pooled = self.vision_model(pixel_values, forced=forced).pooler_output
        out: Tensor = self.visual_projection(pooled)
        return out

    def get_group_features(self, pixel_values: Tensor, *, forced: Forced | None = None) -> Tensor:
        """Group vectors in the joint space, ``[I, G, projection_dim]``, *not* normalized.

        Raises:
            ValueError: as :meth:`forward`.
        """
        return self.project_groups(self.vision_model(pixel_values, forced=forced).last_hidden_state)

    def project_groups(self, groups: Tensor) -> Tensor:
        """``[I, G, C]`` group tokens to ``[I, G, projection_dim]``, *not* normalized."""
        # Flattened, because BatchNorm1d takes the second of three dimensions for channels.
        flat: Tensor = self.visual_projection(groups.flatten(0, 1))
        return flat.unflatten(0, groups.shape[:2])

    def forward(
        self,
        input_ids: Tensor,
        pixel_values: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        return_loss: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        output_segmentation: bool | None = None,
        forced: Forced | None = None,
    ) -> GroupViTOutput:
        """Compare T captions with I images.

        Args:
            input_ids: ``[T, L]`` integers.
            pixel_values: ``[I, channels, H, W]`` floating point; sides multiples of the patch size.
            attention_mask: ``[T, L]``; zero hides a token.
            position_ids: ``[T, L]`` or ``[1, L]`` integers.
            return_loss: add the contrastive loss; needs I = T.
            output_attentions: add the soft maps and the text tower's attention probabilities.
                transformers' joint forward gives the former only.
            output_hidden_states: add the hidden states of both towers. transformers' joint forward
                gives those of the vision tower only.
            output_segmentation: add ``[I, T, H, W]`` logits and the soft maps; by default what the
                configuration says.
            forced: assignments to replay: for each grouping stage a ``[I, N_i]`` int64 tensor or None.

        Raises:
            ValueError: an input of a shape that cannot be used.
        """
        if output_segmentation is None:
            output_segmentation = self.config.output_segmentation
        vision: VisionOutput = self.vision_model(
            pixel_values,
            output_attentions=bool(output_attentions or output_segmentation),
            output_hidden_states=bool(output_hidden_states),
            forced=forced,
        )
        text: TextOutput = self.text_model(
            input_ids,
            attention_mask,
            position_ids,
            output_attentions=bool(output_attentions),
            output_hidden_states=bool(output_hidden_states),
        )
        image_embeds = _unit(self.visual_projection(vision.pooler_output))
        text_embeds = _unit(self.text_projection(text.pooler_output))
        logits_per_text = text_embeds @ image_embeds.t() * self.logit_scale.exp()

        segmentation = None
        if output_segmentation:
            segmentation = self._segment(vision, text_embeds, pixel_values)
        return GroupViTOutput(
            loss=_contrastive_loss(logits_per_text) if return_loss else None,
            logits_per_image=logits_per_text.t(),
            logits_per_text=logits_per_text,
            segmentation_logits=segmentation,
            text_embeds=text_embeds,
            image_embeds=image_embeds,
            text_model_output=text,
            vision_model_output=vision,
        )

    def _segment(self, vision: VisionOutput, text_embeds: Tensor, pixel_values: Tensor) -> Tensor:
        """``[I, T, H, W]``: every group's similarity to a caption, spread over its mask."""
        assert vision.attentions is not None
        # The scale is applied to the similarities and again to their sum: transformers does, and
        # thresholds in the wild are set on it. It also keeps the masks out of the gradient.
        scale = self.logit_scale.exp()
        group_logits = text_embeds @ _unit(self.project_groups(vision.last_hidden_state)).mT * scale
        soft_maps = tuple(soft.detach() for soft in vision.attentions)
        masks = F.interpolate(
            group_masks(soft_maps, vision.grid), size=pixel_values.shape[2:], mode="bilinear"
        )
        # In half precision the soft maps are float32, and so are the logits of the pixels.
        pixels = group_logits.to(masks.dtype) @ masks.flatten(2) * scale
        return pixels.unflatten(2, pixel_values.shape[2:])


def group_masks(soft_maps: Sequence[Tensor], grid: tuple[int, int]) -> Tensor:
    """How much each patch belongs to each final group, through all stages.

    Args:
        soft_maps: one ``[B, G_i, N_i]`` tensor a grouping stage, as the vision tower returns them;
            ``N_0`` is the number of patches and ``N_i`` is ``G_(i-1)``.
        grid: ``(rows, columns)`` of the patches.

    Returns:
        ``[B, G_last, rows, columns]``, summing to 1 over groups. GroupViT, section 3.3.

    Raises:
        ValueError: no soft map, or a grid of another number of patches.
    """
    if not soft_maps:
        raise ValueError("no soft map was given, expected one for each grouping stage")
    rows, columns = grid
    if soft_maps[0].shape[-1] != rows * columns:
        raise ValueError(
            f"the first soft map has {soft_maps[0].shape[-1]} patches, expected {rows} x {columns}"
        )
    joint = soft_maps[0]
    for soft in soft_maps[1:]:
        joint = soft @ joint
    return joint.unflatten(-1, (rows, columns))


def _projection(width: int, config: GroupViTConfig) -> nn.Sequential:
    projection = nn.Sequential(
        nn.Linear(width, config.projection_intermediate_dim),
        nn.BatchNorm1d(config.projection_intermediate_dim),
        nn.ReLU(),
        nn.Linear(config.projection_intermediate_dim, config.projection_dim),
    )
    initialize_linear(projection, config.initializer_range)
    return projection


def _unit(x: Tensor) -> Tensor:
    return x / x.norm(dim=-1, keepdim=True)


def _contrastive_loss(similarity: Tensor) -> Tensor:
    """Symmetric cross entropy, captions against images and images against captions."""
    if similarity.shape[0] != similarity.shape[1]:
        raise ValueError(
            f"the loss was asked for {similarity.shape[0]} captions and {similarity.shape[1]} images, "
            "expected as many captions as images"
        )
    own = torch.arange(similarity.shape[0], device=similarity.device)
    return (F.cross_entropy(similarity, own) + F.cross_entropy(similarity.t(), own)) / 2
