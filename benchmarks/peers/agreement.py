"""Do the sides compute the same thing? A ratio of times of different computations means nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from benchmarks.peers.sides import LabelMap, Outputs

LEAST_AGREEMENT: Final = 99.5
"""Percent of pixels, for a side that computes in float32."""


class DisagreementError(Exception):
    """A side computes something else, or the image cannot tell."""


@dataclass(frozen=True)
class Agreement:
    """One side beside the reference.

    Attributes:
        pixels: percent of the label map that is the same.
        largest_difference: by output, over the largest magnitude of the reference; empty without an engine.
    """

    pixels: float
    largest_difference: dict[str, float]


def agreement(
    labels: LabelMap, reference: LabelMap, outputs: Outputs | None = None, expected: Outputs | None = None
) -> Agreement:
    """Hold a side's label map and engine outputs against the reference's.

    Raises:
        DisagreementError: shapes differ.
    """
    _same_shape("label maps", labels.shape, reference.shape)
    differences = {}
    if outputs is not None and expected is not None:
        for name in expected:
            _same_shape(name, outputs[name].shape, expected[name].shape)
            scale = float(np.abs(expected[name]).max()) or 1.0
            differences[name] = float(f"{np.abs(outputs[name] - expected[name]).max() / scale:.2g}")
    # Rounded downwards: 100 is said of all pixels only.
    pixels = np.floor(1e5 * float((labels == reference).mean())) / 1e3
    return Agreement(pixels=float(pixels), largest_difference=differences)


def check_telling(reference: LabelMap) -> int:
    """How many labels the reference has; with one alone, any two constants would agree.

    Raises:
        DisagreementError: the label map has one label.
    """
    count = len(np.unique(reference))
    if count < 2:
        raise DisagreementError("the label map has one label only, agreement with it says nothing")
    return count


def check_agreement(
    found: Mapping[str, Agreement], exact: Collection[str], least: float = LEAST_AGREEMENT
) -> None:
    """Stop where a side that computes in float32 labels too many pixels otherwise.

    Args:
        found: by side.
        exact: the sides that compute in float32.
        least: percent of the pixels.

    Raises:
        DisagreementError: naming every such side and its agreement in percent.
    """
    wrong = [
        f"{name} agrees on {side.pixels} % of the pixels"
        for name, side in found.items()
        if name in exact and not side.pixels >= least
    ]
    if wrong:
        raise DisagreementError(f"{'; '.join(wrong)}; at least {least} % is needed, or times mean nothing")


def _same_shape(what: str, shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    if shape != expected:
        raise DisagreementError(f"{what} have other shapes: {shape}, {expected}")
