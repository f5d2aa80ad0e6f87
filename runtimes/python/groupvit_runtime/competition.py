"""Which classes compete for a pixel, and which of them are reported."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from groupvit_runtime.errors import LabelError, UsageError
from groupvit_runtime.label_key import label_key
from groupvit_runtime.vocabulary import Vocabulary

BACKGROUND: Final = "background"
UNLABELED: Final = "unlabeled"
ANYTHING: Final = ""
"""The empty prompt, which one word alone competes with where there is a threshold."""
MAX_NAMES: Final = 65_536


@dataclass(frozen=True, eq=False)
class Competition:
    """Labels, and after them negatives, which compete but are reported as unlabeled.

    Attributes:
        labels: K names.
        negatives: further names.
        embeddings: float32 [K + negatives, P], L2-normalized.
        threshold: scores below it are unlabeled; None for none.
        background: whether a background that the decode makes comes before the labels.
    """

    labels: tuple[str, ...]
    negatives: tuple[str, ...]
    embeddings: NDArray[np.float32]
    threshold: float | None
    background: bool

    @staticmethod
    def of(
        vocabulary: Vocabulary,
        negatives: Vocabulary | None,
        *,
        threshold: float | None,
        background: bool,
    ) -> Competition:
        """Check that the names can be told apart.

        Raises:
            LabelError: a name is both label and negative, or has a meaning of its own here; too many names.
        """
        if background:
            _refuse(
                vocabulary.names,
                BACKGROUND,
                "a label",
                "what the threshold makes",
                "remove the label, or the threshold",
            )
            _refuse(
                negatives.names if negatives else (),
                BACKGROUND,
                "a negative",
                "what the threshold makes",
                "remove the negative, or the threshold",
            )
        embeddings = vocabulary.embeddings
        if negatives is not None:
            embeddings = np.concatenate([embeddings, negatives.embeddings])
        made = Competition(
            vocabulary.names, negatives.names if negatives else (), embeddings, threshold, background
        )
        made._check()
        return made

    @property
    def abstains(self) -> bool:
        """Whether a pixel can be unlabeled."""
        return self.threshold is not None or bool(self.negatives)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the values of a label map."""
        return (*self._reported, UNLABELED) if self.abstains else self._reported

    @property
    def score_names(self) -> tuple[str, ...]:
        """Of the score planes."""
        return (*self._reported, *self.negatives)

    @property
    def unlabeled(self) -> int | None:
        """The label of a pixel that is none of the labels; None where every pixel has one."""
        return len(self._reported) if self.abstains else None

    @property
    def background_index(self) -> int | None:
        """In `names`."""
        return self._reported.index(BACKGROUND) if BACKGROUND in self._reported else None

    @property
    def _reported(self) -> tuple[str, ...]:
        return (BACKGROUND, *self.labels) if self.background else self.labels

    def _check(self) -> None:
        if not self.abstains:
            return
        _refuse(
            self.labels,
            UNLABELED,
            "a label",
            "what pixels are called that are none of the labels",
            "name the label otherwise",
        )
        keys = {label_key(name): name for name in self.labels}
        both = [name for name in self.negatives if label_key(name) in keys]
        if both:
            raise LabelError(
                "a name is both a label and a negative",
                got=", ".join(map(repr, both)),
                expected="negatives that are none of the labels",
                fix="remove it from one of the two",
            )
        if len(self.names) > MAX_NAMES:
            raise LabelError(
                "there are more names than a label map of 16 bits can tell apart",
                got=f"{len(self.names):,}, background and unlabeled included",
                expected=f"at most {MAX_NAMES:,}",
                fix="fewer labels",
            )


def check_threshold(threshold: float | None) -> None:
    """Refuse what is no score.

    Raises:
        UsageError: it is no number from 0 to 1.
    """
    if threshold is None:
        return
    is_number = isinstance(threshold, int | float | np.floating) and not isinstance(threshold, bool)
    if not is_number or not math.isfinite(threshold) or not 0 <= threshold <= 1:
        raise UsageError("the threshold is no score", got=repr(threshold), expected="a number from 0 to 1")


def _refuse(names: tuple[str, ...], reserved: str, what: str, other: str, fix: str) -> None:
    taken = [name for name in names if label_key(name) == label_key(reserved)]
    if taken:
        raise LabelError(
            f"{reserved} is both {what} and {other}", got=repr(taken[0]), expected="one of the two", fix=fix
        )
