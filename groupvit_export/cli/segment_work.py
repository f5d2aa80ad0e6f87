"""What `groupvit segment` does with one image in a thread, while the engine works on another."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from groupvit_export.cli.decoder_messages import read_with_notes
from groupvit_export.cli.segment_journal import Job
from groupvit_export.cli.segment_outputs import Encoded
from groupvit_runtime.result import Segmentation

_LARGE_PIXELS: Final = 8_000_000


@dataclass(frozen=True)
class Segmented:
    """What is left of a result once its files are made; it does not hold the image.

    Attributes:
        width, height: of the image.
        names, shares, scores: of the result.
        encoded: its files, and its objects where they are wanted.
    """

    width: int
    height: int
    names: tuple[str, ...]
    shares: dict[str, float]
    scores: dict[str, float]
    encoded: Encoded


class SegmentWork:
    """Reads, segments and draws; may be called from several threads.

    One image is read at a time, and none while a large one is worked on: so a folder of large ones takes no
    more memory than one of them.

    Args:
        segment: gives the result for pixels.
        encode: makes the files of a job's result.
        max_pixels: as for `read_image`.
        quiet: nothing is noted of images that were read.
    """

    def __init__(
        self,
        segment: Callable[[NDArray[np.uint8]], Segmentation],
        encode: Callable[[Job, Segmentation], Encoded],
        *,
        max_pixels: int | None,
        quiet: bool,
    ) -> None:
        self._segment, self._encode = segment, encode
        self._max_pixels, self._quiet = max_pixels, quiet
        self._reading = threading.Lock()

    def __call__(self, job: Job) -> Segmented:
        """Segment one image.

        Raises:
            GroupViTError: the image cannot be used, or the engine failed.
        """
        with self._reading:
            rgb = read_with_notes(job.image, max_pixels=self._max_pixels, quiet=self._quiet)
            if rgb.shape[0] * rgb.shape[1] > _LARGE_PIXELS:
                return self._segmented(job, rgb)
        return self._segmented(job, rgb)

    def _segmented(self, job: Job, rgb: NDArray[np.uint8]) -> Segmented:
        result = self._segment(rgb)
        height, width = result.labels.shape
        encoded = self._encode(job, result)
        return Segmented(width, height, result.names, result.shares(), result.scores, encoded)
