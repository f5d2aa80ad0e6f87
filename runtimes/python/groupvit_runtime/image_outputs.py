"""What decoding needs of the outputs of an image engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count, takewhile
from typing import Final

import numpy as np
from numpy.typing import NDArray

from groupvit_runtime.contract import IMAGE_OUTPUTS
from groupvit_runtime.errors import EngineError
from groupvit_runtime.image_engine import Outputs

_SOFT_MAP: Final = "soft_map_{}"


@dataclass(frozen=True)
class ImageOutputs:
    """The fields carry the outputs' names.

    Attributes:
        image_embeds: float32 [B, P].
        group_embeds: float32 [B, G, P].
        masks: float32 [B, G, H/p, W/p].
        soft_maps: float32 [B, G_i, tokens of stage i] of each stage; none where the engine gives none.
    """

    image_embeds: NDArray[np.float32]
    group_embeds: NDArray[np.float32]
    masks: NDArray[np.float32]
    soft_maps: tuple[NDArray[np.float32], ...] = ()

    @staticmethod
    def of(outputs: Outputs) -> ImageOutputs:
        """Take them from an engine's outputs by name.

        Raises:
            EngineError: one is missing.
        """
        names = takewhile(outputs.__contains__, (_SOFT_MAP.format(stage) for stage in count(1)))
        soft_maps = tuple(_float32(outputs[name]) for name in names)
        try:
            image_embeds, group_embeds, masks = (_float32(outputs[name]) for name in IMAGE_OUTPUTS)
        except KeyError as error:
            raise EngineError(
                "the image engine lacks an output",
                got=sorted(outputs),
                expected=", ".join(IMAGE_OUTPUTS),
                fix="export the bundle again",
            ) from error
        return ImageOutputs(image_embeds, group_embeds, masks, soft_maps)

    @staticmethod
    def joined(parts: Sequence[ImageOutputs]) -> ImageOutputs:
        """Of several runs, one after the other."""
        return ImageOutputs(
            image_embeds=np.concatenate([part.image_embeds for part in parts]),
            group_embeds=np.concatenate([part.group_embeds for part in parts]),
            masks=np.concatenate([part.masks for part in parts]),
            soft_maps=tuple(
                np.concatenate(maps) for maps in zip(*(part.soft_maps for part in parts), strict=True)
            ),
        )


def _float32(array: NDArray[np.generic]) -> NDArray[np.float32]:
    return np.ascontiguousarray(array, dtype=np.float32)
