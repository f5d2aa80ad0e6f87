"""Which files `groupvit segment` makes of an image."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

from groupvit_export.cli.segment_journal import Job
from groupvit_runtime.image_folder import LABELS_SUFFIX, OVERLAY_SUFFIX
from groupvit_runtime.result import Segmentation


@dataclass(frozen=True)
class Outputs:
    """The files that are wanted.

    Attributes:
        gray: label maps without a palette.
    """

    gray: bool = False

    @property
    def suffixes(self) -> tuple[str, ...]:
        """What the names of an image's files end in."""
        return LABELS_SUFFIX, OVERLAY_SUFFIX

    def encode(self, result: Segmentation) -> dict[str, bytes]:
        """The contents of the files, by suffix."""
        labels, overlay = io.BytesIO(), io.BytesIO()
        result.save_labels(labels, gray=self.gray)
        # An overlay is to be looked at: what zlib saves further takes longer than segmenting the image.
        result.overlay().save(overlay, format="PNG", compress_level=1)
        return {LABELS_SUFFIX: labels.getvalue(), OVERLAY_SUFFIX: overlay.getvalue()}

    def paths(self, job: Job) -> dict[str, str]:
        """The paths of an image's files by kind, for machines."""
        return {suffix.split(".")[1]: str(path) for suffix, path in job.results.items()}

    def shown(self, job: Job) -> Path:
        """The one that people look at first."""
        return list(job.results.values())[-1]
