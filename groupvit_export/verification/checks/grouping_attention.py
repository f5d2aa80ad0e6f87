"""The grouping attention by itself, on inputs that images never give: exact ties, margins by size.

An image has no two groups with equal logits, so an engine with another tie rule passes on every image.
Here the op is cut out of the engine (`isolate.py`) and held against the contract in float64.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from groupvit_export.verification.decisions import Index, StageView, logit_error, margins, output_error
from groupvit_kernels.grouping_attention_reference import grouping_attention

_MARGINS: Final = tuple(10.0**exponent for exponent in range(-7, 1))
"""Of the margin-stratified case: an eighth of the tokens each."""


@dataclass(frozen=True, eq=False)
class OperatorCase:
    """Inputs of the op.

    Attributes:
        name: for people.
        query, tokens, bias: float32 [B, G, C], [B, N, C], [B, G].
        exact: whether float32 computes every logit exactly, so that no token may be decided otherwise.
    """

    name: str
    query: NDArray[np.float32]
    tokens: NDArray[np.float32]
    bias: NDArray[np.float32]
    exact: bool


@dataclass(frozen=True)
class OperatorFigures:
    """What differs in one case.

    Attributes:
        safe_flips: (batch, token) of tokens in another group though their margin is above twice the
            budget; in exact cases every flip.
        flips, tokens: all flips; tokens compared.
        logit_error, soft_error, means_error, count_error: largest errors, and where.
    """

    safe_flips: tuple[Index, ...]
    flips: int
    tokens: int
    logit_error: tuple[float, Index]
    soft_error: tuple[float, Index]
    means_error: tuple[float, Index]
    count_error: tuple[float, Index]


def operator_cases(groups: int, tokens: int, channels: int) -> tuple[OperatorCase, ...]:
    """Inputs for G groups, N tokens and C channels."""
    random = np.random.default_rng([groups, tokens, channels])
    shape = (groups, tokens, channels)
    return (
        _ties(random, *shape),
        _duplicates(random, *shape),
        _one_takes_all(random, *shape),
        _stratified(random, *shape),
        _extreme(random, *shape),
    )


def compare_operator(
    case: OperatorCase, outputs: Mapping[str, NDArray[Any]], eps: float, budget: float
) -> OperatorFigures:
    """Hold the op's outputs against the contract.

    Means and counts are compared for the candidate's own decisions, so that one flip is one fault.

    Args:
        case: what was computed.
        outputs: means [B, G, C], soft [B, G, N], index [B, N], count [B, G].
        eps: added to the counts.
        budget: the largest error of a logit that is allowed.
    """
    truth = grouping_attention(case.query, case.tokens, case.bias, eps)
    reference = StageView(_log_softmax(case), truth.index)
    candidate = StageView.of({"soft_map_1": outputs["soft"], "assignment_1": outputs["index"]}, 1)
    groups = case.query.shape[1]
    flipped = candidate.index != truth.index
    safe = flipped if case.exact else flipped & (margins(reference) > 2 * budget)
    hard = (candidate.index[:, None, :] == np.arange(groups)[None, :, None]).astype(np.float64)
    count = hard.sum(axis=2)
    means = (hard @ case.tokens.astype(np.float64)) / (count + eps)[:, :, None]
    return OperatorFigures(
        safe_flips=tuple((int(batch), int(token)) for batch, token in np.argwhere(safe)),
        flips=int(flipped.sum()),
        tokens=flipped.size,
        logit_error=logit_error(candidate, reference),
        soft_error=output_error(outputs["soft"], truth.soft),
        means_error=output_error(outputs["means"], means),
        count_error=output_error(outputs["count"], count),
    )


def _log_softmax(case: OperatorCase) -> NDArray[np.float64]:
    query, tokens, bias = (x.astype(np.float64) for x in (case.query, case.tokens, case.bias))
    logits: NDArray[np.float64] = query @ tokens.transpose(0, 2, 1) + bias[:, :, None]
    shifted = logits - logits.max(axis=1, keepdims=True)
    result: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return result


def _integers(random: np.random.Generator, shape: tuple[int, ...], highest: int) -> NDArray[np.float32]:
    return random.integers(-highest, highest + 1, shape).astype(np.float32)


def _ties(random: np.random.Generator, groups: int, tokens: int, channels: int) -> OperatorCase:
    """Small integers in a few channels: logits collide all the time, and every sum is exact."""
    query, items = np.zeros((3, groups, channels), np.float32), np.zeros((3, tokens, channels), np.float32)
    used = min(channels, 4)
    query[..., :used] = _integers(random, (3, groups, used), 1)
    items[..., :used] = _integers(random, (3, tokens, used), 1)
    return OperatorCase("exact ties", query, items, np.zeros((3, groups), np.float32), exact=True)


def _duplicates(random: np.random.Generator, groups: int, tokens: int, channels: int) -> OperatorCase:
    """Every group twice, the second time in the other half."""
    query = _integers(random, (2, groups, channels), 1)
    half = groups // 2
    query[:, groups - half :] = query[:, :half]
    bias = _integers(random, (2, groups), 2)
    bias[:, groups - half :] = bias[:, :half]
    return OperatorCase("duplicated groups", query, _integers(random, (2, tokens, channels), 2), bias, True)


def _one_takes_all(random: np.random.Generator, groups: int, tokens: int, channels: int) -> OperatorCase:
    """All tokens alike: one group gets them all, the others are empty and their means exactly 0."""
    items = np.repeat(_integers(random, (1, 1, channels), 2), tokens, axis=1)
    query = _integers(random, (1, groups, channels), 1)
    return OperatorCase("one group takes all", query, items, np.zeros((1, groups), np.float32), exact=True)


def _stratified(random: np.random.Generator, groups: int, tokens: int, channels: int) -> OperatorCase:
    """Tokens moved so that their two best logits lie a given distance apart, for distances of all sizes."""
    query = random.normal(size=(1, groups, channels)) / np.sqrt(channels)
    items = random.normal(size=(1, tokens, channels))
    wanted = np.resize(_MARGINS, tokens)
    for _ in range(3 if groups > 1 else 0):
        # Again and again, because a third group may have come between.
        logits = items[0] @ query[0].T
        second, first = np.argsort(logits, axis=1)[:, -2:].T
        direction = query[0, first] - query[0, second]
        gap = np.take_along_axis(logits, np.stack([first, second], 1), 1)
        step = (wanted - (gap[:, 0] - gap[:, 1])) / (direction**2).sum(axis=1)
        items[0] += step[:, None] * direction
    return OperatorCase(
        "margins from 1e-7 to 1",
        query.astype(np.float32),
        items.astype(np.float32),
        np.zeros((1, groups), np.float32),
        exact=False,
    )


def _extreme(random: np.random.Generator, groups: int, tokens: int, channels: int) -> OperatorCase:
    """Logits in the thousands: beyond half precision, and every soft map is 0 or 1."""
    query = random.normal(size=(1, groups, channels)) * (3000 / np.sqrt(channels))
    items = random.normal(size=(1, tokens, channels))
    bias = random.normal(size=(1, groups)) * 1000
    return OperatorCase(
        "logits in the thousands",
        query.astype(np.float32),
        items.astype(np.float32),
        bias.astype(np.float32),
        exact=False,
    )
