"""The groups of every stage: which one a pixel belongs to, and which words fit it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from groupvit_runtime.decode import hf_groups
from groupvit_runtime.decode_checks import check_output, check_text
from groupvit_runtime.errors import UsageError
from groupvit_runtime.resize import FloatArray
from groupvit_runtime.upsampled_argmax import LabelMap
from groupvit_runtime.window_groups import window_groups
from groupvit_runtime.windows import WindowPlan


@dataclass(frozen=True, eq=False)
class StageMaps:
    """Soft maps of images or windows, of every stage.

    Attributes:
        masks: float32 [n, G, gh, gw], the last stage's groups over the patches.
        soft_maps: float32 [n, G_i, G_(i-1)] of each stage, the patches in place of the groups for the first;
            none where the engine does not give them.
        stages: of the model.
    """

    masks: FloatArray
    soft_maps: tuple[FloatArray, ...]
    stages: int

    def of(self, stage: int | None) -> FloatArray:
        """Soft maps of a stage's groups over the patches.

        Those between the first and the last are products of soft maps, summed in float64 and rounded once.

        Args:
            stage: from 1; None for the last.

        Returns:
            float32 [n, G_stage, gh, gw].

        Raises:
            UsageError: the model has no such stage, or the engine does not give its soft maps.
            EngineError: soft maps that are not finite, or whose shapes do not fit.
        """
        number = self._checked(stage)
        if number == self.stages:
            return self.masks
        count, _, *grid = self.masks.shape
        below: int = grid[0] * grid[1]
        for index, soft in enumerate(self.soft_maps[:number], 1):
            check_output(f"soft_map_{index}", soft, (count, "G", below))
            below = soft.shape[1]
        maps = self.soft_maps[0]
        if number > 1:
            exact = (soft.astype(np.float64) for soft in self.soft_maps[:number])
            maps = reduce(lambda lower, upper: upper @ lower, exact).astype(np.float32)
        return maps.reshape(count, below, *grid)

    def _checked(self, stage: int | None) -> int:
        if stage is None:
            return self.stages
        if isinstance(stage, bool) or not isinstance(stage, int) or not 1 <= stage <= self.stages:
            raise UsageError(
                "the model has no such stage",
                got=repr(stage),
                expected=f"1 to {self.stages}, the number of a grouping block, or None for the last",
            )
        if stage < self.stages and len(self.soft_maps) < stage:
            raise UsageError(
                "the engine gives the groups of its last stage only",
                got=f"stage {stage} of {self.stages}, and no output soft_map_{stage}",
                expected=f"{self.stages}, or None",
                fix="export the bundle again with this version of the toolkit",
            )
        return stage


class GroupMaps(Protocol):
    """What a result asks of its groups."""

    def at(self, stage: int | None) -> LabelMap:
        """uint16 [H, W]."""

    def is_last(self, stage: int | None) -> bool:
        """Whether `stage` is the last, whose groups have words."""


@dataclass(frozen=True, eq=False)
class WholeGroups:
    """Groups of an image that was looked at whole: `maps` of one image, `through` the engine's input size."""

    maps: StageMaps
    through: tuple[int, int]
    size: tuple[int, int]

    def at(self, stage: int | None) -> LabelMap:
        return hf_groups(self.maps.of(stage)[0], self.through, self.size)

    def is_last(self, stage: int | None) -> bool:
        return stage in (None, self.maps.stages)


@dataclass(frozen=True, eq=False)
class WindowedGroups:
    """Groups of an image that was cut into windows, numbered through."""

    maps: StageMaps
    plan: WindowPlan
    size: tuple[int, int]

    def at(self, stage: int | None) -> LabelMap:
        return window_groups(self.plan, self.maps.of(stage), self.size)

    def is_last(self, stage: int | None) -> bool:
        return stage in (None, self.maps.stages)


def words_of_groups(
    group_embeds: FloatArray, text_embeds: FloatArray, scale: float, names: Sequence[str], top: int
) -> tuple[tuple[tuple[str, float], ...], ...]:
    """The words that fit each group best.

    Args:
        group_embeds: float32 [..., G, P], L2-normalized.
        text_embeds: float32 [S, P], L2-normalized.
        scale: what similarities are multiplied by before the softmax over the words, in float64.
        names: S words.
        top: how many words a group at most.

    Returns:
        For each group words with probabilities (rounded once to float32), the best first and the first of
        equal ones before the others.

    Raises:
        UsageError: ``top`` below 1.
        EngineError: group embeddings that are not finite.
        LabelError: embeddings of words that cannot be used.
    """
    if isinstance(top, bool) or not isinstance(top, int) or top < 1:
        raise UsageError("a group has at least one word", got=repr(top), expected="1 or more")
    flat = group_embeds.reshape(-1, group_embeds.shape[-1])
    check_output("group_embeds", flat, ("G", "P"))
    check_text(text_embeds, flat.shape[1])
    logits = scale * (flat.astype(np.float64) @ text_embeds.T.astype(np.float64))
    powers: NDArray[np.float64] = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
    best = np.argsort(-shares, axis=1, kind="stable")[:, :top]
    return tuple(
        tuple((names[index], float(row[index])) for index in chosen.tolist())
        for row, chosen in zip(shares, best, strict=True)
    )
