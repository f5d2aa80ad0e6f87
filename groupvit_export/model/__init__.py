"""The reference model: eager PyTorch, equal to the published GroupViT, the truth for every engine.

Importing this package imports no PyTorch, because `groupvit_export.model.config` is read without it; the
models are imported when they are asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from groupvit_export.model.groupvit import GroupViTModel, group_masks
    from groupvit_export.model.text import GroupViTTextModel
    from groupvit_export.model.vision import GroupViTVisionModel

__all__ = ["GroupViTModel", "GroupViTTextModel", "GroupViTVisionModel", "group_masks"]

_MODULES: Final = {
    "GroupViTModel": "groupvit",
    "GroupViTTextModel": "text",
    "GroupViTVisionModel": "vision",
    "group_masks": "groupvit",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
