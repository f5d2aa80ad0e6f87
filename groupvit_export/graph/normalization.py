"""Normalizing inside the engine: pixels in, what the encoder takes out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from groupvit_runtime.contract import Preprocessing


class Normalization(nn.Module):
    """``v * scale + shift`` a channel, in float32.

    The runtime's table rounds ``(v * rescale - mean) / std`` once, from float64; this rounds scale, shift,
    product and sum, and is off from it by a few of the last bits.

    Args:
        spec: scale, mean, std and order of the colors.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, spec: Preprocessing) -> None:
        super().__init__()
        self._is_reversed = spec.color_order == "BGR"
        std, mean = (torch.tensor(values, dtype=torch.float64) for values in (spec.std, spec.mean))
        self.register_buffer("scale", (spec.rescale / std).float())
        self.register_buffer("shift", (-mean / std).float())

    def forward(self, pixels: Tensor) -> Tensor:
        """uint8 [B, H, W, 3] in RGB to float32 [B, 3, H, W] in the color order."""
        # Cast before anything else: TensorRT computes nothing in uint8.
        values = pixels.to(self.scale.dtype)
        if self._is_reversed:
            values = torch.stack([values[..., channel] for channel in (2, 1, 0)], dim=-1)
        return (values * self.scale + self.shift).permute(0, 3, 1, 2)
