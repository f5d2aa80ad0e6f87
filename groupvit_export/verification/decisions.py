"""Decisions of one grouping block, compared token by token.

ClassPrompts used here: a *flip* is a token whose group is not the one that the reference would have chosen in
the candidate's place. Its *margin* is the distance of the reference's two best logits. With an error of at
most t on every logit, only tokens with a margin of at most 2 t can flip: they are *at risk*, the others are
*safe*. *Regret* is how much worse the chosen group's logit is, by the reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_RELEVANT: Final = 1e-6
"""Probabilities below it cannot win and their logarithm is all rounding; they are left out."""

Index = tuple[int, ...]


@dataclass(frozen=True)
class StageView:
    """One grouping block of one run: log of the soft map [B, G, N] and assignment [B, N]."""

    log_soft: NDArray[np.float64]
    index: NDArray[np.int64]

    @staticmethod
    def of(outputs: Mapping[str, NDArray[Any]], stage: int) -> StageView:
        """The log of a softmax equals the logits up to a constant a token, so no logits are needed."""
        soft = np.asarray(outputs[f"soft_map_{stage}"], dtype=np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            log_soft = np.log(soft)
        return StageView(log_soft, np.asarray(outputs[f"assignment_{stage}"], dtype=np.int64))


@dataclass(frozen=True)
class StageFigures:
    """What differs in one grouping block of one run.

    Attributes:
        tokens: compared.
        at_risk: tokens at risk.
        flips: tokens that flipped.
        safe_flips: (image, token) of those that were safe.
        inconsistent: (image, token) of those whose group is not the best of the candidate's own soft
            map. Groups that the softmax rounded to one probability count as equally good.
        regret: largest regret of a flipped token, in logits.
        shift: largest change of a group's number of tokens.
    """

    tokens: int
    at_risk: int
    flips: int
    safe_flips: tuple[Index, ...]
    inconsistent: tuple[Index, ...]
    regret: float
    shift: int


def compare_stage(candidate: StageView, reference: StageView, budget: float) -> StageFigures:
    """Compare the decisions of one block.

    Args:
        candidate: of the engine.
        reference: the replay of the candidate's earlier assignments.
        budget: t, the largest error of a logit that is allowed.
    """
    decided = reference.log_soft.argmax(axis=1)
    flipped = candidate.index != decided
    at_risk = margins(reference) <= 2 * budget
    best, own = (
        np.take_along_axis(reference.log_soft, index[:, None], 1)[:, 0]
        for index in (decided, candidate.index)
    )
    regret = (best - own)[flipped]
    own_soft = np.take_along_axis(candidate.log_soft, candidate.index[:, None], 1)[:, 0]
    consistent = own_soft >= candidate.log_soft.max(axis=1)
    return StageFigures(
        tokens=flipped.size,
        at_risk=int(at_risk.sum()),
        flips=int(flipped.sum()),
        safe_flips=_indices(flipped & ~at_risk),
        inconsistent=_indices(~consistent),
        regret=float(regret.max()) if regret.size else 0.0,
        shift=_count_shift(candidate.index, decided, reference.log_soft.shape[1]),
    )


def logit_error(candidate: StageView, reference: StageView) -> tuple[float, Index]:
    """Largest difference of a logit among groups that the reference gives a relevant probability.

    Returns:
        The difference, infinite where the candidate is not finite, and where it is: (image, group,
        token).
    """
    with np.errstate(invalid="ignore"):
        difference = np.abs(candidate.log_soft - reference.log_soft)
    difference[~np.isfinite(difference)] = np.inf
    difference[reference.log_soft < np.log(_RELEVANT)] = 0
    return _largest(difference)


def output_error(candidate: NDArray[Any], reference: NDArray[np.float64]) -> tuple[float, Index]:
    """Largest absolute difference, infinite where the candidate is not finite, and where it is."""
    with np.errstate(invalid="ignore"):
        difference = np.atleast_1d(np.abs(np.asarray(candidate, np.float64) - reference))
    difference[~np.isfinite(difference)] = np.inf
    return _largest(difference)


def margins(reference: StageView) -> NDArray[np.float64]:
    """Distance of the reference's two best logits for every token, [B, N]; infinite with one group."""
    if reference.log_soft.shape[1] == 1:
        return np.full(reference.index.shape, np.inf)
    second, first = np.partition(reference.log_soft, -2, axis=1)[:, -2:].swapaxes(0, 1)
    return first - second


def _largest(difference: NDArray[np.float64]) -> tuple[float, Index]:
    where = np.unravel_index(int(difference.argmax()), difference.shape)
    return float(difference[where]), tuple(int(i) for i in where)


def _indices(mask: NDArray[np.bool_]) -> tuple[Index, ...]:
    return tuple((int(image), int(token)) for image, token in np.argwhere(mask))


def _count_shift(chosen: NDArray[np.int64], decided: NDArray[np.int64], groups: int) -> int:
    def counts(index: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.stack([np.bincount(row, minlength=groups) for row in index])

    return int(np.abs(counts(chosen) - counts(decided)).max())
