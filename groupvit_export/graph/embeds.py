"""The image and its groups into the joint space: one after the other, or together."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class SeparateEmbeds(nn.Module):
    """As the reference does it: the projection runs twice."""

    def forward(self, projection: nn.Module, image: Tensor, groups: Tensor) -> tuple[Tensor, Tensor]:
        """Project.

        Args:
            projection: of [rows, C].
            image: [B, C].
            groups: [B, G, C].

        Returns:
            [B, P] and [B, G, P], not normalized.
        """
        return projection(image), projection(groups.flatten(0, 1)).unflatten(0, groups.shape[:2])


class JointEmbeds(nn.Module):
    """Both as rows of one matrix: the weights are read once."""

    def forward(self, projection: nn.Module, image: Tensor, groups: Tensor) -> tuple[Tensor, Tensor]:
        """See `SeparateEmbeds.forward`."""
        rows = torch.cat([groups, image.unsqueeze(1)], dim=1)
        embeds = projection(rows.flatten(0, 1)).unflatten(0, rows.shape[:2])
        return embeds[:, -1], embeds[:, :-1]
