"""What a result says beyond its label map: scores, groups, and images of them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from groupvit_runtime.colors import palette
from groupvit_runtime.errors import UsageError
from groupvit_runtime.heat import heat_overlay
from groupvit_runtime.render import overlay
from groupvit_runtime.score_planes import ScorePlanes, rows_at_once, strips_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from PIL import Image

    from groupvit_runtime.group_maps import GroupMaps


class SoftResult:
    """The part of a `Segmentation` that is computed of the engine's small outputs, when it is asked for."""

    labels: NDArray[np.uint16]
    image: NDArray[np.uint8]
    score_names: tuple[str, ...]
    _make_planes: Callable[[], ScorePlanes]
    _logits: Callable[[], NDArray[np.float32]] | None
    _groups: GroupMaps
    _words: Callable[[int], tuple[tuple[tuple[str, float], ...], ...]]

    def score_map(self) -> NDArray[np.float32]:
        """float32 [H, W, S]: the score of every one of `score_names` at every pixel, in 0..1.

        By the `hf` decode probabilities, which sum to 1 at each pixel up to rounding
        (:mod:`groupvit_runtime.hf_planes`); by the `paper` decode the scores of which the largest
        wins, which do not (:mod:`groupvit_runtime.paper_planes`). It takes 4 H W S
        bytes; `score_strips` does not.

        Returns:
            A view of an array that lies plane by plane: ``score_map()[:, :, k]`` is contiguous.
        """
        return next(self.score_strips(rows=len(self.labels)))[1]

    def score_strips(self, rows: int | None = None) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """`score_map` from above to below, a few rows at a time.

        Args:
            rows: of a strip; None for as many as take 16 MiB.

        Returns:
            (first row, float32 [rows, W, S]) of each strip, the last of which may have fewer rows.

        Raises:
            UsageError: ``rows`` below 1.
        """
        if rows is not None and (isinstance(rows, bool) or not isinstance(rows, int) or rows < 1):
            raise UsageError("a strip has at least one row", got=repr(rows), expected="1 or more, or None")
        return self._strips(rows or rows_at_once(len(self.score_names), self.labels.shape[1]))

    def _strips(self, rows: int) -> Iterator[tuple[int, NDArray[np.float32]]]:
        height, width = self.labels.shape
        for strip in strips_of(height, rows):
            planes = np.empty((len(self.score_names), strip.stop - strip.start, width), np.float32)
            self._planes.fill(strip.start, planes)
            yield strip.start, planes.transpose(1, 2, 0)

    def coarse_scores(self) -> NDArray[np.float32]:
        """float32 [h, w, S]: scores where the decode computes them, before they are resized to the image.

        By the `hf` decode on the grid of patches; by the `paper` decode on the resized image.
        """
        return self._planes.coarse().transpose(1, 2, 0)

    def heatmap(self, name: str) -> NDArray[np.float32]:
        """float32 [H, W]: the score of one of `score_names` at every pixel, in 0..1.

        Raises:
            KeyError: there is no such name.
        """
        check_name(name, self.score_names)
        plane = np.empty(self.labels.shape, np.float32)
        self._planes.fill_plane(self.score_names.index(name), 0, plane)
        return plane

    @cached_property
    def confidence(self) -> NDArray[np.float32]:
        """float32 [H, W], in 0..1: the largest score at every pixel, that of the class that won it."""
        best = np.empty(self.labels.shape, np.float32)
        self._planes.fill_best(0, best)
        return best

    def segmentation_logits(self) -> NDArray[np.float32]:
        """float32 [S, H', W']: transformers' ``segmentation_logits``, at the size of the engine's input.

        Raises:
            UsageError: it was segmented by the `paper` decode, which has none.
        """
        if self._logits is None:
            raise UsageError(
                "the paper decode has no segmentation logits",
                got="decode='paper'",
                expected="decode='hf', whose logits they are",
                fix="score_map() and coarse_scores() are for both decodes",
            )
        return self._logits()

    @cached_property
    def _planes(self) -> ScorePlanes:
        return self._make_planes()

    def groups(self, stage: int | None = None) -> NDArray[np.uint16]:
        """uint16 [H, W]: the group of a stage that every pixel belongs to.

        By the `paper` decode every window has groups of its own; they are numbered through, and where
        windows overlap the first one counts.

        Args:
            stage: the number of the grouping block, from 1; None for the last.

        Raises:
            UsageError: the model has no such stage, or its engine does not give it.
        """
        return self._groups.at(stage)

    def group_words(self, top: int = 5) -> tuple[tuple[tuple[str, float], ...], ...]:
        """The labels and negatives that fit each group of the last stage best.

        Args:
            top: how many a group at most.

        Returns:
            For each group, by its number in `groups`, pairs of name and probability, the best first: softmax
            over labels and negatives of the scaled similarity of group and text.

        Raises:
            UsageError: ``top`` below 1.
        """
        return self._words(top)

    def heatmap_overlay(
        self,
        name: str,
        *,
        opacity: float = 0.6,
        limits: tuple[float, float] = (0.0, 1.0),
        legend: bool = True,
    ) -> Image.Image:
        """`heatmap` in color over the image in gray, with a colorbar.

        Args:
            name: one of `score_names`.
            opacity: of the colors, 0 to 1.
            limits: scores of the darkest and the brightest color.
            legend: False for the image alone, at its own size.

        Raises:
            KeyError: there is no such name.
            UsageError: an opacity outside 0 to 1, or limits that do not ascend.
        """
        title = f"score of {name or 'the empty prompt'}"
        return heat_overlay(
            self.image, self.heatmap(name), title, opacity=opacity, limits=limits, legend=legend
        )

    def confidence_overlay(
        self, *, opacity: float = 0.6, limits: tuple[float, float] = (0.0, 1.0), legend: bool = True
    ) -> Image.Image:
        """`confidence`, as `heatmap_overlay` shows the score of a name."""
        title = "confidence: score of the best class"
        return heat_overlay(self.image, self.confidence, title, opacity=opacity, limits=limits, legend=legend)

    def groups_overlay(
        self, stage: int | None = None, *, opacity: float = 0.5, legend: bool = True
    ) -> Image.Image:
        """The groups of a stage in color, outlined; the legend gives the best word of each of the last stage.

        Colors belong to the groups' numbers, which mean nothing from one image to the next.

        Args:
            stage: the number of the grouping block, from 1; None for the last.
            opacity: of the colors, 0 to 1.
            legend: False for the image alone, at its own size.

        Raises:
            UsageError: there is no such stage, or an opacity outside 0 to 1.
        """
        groups = self.groups(stage)
        names = [f"group {number}" for number in range(int(groups.max()) + 1)]
        if self._groups.is_last(stage):
            words = [pairs[0] for pairs in self.group_words(top=1)]
            names = [f"{own}: {word} {share:.2f}" for own, (word, share) in zip(names, words, strict=False)]
        colors = palette(len(names))
        return overlay(self.image, groups, names, opacity=opacity, legend=legend, palette=colors)


def check_name(name: str, names: tuple[str, ...]) -> None:
    """Refuse a name that is none.

    Raises:
        KeyError: it is not one of `names`.
    """
    if name not in names:
        raise KeyError(f"{name!r} is not one of {', '.join(map(repr, names))}")
