"""The winning channel of every pixel, of score maps that are given on a coarse grid.

The result is defined by the plain computation, which another language may follow literally. With the
matrices ``rows`` and ``cols`` of :func:`groupvit_runtime.resize.composed_matrix`:

1. columns: ``c[x] = s[j0] + sum over the row's further nodes j of cols[x, j] * (s[j] - s[j0])``, where the
   row's nodes are the nonzero entries of ``cols[x]`` in ascending order and ``j0`` is the first of them;
2. rows: the same with ``rows``, on the result of 1;
3. the channel with the largest value; on equal values the lowest channel.

All in float32, each operation rounded on its own (no fused multiply-add), sums from left to right.

The speed comes from not computing channels that cannot win. A pixel is a weighted mean of the nodes
around it, so a channel whose best node there lies below another channel's worst node loses. Channels are
left out only when they lose by more than rounding could make up, hence the result is the same to the bit.
"""

from __future__ import annotations

from functools import reduce

import numpy as np
import numpy.typing as npt

from groupvit_runtime.interpolation_bands import Axis, BandGroup, interpolation_axis
from groupvit_runtime.resize import FloatArray, IndexArray

LabelMap = npt.NDArray[np.uint16]

# Both values are sums of a few products, each rounded to 2**-24 of the largest score.
_ROUNDING = np.float32(2.0**-16)
# Scores that one block of output columns holds: bounds memory for large vocabularies.
_BLOCK_SCORES = 1 << 19
# Pixels compared at once: two float maps, their labels and a mask then stay in a core's own cache.
_CHUNK_PIXELS = 1 << 14
_BLOCK_LABELS = 1 << 19


