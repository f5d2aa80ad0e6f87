"""What is chosen, refused and warned of when a segmenter is loaded."""

from __future__ import annotations

import warnings

from groupvit_runtime.contract import PaperDecode
from groupvit_runtime.errors import ParityWarning, PrecisionWarning, UsageError
from groupvit_runtime.manifest import EngineInfo, Manifest
from groupvit_runtime.precision_cautions import precision_caution
from groupvit_runtime.processor import processor_flags

_BATCH = 8


def choose_batch_size(wanted: int | None, engine: EngineInfo) -> int:
    """Most images that run at once: `wanted`, or 8 and what the engine takes.

    Raises:
        UsageError: the engine does not take as many.
    """
    limit = engine.max_batch
    if wanted is None:
        return min(_BATCH, limit or _BATCH)
    if wanted < 1 or (limit is not None and wanted > limit):
        raise UsageError(
            "the engine cannot run batches of this size",
            got=wanted,
            expected="1 or more" if limit is None else f"1 to {limit}, which the engine was built for",
            fix="a batch size within it" + ("" if limit is None else ", or export for larger batches"),
        )
    return wanted


def check_paper(manifest: Manifest) -> PaperDecode:
    """The settings of the `paper` decode.

    Raises:
        UsageError: the engine has none.
    """
    paper = manifest.decode.paper
    if paper is None:
        height, width = manifest.model.image_size
        raise UsageError(
            "the paper decode cuts images into square windows, and this engine is not square",
            got=f"an engine for {height}x{width}",
            expected="decode='hf', or a square engine",
            fix=f"groupvit export --image-size {min(height, width)} --decode paper",
        )
    return paper


def warn_of_failed_parity(manifest: Manifest) -> None:
    """Warn of a bundle that was exported although it is another model; said where `load` is called."""
    if manifest.verdict == "FAIL":
        warnings.warn(
            f"bundle {manifest.name!r} was exported although it does not equal the reference. "
            "Look into it with: groupvit verify BUNDLE --bisect",
            ParityWarning,
            stacklevel=3,
        )


def warn_of_precision(manifest: Manifest, engine: EngineInfo, device: str | None) -> None:
    """Warn of a precision that is slow on this processor; said where `load` is called."""
    caution = precision_caution(manifest, engine, device, processor_flags())
    if caution is not None:
        warnings.warn(caution, PrecisionWarning, stacklevel=3)
