"""The paper's way of reading GroupViT: hard groups, named by the classes the image is about.

Each pixel of a window belongs to one group and takes that group's class scores; overlapping windows are
averaged, the average is resized to the image, the best class wins. The result is defined by that plain
computation on float32 score maps. It is not computed so: the averaged scores take only as many different
values as there are combinations of groups, so pixels carry a *code*, the number of their combination, and
scores are interpolated only where neighboring codes can disagree about the class.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from groupvit_runtime.contract import PaperDecode
from groupvit_runtime.decode_checks import check_output, check_text
from groupvit_runtime.resize import FloatArray, IndexArray, linear_taps
from groupvit_runtime.upsampled_argmax import LabelMap, upsampled_argmax
from groupvit_runtime.windows import WindowPlan

CodeMap = npt.NDArray[np.int32]

# Three float32 interpolations of scores in 0..1 err by far less.
_ROUNDING = np.float32(2.0**-18)
# Floats that one block of interpolated pixels may hold.
_BLOCK_VALUES = 1 << 18
_BLOCK_LABELS = 1 << 19


@dataclass(frozen=True)
class PaperResult:
    """What the ``paper`` decode finds.

    Attributes:
        labels: uint16 [h, w]. With a background threshold 0 is background and class ``k`` of the
            vocabulary is ``k + 1``; without one, class ``k`` is ``k``.
        background: whether label 0 is background.
    """

    labels: LabelMap
    background: bool


@dataclass(frozen=True, eq=False)
class PaperAverage:
    """The scores of all windows over each pixel of the resized image, averaged.

    Attributes:
        codes: int32 [h, w], a row of `scores`.
        scores: float32 [codes, used channels].
        channels: [used channels] ascending, among them 0; all others score 0 everywhere.
        count: of channels: the classes, and the background before them where there is a threshold.
    """

    codes: CodeMap
    scores: FloatArray
    channels: IndexArray
    count: int

    def labels(self, size: tuple[int, int]) -> LabelMap:
        """Step 3 of :func:`paper_decode`."""
        return _resized_argmax(self.codes, self.scores, size, self.channels)


def paper_affinity(
    group_embeds: FloatArray,
    image_embed: FloatArray,
    text_embeds: FloatArray,
    logit_scale: float,
    decode: PaperDecode,
) -> FloatArray:
    """How much each group of a window is worth for each class.

    In float64: ``a = s * (group . text)`` with ``s = min(exp(logit_scale), max_logit_scale)``; ``p`` is the
    softmax of ``a`` over all classes, ``q`` over the ``top_classes`` with the largest ``image . text``
    (rounded to float32 before they are compared, the lower class first on ties). The result is
    ``p * q``, rounded once.

    Args:
        group_embeds: float32 [G, P], L2-normalized.
        image_embed: float32 [P], L2-normalized.
        text_embeds: float32 [K, P], L2-normalized.
        logit_scale: the checkpoint's parameter, of which the model takes ``exp``.
        decode: number of classes and the scale's limit.

    Returns:
        float32 [G, K], exactly 0 for classes that are not among the top ones.

    Raises:
        EngineError: embeddings that are not finite, or whose shapes do not fit.
        LabelError: embeddings of classes that cannot be used.
    """
    check_output("group_embeds", group_embeds, ("G", "P"))
    check_output("image_embeds", image_embed, (group_embeds.shape[1],))
    check_text(text_embeds, group_embeds.shape[1])
    text = text_embeds.astype(np.float64)
    scale = min(np.exp(np.float64(logit_scale)), decode.max_logit_scale)
    logits = scale * (group_embeds.astype(np.float64) @ text.T)
    relevance = (text @ image_embed.astype(np.float64)).astype(np.float32)
    top = np.sort(np.argsort(-relevance, kind="stable")[: decode.top_classes])
    affinity = np.zeros(logits.shape, np.float32)
    affinity[:, top] = _softmax(logits)[:, top] * _softmax(logits[:, top])
    return affinity


def paper_decode(
    plan: WindowPlan,
    masks: FloatArray,
    group_embeds: FloatArray,
    image_embeds: FloatArray,
    text_embeds: FloatArray,
    logit_scale: float,
    decode: PaperDecode,
    out_size: tuple[int, int],
) -> PaperResult:
    """The class of every pixel of the image, from the engine's outputs for its windows.

    1. A window's soft maps are upsampled bilinearly to the window; a pixel's group is the largest, the
       lowest on ties. Its class scores are the group's row of :func:`paper_affinity`. With a background
       threshold a channel comes first that is 1 where the row's largest score is below
       ``min(threshold, largest score of the window)`` and 0 elsewhere.
    2. On the resized image the scores of all windows over a pixel are added in the windows' order and
       divided by their number, in float32.
    3. The average is resized bilinearly to ``out_size`` (:mod:`groupvit_runtime.resize`); the largest
       channel wins, the lowest on ties.

    Args:
        plan: where the windows lie, from :func:`groupvit_runtime.windows.plan_windows`.
        masks: float32 [n, G, gh, gw], soft maps of each window.
        group_embeds: float32 [n, G, P], L2-normalized.
        image_embeds: float32 [n, P], L2-normalized.
        text_embeds: float32 [K, P], L2-normalized, without a background class.
        logit_scale: the checkpoint's parameter, of which the model takes ``exp``.
        decode: windows, background threshold, number of classes and the scale's limit.
        out_size: (h, w) of the original image.

    Returns:
        The label map.

    Raises:
        EngineError: outputs that are not finite, or whose shapes do not fit the windows.
        LabelError: embeddings of classes that cannot be used.
    """
    average = paper_average(plan, masks, group_embeds, image_embeds, text_embeds, logit_scale, decode)
    return PaperResult(average.labels(out_size), decode.background_threshold is not None)


def paper_average(
    plan: WindowPlan,
    masks: FloatArray,
    group_embeds: FloatArray,
    image_embeds: FloatArray,
    text_embeds: FloatArray,
    logit_scale: float,
    decode: PaperDecode,
) -> PaperAverage:
    """Steps 1 and 2 of :func:`paper_decode`, whose arguments and errors these are."""
    check_output("masks", masks, (len(plan.boxes), "G", "gh", "gw"))
    count, groups = masks.shape[:2]
    check_output("group_embeds", group_embeds, (count, groups, "P"))
    check_output("image_embeds", image_embeds, (count, group_embeds.shape[2]))
    tables = np.stack(
        [
            _with_background(
                paper_affinity(group_embeds[i], image_embeds[i], text_embeds, logit_scale, decode),
                decode.background_threshold,
            )
            for i in range(count)
        ]
    )
    channels = _used_channels(tables)
    group_maps = [upsampled_argmax(window_masks, (plan.side, plan.side)) for window_masks in masks]
    codes, scores = _averaged(plan, group_maps, np.ascontiguousarray(tables[:, :, channels]))
    return PaperAverage(codes, scores, channels, tables.shape[2])


def _softmax(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def _with_background(affinity: FloatArray, threshold: float | None) -> FloatArray:
    if threshold is None:
        return affinity
    limit = min(np.float32(threshold), affinity.max())
    background = affinity.max(axis=1) < limit
    return np.concatenate([background[:, None].astype(np.float32), affinity], axis=1)


def _used_channels(tables: FloatArray) -> IndexArray:
    """Channels that are not 0 everywhere, and the first: where all scores are 0, the lowest wins."""
    used = set(np.flatnonzero((tables != 0).any(axis=(0, 1))).tolist())
    return np.array(sorted(used | {0}), np.intp)


def _averaged(plan: WindowPlan, group_maps: list[LabelMap], tables: FloatArray) -> tuple[CodeMap, FloatArray]:
    """Codes int32 [h, w] of the resized image, and the scores float32 [codes, channels] they stand for."""
    height, width = plan.size
    side = plan.side
    codes = np.empty(plan.size, np.int32)
    scores: list[FloatArray] = []
    offset = 0
    # Between two neighboring edges of windows, the same windows lie over every pixel.
    for top, bottom in _spans([box[0] for box in plan.boxes], side, height):
        for left, right in _spans([box[1] for box in plan.boxes], side, width):
            over = [
                (index, box)
                for index, box in enumerate(plan.boxes)
                if box[0] <= top and bottom <= box[0] + side and box[1] <= left and right <= box[1] + side
            ]
            parts = [group_maps[index][top - y : bottom - y, left - x : right - x] for index, (y, x) in over]
            local, sums = _combined(parts, [tables[index] for index, _ in over])
            np.add(local, offset, out=codes[top:bottom, left:right], casting="same_kind")
            scores.append(sums / np.float32(len(over)))
            offset += len(sums)
    return codes, np.concatenate(scores)


def _spans(starts: list[int], side: int, length: int) -> list[tuple[int, int]]:
    edges = sorted({min(edge, length) for start in starts for edge in (start, start + side)})
    return list(pairwise(edges))


def _combined(parts: list[LabelMap], tables: list[FloatArray]) -> tuple[CodeMap, FloatArray]:
    """The combinations of groups that occur, and the sum of their scores in the windows' order."""
    codes, sums = parts[0].astype(np.int32), tables[0]
    for part, table in zip(parts[1:], tables[1:], strict=True):
        codes = codes * np.int32(len(table)) + part
        # Renumbered at every step: there may be more combinations than integers, but not than pixels.
        occurs = np.zeros(len(sums) * len(table), bool)
        occurs[codes] = True
        used = np.flatnonzero(occurs)
        codes = (np.cumsum(occurs, dtype=np.int32) - np.int32(1)).take(codes)
        sums = sums[used // len(table)] + table[used % len(table)]
    return codes, sums


def _resized_argmax(
    codes: CodeMap, scores: FloatArray, size: tuple[int, int], channels: IndexArray
) -> LabelMap:
    """Of `channels`, the winning one after the scores are resized bilinearly, uint16 [h, w]."""
    winner = scores.argmax(axis=1)
    top, bottom, down = linear_taps(codes.shape[0], size[0])
    left, right, across = linear_taps(codes.shape[1], size[1])
    mixed = np.int32(scores.shape[1])
    cells = np.where(_agreeing(codes, scores, winner), winner.astype(np.int32).take(codes), mixed)
    labels = np.empty(size, np.uint16)
    names = channels.astype(np.uint16)
    # A few rows at a time: places in the image take 8 bytes each.
    rows = max(_BLOCK_LABELS // size[1], 1)
    step = max(_BLOCK_VALUES // scores.shape[1], 1)
    for first in range(0, size[0], rows):
        strip = cells.take(top[first : first + rows], axis=0).take(left, axis=1)
        flat = strip.reshape(-1)
        pixels = np.flatnonzero(flat == mixed)
        for start in range(0, pixels.size, step):
            block = pixels[start : start + step]
            y, x = np.divmod(block, size[1])
            y += first
            above = _lerp(scores, codes[top[y], left[x]], codes[top[y], right[x]], across[x])
            below = _lerp(scores, codes[bottom[y], left[x]], codes[bottom[y], right[x]], across[x])
            below -= above
            below *= down[y, None]
            below += above
            flat[block] = below.argmax(axis=1)
        names.take(strip, out=labels[first : first + rows], mode="clip")
    return labels


def _agreeing(codes: CodeMap, scores: FloatArray, winner: IndexArray) -> npt.NDArray[np.bool_]:
    """For each pixel as the upper left of four: whether any mixture of the four has one known winner.

    So it is where all four have the same winner by more than rounding could undo, or the same code.
    """
    if scores.shape[1] == 1:
        return np.ones(codes.shape, bool)
    second, first = np.partition(scores, -2, axis=1)[:, -2:].T
    certain = first - second > _ROUNDING
    keys = np.where(certain, winner, scores.shape[1] + np.arange(len(scores))).astype(np.int32).take(codes)
    agree = np.ones(codes.shape, bool)
    agree[:, :-1] = keys[:, :-1] == keys[:, 1:]
    agree[:-1] &= agree[1:] & (keys[:-1] == keys[1:])
    return agree


def _lerp(scores: FloatArray, a: CodeMap, b: CodeMap, t: FloatArray) -> FloatArray:
    first, result = scores.take(a, axis=0), scores.take(b, axis=0)
    result -= first
    result *= t[:, None]
    result += first
    return result
