"""How far an examination is, counted in images that networks are run on."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from groupvit_export.verification.backends import Backend
from groupvit_export.verification.cases import Case
from groupvit_export.verification.reference import Arrays
from groupvit_runtime.contract import PaperDecode
from groupvit_runtime.windows import plan_windows

WorkReport = Callable[[str, float, float], None]
"""Told what goes on, the share that is done (0 to 1), and seconds since the examination began."""

WITH_REFERENCE: Final = 3.0
"""What an image costs on which the reference is run in float64, too, in runs in float32."""

_COSTS: Final[Mapping[str, float]] = {"fp64": 2.0, "fp32": 1.0}
"""In the other precisions assignments differ, and the reference is replayed with them."""

_AGAIN: Final = 3
"""Runs of every image of the largest batch: with the others twice, and alone."""


@dataclass(frozen=True)
class ImageCounts:
    """Of the images that every backend is run on.

    Attributes:
        cases: in all cases together.
        batch: of the largest.
        labels: whose label maps are compared.
        windows: of the images of different shapes.
        label_windows: of those whose label maps are compared.
    """

    cases: int
    batch: int
    labels: int
    windows: int
    label_windows: int

    @staticmethod
    def of(
        cases: Sequence[Case],
        batch: Case,
        images: Mapping[str, NDArray[np.uint8]],
        shapes: Mapping[str, NDArray[np.uint8]],
        paper: PaperDecode | None,
    ) -> ImageCounts:
        """Count them.

        Args:
            cases: of the image engine.
            batch: the one that is run again.
            images: by the `hf` decode.
            shapes: by the `paper` decode.
            paper: None where the engine is not square.
        """
        label_windows, windows = (
            0
            if paper is None
            else sum(len(plan_windows((i.shape[0], i.shape[1]), paper.window).boxes) for i in group.values())
            for group in (images, shapes)
        )
        return ImageCounts(
            sum(len(case.value) for case in cases), len(batch.value), len(images), windows, label_windows
        )

    @property
    def noise(self) -> float:
        """Runs in float32 that it costs to measure what PyTorch is off."""
        return WITH_REFERENCE * (self.cases + self.labels + self.windows + self.label_windows)

    def candidate(self, precision: str) -> float:
        """Runs in float32 that it costs to judge a backend."""
        return cost(precision) * (self.cases + _AGAIN * self.batch + self.labels + self.windows)


def cost(precision: str) -> float:
    """Runs in float32 that one image costs of a backend that is judged."""
    return _COSTS.get(precision, WITH_REFERENCE)


class Workload:
    """Counts runs of the image encoder against those that are to come.

    Args:
        phases: runs in float32 that each costs, in their order.
        report: told after every run.
    """

    def __init__(self, phases: Sequence[float], report: WorkReport) -> None:
        self._phases = phases
        self._report = report
        self._start = time.perf_counter()
        self._begun = 0
        self._what = ""
        self._done = 0.0

    def begin(self, what: str) -> None:
        """The next phase."""
        self._what = what
        self._done = sum(self._phases[: self._begun])
        self._begun += 1
        self._tell()

    def counted(self, backend: Backend, cost: float) -> Backend:
        """The same backend, whose images are counted, each as so many runs."""

        def image(pixel_values: NDArray[np.float32]) -> Arrays:
            outputs = backend.image(pixel_values)
            self._done += cost * len(pixel_values)
            self._tell()
            return outputs

        return replace(backend, image=image)

    def _tell(self) -> None:
        # A phase that takes longer than was foreseen waits at its end.
        share = min(self._done, sum(self._phases[: self._begun])) / sum(self._phases)
        self._report(self._what, share, time.perf_counter() - self._start)
