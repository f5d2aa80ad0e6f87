"""What decoding needs of the outputs of an image engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groupvit_runtime.errors import EngineError
from groupvit_runtime.image_engine import Outputs


@dataclass(frozen=True)
class ImageOutputs:
    """The fields carry the outputs' names.

    Attributes:
        image_embeds: float32 [B, P].
        group_embeds: float32 [B, G, P].
        masks: float32 [B, G, H/p, W/p].
    """

    image_embeds: NDArray[np.float32]
    group_embeds: NDArray[np.float32]
    masks: NDArray[np.float32]

    @staticmethod
    def of(outputs: Outputs) -> ImageOutputs:
        """Take them from an engine's outputs by name.

        Raises:
            EngineError: one is missing.
        """
        try:
            return ImageOutputs(*(_float32(outputs[name]) for name in ImageOutputs.__annotations__))
        except KeyError as error:
            raise EngineError(
                "the image engine lacks an output",
                got=sorted(outputs),
                expected=", ".join(ImageOutputs.__annotations__),
                fix="export the bundle again",
            ) from error

    @staticmethod
    def joined(parts: Sequence[ImageOutputs]) -> ImageOutputs:
        """Of several runs, one after the other."""
        return ImageOutputs(
            image_embeds=np.concatenate([part.image_embeds for part in parts]),
            group_embeds=np.concatenate([part.group_embeds for part in parts]),
            masks=np.concatenate([part.masks for part in parts]),
        )


def _float32(array: NDArray[np.generic]) -> NDArray[np.float32]:
    return np.ascontiguousarray(array, dtype=np.float32)