def upsampled_argmax(
    scores: FloatArray, size: tuple[int, int], *, through: tuple[int, int] | None = None
) -> LabelMap:
    """Upsample every channel bilinearly and name the largest, the lowest channel on ties.

    Args:
        scores: float32 [K, gh, gw], finite, K from 1 to 65,536.
        size: (h, w) of the result.
        through: (H, W) of an upsampling that comes first; the two are composed, not carried out.

    Returns:
        uint16 [h, w], values 0 to K - 1.
    """
    middle = through or size
    down = interpolation_axis(scores.shape[1], middle[0], size[0])
    across = interpolation_axis(scores.shape[2], middle[1], size[1])
    labels = np.empty(size, np.uint16)
    slack = _ROUNDING * np.abs(scores).max()
    step = max(_BLOCK_SCORES // (scores.shape[0] * scores.shape[1]), 32)
    for start in range(0, size[1], step):
        stop = min(start + step, size[1])
        _label_columns(scores, down, across.part(start, stop), slack, labels[:, start:stop])
    return labels


def _label_columns(scores: FloatArray, down: Axis, across: Axis, slack: np.float32, labels: LabelMap) -> None:
    """Fill ``labels`` [h, columns of ``across``]."""
    left, right = across.bands[0].first, across.bands[-1].first + across.bands[-1].span
    nodes = scores[:, :, left:right]
    channels = _possible_winners(nodes, down.span, across.span, slack)
    if channels.size == 1:
        labels.fill(channels[0])
        return
    columns = _interpolate_columns(nodes[channels], across, left)
    # A byte while it lasts, because labels are touched once for every candidate.
    local = np.empty(labels.shape, np.uint8 if channels.size <= 256 else np.uint16)
    for group in down.groups:
        if group.span == 1:
            for band in group.bands:
                local[band.start : band.stop] = columns[:, band.first].argmax(axis=1)
        else:
            _label_group(columns, group, slack, local)
    names = channels.astype(np.uint16)
    # A few rows at a time: NumPy makes indices of 8 bytes of what it is given.
    step = max(_BLOCK_LABELS // labels.shape[1], 1)
    for top in range(0, len(labels), step):
        names.take(local[top : top + step], out=labels[top : top + step], mode="clip")


def _possible_winners(scores: FloatArray, row_span: int, column_span: int, slack: np.float32) -> IndexArray:
    """The channels that some neighborhood of ``row_span`` x ``column_span`` nodes does not rule out."""
    low, high = scores, scores
    for axis, span in ((1, row_span), (2, column_span)):
        length = scores.shape[axis] - span + 1
        shifted = [(slice(None),) * axis + (slice(offset, offset + length),) for offset in range(span)]
        low = reduce(np.minimum, [low[part] for part in shifted])
        high = reduce(np.maximum, [high[part] for part in shifted])
    possible = high >= low.max(axis=0) - slack
    return np.flatnonzero(possible.any(axis=(1, 2)))


def _interpolate_columns(scores: FloatArray, across: Axis, left: int) -> FloatArray:
    """float32 [w, gh, K], the channels innermost because whole columns of them are compared next."""
    nodes = np.ascontiguousarray(scores.transpose(2, 1, 0))
    result = np.empty((across.bands[-1].stop, *nodes.shape[1:]), np.float32)
    for band in across.bands:
        base = nodes[band.first - left]
        part = result[band.start : band.stop]
        part[...] = base
        for offset in range(1, band.span):
            part += band.weights[offset][:, None, None] * (nodes[band.first - left + offset] - base)
    return result


def _label_group(
    columns: FloatArray, group: BandGroup, slack: np.float32, labels: npt.NDArray[np.unsignedinteger]
) -> None:
    """Fill the rows of a group's bands, which look at two nodes or more.

    A *segment* is one output column within one band: there a channel is a weighted mean of two or three
    values. Segments whose winner is certain are filled; the others compare their candidates only.
    """
    channels, bands = columns.shape[2], len(group.bands)
    nodes = [columns.take(group.first + offset, axis=1) for offset in range(group.span)]
    found = np.flatnonzero(_candidates(nodes, slack))
    segment_of, channel_of = np.divmod(found, channels)
    count = np.bincount(segment_of)
    start = np.cumsum(count) - count
    channel = channel_of.astype(labels.dtype)
    certain = channel[start].reshape(-1, bands)
    for index, band in enumerate(group.bands):
        labels[band.start : band.stop] = certain[:, index]
    values = [node.reshape(-1).take(found) for node in nodes]
    differences = [value - values[0] for value in values[1:]]

    # The most contested segments first: those with an r-th candidate are then the first few of a chunk.
    order = np.argsort(-count, kind="stable")[: np.count_nonzero(count > 1)]
    flat = labels.reshape(-1)
    place = group.place * labels.shape[1]
    step = max(_CHUNK_PIXELS // len(place), 1)
    for chunk in range(0, order.size, step):
        segment = order[chunk : chunk + step]
        column, band_index = np.divmod(segment, bands)
        weights = group.weights[1:].take(band_index, axis=2)
        winner = _compare(values[0], differences, channel, weights, start[segment], count[segment])
        flat[place.take(band_index, axis=1) + column] = winner


def _candidates(nodes: list[FloatArray], slack: np.float32) -> npt.NDArray[np.bool_]:
    """The channels [..., K] that may win somewhere between nodes [..., K]."""
    if len(nodes) == 2:
        return _candidates_of_two(nodes[0], nodes[1], slack)
    floor = reduce(np.minimum, nodes).max(axis=-1, keepdims=True) - slack
    possible: npt.NDArray[np.bool_] = reduce(np.maximum, nodes) >= floor
    return possible


def _candidates_of_two(a: FloatArray, b: FloatArray, slack: np.float32) -> npt.NDArray[np.bool_]:
    """From ``a`` to ``b`` each channel is a straight line, which may win only above the two best ends' lines.

    The larger of those two lines has one kink, so that another line rises highest above it at the kink or
    at an end: three places to look at.
    """
    best_a, best_b = a.argmax(axis=-1)[..., None], b.argmax(axis=-1)[..., None]
    top_a, top_b = np.take_along_axis(a, best_a, -1), np.take_along_axis(b, best_b, -1)
    lead_a = top_a - np.take_along_axis(a, best_b, -1)
    lead_b = top_b - np.take_along_axis(b, best_a, -1)
    kink = lead_a / np.maximum(lead_a + lead_b, np.float32(1e-30))
    top_kink = top_a + kink * (np.take_along_axis(b, best_a, -1) - top_a)
    line = b - a
    line *= kink
    line += a
    possible: npt.NDArray[np.bool_] = line >= top_kink - slack
    possible |= a >= top_a - slack
    possible |= b >= top_b - slack
    return possible


def _compare(
    base: FloatArray,
    differences: list[FloatArray],
    channel: npt.NDArray[np.unsignedinteger],
    weights: FloatArray,
    start: IndexArray,
    count: IndexArray,
) -> npt.NDArray[np.unsignedinteger]:
    """The winners [rows, segments] among the candidates ``start .. start + count - 1`` of each segment.

    ``weights`` is float32 [span - 1, rows, segments]; ``count`` falls from left to right.
    """
    shape = weights.shape[1:]
    best, value, term = (np.empty(shape, np.float32) for _ in range(3))
    wins = np.empty(shape, bool)
    label, mine = (np.empty(shape, channel.dtype) for _ in range(2))
    for rank in range(int(count[0])):
        width = int(np.count_nonzero(count > rank))
        candidate = start[:width] + rank
        now = (best if rank == 0 else value)[:, :width]
        np.multiply(weights[0, :, :width], differences[0][candidate], out=now)
        now += base[candidate]
        for weight, difference in zip(weights[1:], differences[1:], strict=True):
            now += np.multiply(weight[:, :width], difference[candidate], out=term[:, :width])
        if rank == 0:
            label[...] = channel[candidate]
            continue
        np.greater(now, best[:, :width], out=wins[:, :width])
        np.maximum(now, best[:, :width], out=best[:, :width])
        # Candidates ascend, so of two labels the larger is the later winner's.
        np.multiply(wins[:, :width].view(np.uint8), channel[candidate], out=mine[:, :width])
        np.maximum(label[:, :width], mine[:, :width], out=label[:, :width])
    return label
