"""The reference model: eager PyTorch, equal to the published GroupViT, the truth for every engine."""

from groupvit_export.model.groupvit import GroupViTModel, group_masks
from groupvit_export.model.text import GroupViTTextModel
from groupvit_export.model.vision import GroupViTVisionModel

__all__ = ["GroupViTModel", "GroupViTTextModel", "GroupViTVisionModel", "group_masks"]
