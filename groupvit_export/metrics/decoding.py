"""From images to an image engine's inputs, and from its outputs to label maps, without a bundle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groupvit_runtime.contract import PaperDecode, Preprocessing
from groupvit_runtime.decode import hf_decode
from groupvit_runtime.errors import UsageError
from groupvit_runtime.manifest import DecodeName, Preprocessings
from groupvit_runtime.paper import paper_decode
from groupvit_runtime.preprocess import prepare_whole, prepare_windows
from groupvit_runtime.windows import plan_windows

RunImage = Callable[[NDArray[np.float32]], Mapping[str, NDArray[Any]]]
"""pixel_values float32 [B, 3, H, W] to the image engine's outputs by name."""


@dataclass(frozen=True)
class Decoding:
    """One of the two decodes of a model.

    Attributes:
        decode: which.
        image_size: (height, width) of the engine's images.
        preprocessing: of this decode.
        paper: constants of the `paper` decode; None for `hf`.
        logit_scale: the learned parameter, of which the model takes the exponential.
    """

    decode: DecodeName
    image_size: tuple[int, int]
    preprocessing: Preprocessing
    paper: PaperDecode | None
    logit_scale: float

    @staticmethod
    def of(
        decode: DecodeName,
        image_size: tuple[int, int],
        contracts: Preprocessings,
        paper: PaperDecode | None,
        logit_scale: float,
    ) -> Decoding:
        """The decode of this name.

        Raises:
            UsageError: the `paper` decode where the engine is not square.
        """
        if decode == "hf":
            return Decoding(decode, image_size, contracts.hf, None, logit_scale)
        if paper is None:
            raise UsageError(
                "the paper decode cuts images into square windows, and this engine is not square",
                got=f"an engine for {image_size[0]}x{image_size[1]}",
                expected="the hf decode",
            )
        return Decoding(decode, image_size, contracts.paper, paper, logit_scale)

    def inputs(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        """What the engine is given for an image: float32 [n, 3, H, W], n windows, or the whole of it."""
        if self.paper is None:
            return prepare_whole(rgb, self.image_size, self.preprocessing)[None]
        plan = plan_windows((rgb.shape[0], rgb.shape[1]), self.paper.window)
        return prepare_windows(rgb, self.preprocessing, plan)

    def label_map(
        self,
        run: RunImage,
        embeddings: NDArray[np.float32],
        rgb: NDArray[np.uint8],
        background_threshold: float | None,
    ) -> NDArray[np.uint16]:
        """Segment one image; windows are run one by one.

        Args:
            run: the image engine.
            embeddings: float32 [K, P], unit vectors, without the background where a threshold makes it.
            rgb: uint8 [H, W, 3].
            background_threshold: of the `paper` decode; None for no background.

        Returns:
            uint16 [H, W]; with a threshold 0 is the background, and class k of `embeddings` is k + 1.
        """
        runs = [run(window[None]) for window in self.inputs(rgb)]
        masks, groups, image = (
            np.concatenate([np.asarray(outputs[name], np.float32) for outputs in runs])
            for name in ("masks", "group_embeds", "image_embeds")
        )
        size = (rgb.shape[0], rgb.shape[1])
        if self.paper is None:
            return hf_decode(masks[0], groups[0], embeddings, self.image_size, size)
        return paper_decode(
            plan_windows(size, self.paper.window),
            masks,
            groups,
            image,
            embeddings,
            self.logit_scale,
            replace(self.paper, background_threshold=background_threshold),
            size,
        ).labels
