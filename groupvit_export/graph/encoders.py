"""The two modules that become engines: image to groups, and words to embeddings."""

from __future__ import annotations

import copy
from typing import cast

import torch
from torch import Tensor, nn

from groupvit_export.errors import ExportError
from groupvit_export.graph.grouping_attention import RegroupedAssign
from groupvit_export.graph.normalization import Normalization
from groupvit_export.model.grouping import TokenAssign
from groupvit_export.model.groupvit import GroupViTModel, group_masks
from groupvit_export.model.layers import EncoderLayer
from groupvit_export.model.vision import VisionStage
from groupvit_runtime.contract import IMAGE_INPUT, IMAGE_OUTPUTS, PIXELS_INPUT, Preprocessing


class ImageEncoder(nn.Module):
    """Images of one fixed size to group embeddings and masks.

    The position embedding is interpolated here, once, by PyTorch: the bicubic kernel of other
    runtimes is another one, and a graph that resizes at run time is wrong in silence.

    Args:
        model: the reference, in evaluation mode; it is copied, not changed.
        image_size: (height, width) in pixels, multiples of the patch size.
        normalizes: takes pixels and normalizes them itself, like this; None where they come normalized.

    Raises:
        ExportError: the size does not fit the patches, or the model does not take three colors.
    """

    def __init__(
        self, model: GroupViTModel, image_size: tuple[int, int], normalizes: Preprocessing | None = None
    ) -> None:
        super().__init__()
        patch = model.config.vision_config.patch_size
        if any(side < patch or side % patch for side in image_size):
            raise ExportError(
                "the image size does not divide into patches",
                got=f"{image_size[0]}x{image_size[1]}",
                expected=f"sides that are multiples of {patch}",
                fix=f"--image-size {max(patch, round(image_size[0] / patch) * patch)}",
            )
        channels = model.config.vision_config.num_channels
        if normalizes is not None and channels != 3:
            raise ExportError(
                "pixels have three colors, and the model takes another number of channels",
                got=channels,
                expected=3,
                fix="--input float32",
            )
        self.image_size = image_size
        self.normalization = None if normalizes is None else Normalization(normalizes)
        self.vision_model = copy.deepcopy(model.vision_model).eval()
        self.visual_projection = copy.deepcopy(model.visual_projection).eval()
        self._bake_positions((image_size[0] // patch, image_size[1] // patch))
        for block in self.grouping_blocks():
            block.add_module("assign", RegroupedAssign(block.assign))

    def _bake_positions(self, grid: tuple[int, int]) -> None:
        embeddings = self.vision_model.embeddings
        with torch.no_grad():
            positions = embeddings.positions(grid).clone()
        embeddings.position_embeddings = nn.Parameter(positions, requires_grad=False)
        embeddings.trained_grid = grid

    def grouping_blocks(self) -> list[TokenAssign]:
        """The grouping blocks, first stage first."""
        return [stage.downsample for stage in self._stages() if stage.downsample is not None]

    def layers(self) -> list[EncoderLayer]:
        """The transformer layers of all stages, first stage first."""
        return [cast(EncoderLayer, layer) for stage in self._stages() for layer in stage.layers]

    def _stages(self) -> list[VisionStage]:
        return cast(list[VisionStage], list(self.vision_model.encoder.stages))

    @property
    def input_name(self) -> str:
        """What it takes, by the name in the contract."""
        return IMAGE_INPUT if self.normalization is None else PIXELS_INPUT

    def example(self, batch: int) -> Tensor:
        """An input of zeros."""
        if self.normalization is not None:
            return torch.zeros(batch, *self.image_size, 3, dtype=torch.uint8)
        return torch.zeros(batch, self.vision_model.config.num_channels, *self.image_size)

    def output_names(self) -> tuple[str, ...]:
        """Names of the outputs in order; stages count from 1 as in the paper."""
        stages = range(1, len(self.grouping_blocks()) + 1)
        return (
            *IMAGE_OUTPUTS,
            *(f"soft_map_{stage}" for stage in stages),
            *(f"assignment_{stage}" for stage in stages),
        )

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Encode images.

        Args:
            image: normalized, [B, 3, H, W] float32; or uint8 [B, H, W, 3] where it normalizes itself.

        Returns:
            image_embeds [B, P] and group_embeds [B, G, P], unit vectors; masks [B, G, H/p, W/p], the
            product of the soft maps over the stages; then for every stage its soft map [B, G_s, N_s],
            and for every stage its assignment [B, N_s] int64.
        """
        pixel_values = image if self.normalization is None else self.normalization(image)
        vision = self.vision_model(pixel_values, output_attentions=True)
        groups = vision.last_hidden_state
        image_embeds = self.visual_projection(vision.pooler_output)
        # BatchNorm takes rows.
        group_embeds = self.visual_projection(groups.flatten(0, 1)).unflatten(0, groups.shape[:2])
        return (
            _normalize(image_embeds),
            _normalize(group_embeds),
            group_masks(vision.attentions, vision.grid),
            *vision.attentions,
            *vision.assignments,
        )


class TextEncoder(nn.Module):
    """Token ids to text embeddings that are not normalized yet (templates are averaged first).

    No attention mask: attention is causal and the sentence is read off at its end-of-text token,
    so what stands behind that token cannot be seen.
    """

    def __init__(self, model: GroupViTModel) -> None:
        super().__init__()
        self.text_model = copy.deepcopy(model.text_model).eval()
        self.text_projection = copy.deepcopy(model.text_projection).eval()

    def forward(self, input_ids: Tensor) -> Tensor:
        """Encode sentences.

        Args:
            input_ids: [B, L] int64, filled up with anything that is not pooled at.

        Returns:
            [B, P] float32.
        """
        return self.text_projection(self.text_model(input_ids).pooler_output)


def _normalize(embeds: Tensor) -> Tensor:
    # Not vector_norm: ONNX Runtime's symbolic_shape_infer knows ReduceSum, but no ReduceL2 of opset 18.
    return embeds / (embeds * embeds).sum(dim=-1, keepdim=True).sqrt()
