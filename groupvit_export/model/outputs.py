"""What the reference model returns: frozen records of tensors, named as in transformers.

They are registered with PyTorch's trees, so ``torch.export`` can flatten a model's return value.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

__all__ = ["AssignmentResult", "GroupViTOutput", "TextOutput", "VisionOutput"]


@dataclass(frozen=True)
class AssignmentResult:
    """One grouping step: N tokens joined to G groups.

    Attributes:
        features: ``[B, G, C]``, what each group gathered; dtype of the input.
        soft: ``[B, G, N]``, softmax of the logits over groups; float32, or float64 for float64 input.
        index: ``[B, N]`` int64, the group that each token joined.
    """

    features: torch.Tensor
    soft: torch.Tensor
    index: torch.Tensor


@dataclass(frozen=True)
class VisionOutput:
    """Output of the vision tower; G is the number of final groups.

    Attributes:
        last_hidden_state: ``[B, G, C]`` group tokens after the last normalization.
        pooler_output: ``[B, C]``, their mean.
        assignments: one ``[B, N_i]`` int64 tensor a grouping stage.
        grid: ``(rows, columns)`` of patches; ``N_0 = rows * columns``, row-major.
        hidden_states: the input of every stage and the last output before normalization, if asked.
        attentions: one soft map ``[B, G_i, N_i]`` a grouping stage, if asked.
    """

    last_hidden_state: torch.Tensor
    pooler_output: torch.Tensor
    assignments: tuple[torch.Tensor, ...]
    grid: tuple[int, int]
    hidden_states: tuple[torch.Tensor, ...] | None = None
    attentions: tuple[torch.Tensor, ...] | None = None


@dataclass(frozen=True)
class TextOutput:
    """Output of the text tower.

    Attributes:
        last_hidden_state: ``[B, L, C]`` after the last normalization.
        pooler_output: ``[B, C]``, the row of the end-of-text token.
        hidden_states: ``[B, L, C]`` embeddings and the output of every layer, if asked. As in
            transformers 5 the last one is *before* the last normalization.
        attentions: ``[B, heads, L, L]`` of every layer, if asked.
    """

    last_hidden_state: torch.Tensor
    pooler_output: torch.Tensor
    hidden_states: tuple[torch.Tensor, ...] | None = None
    attentions: tuple[torch.Tensor, ...] | None = None


@dataclass(frozen=True)
class GroupViTOutput:
    """Output of the whole model for I images and T captions; D is the joint width.

    Attributes:
        logits_per_image: ``[I, T]`` scaled cosine similarities.
        logits_per_text: its transpose.
        text_embeds: ``[T, D]``, of length 1.
        image_embeds: ``[I, D]``, of length 1.
        text_model_output: of the text tower.
        vision_model_output: of the vision tower.
        loss: symmetric contrastive loss, if asked.
        segmentation_logits: ``[I, T, H, W]``, if asked.
    """

    logits_per_image: torch.Tensor
    logits_per_text: torch.Tensor
    text_embeds: torch.Tensor
    image_embeds: torch.Tensor
    text_model_output: TextOutput
    vision_model_output: VisionOutput
    loss: torch.Tensor | None = None
    segmentation_logits: torch.Tensor | None = None


for _record in (AssignmentResult, VisionOutput, TextOutput, GroupViTOutput):
    torch.export.register_dataclass(_record)
