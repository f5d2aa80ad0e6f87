"""One image and what is asked of it, checked: what is left is computing."""

from __future__ import annotations

from dataclasses import dataclass

from groupvit_runtime.competition import Competition
from groupvit_runtime.manifest import DecodeName
from groupvit_runtime.pixels import RgbArray


@dataclass(frozen=True, eq=False)
class SegmentationRequest:
    """Made by `Segmenter.prepare`, computed by `Segmenter.compute`.

    Attributes:
        image: uint8 [H, W, 3], RGB, upright.
        competition: the classes.
        decode: "hf" or "paper".
        background_threshold: of the `paper` decode, or None.
    """

    image: RgbArray
    competition: Competition
    decode: DecodeName
    background_threshold: float | None
