"""Checkpoint to bundle: the reference model, its graphs, the targets and the proof that they are equal.

Importing this package imports nothing heavy. From Python:

    from groupvit_export import ExportOptions, export, verify

    result = export(ExportOptions(target="onnx", checkpoint="my-checkpoint"))
    assert verify(result.path).report.verdict == "PASS"
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from groupvit_export.model.groupvit import GroupViTModel
    from groupvit_export.pipeline.api import ExportResult
    from groupvit_export.pipeline.options import ExportOptions
    from groupvit_export.verification.api import Verification, VerifyOptions

__all__ = ["ExportOptions", "VerifyOptions", "export", "load_model", "verify"]

_OPTIONS: Final = {
    "ExportOptions": "groupvit_export.pipeline.options",
    "VerifyOptions": "groupvit_export.verification.api",
}


def export(
    options: ExportOptions,
    *,
    progress: Callable[[str], None] = lambda line: None,
    report: Callable[[str, float, float], None] = lambda what, share, seconds: None,
) -> ExportResult:
    """Build engines out of a checkpoint, hold them against it, and write the bundle.

    Nothing is left behind when a step fails. The image engine takes pixel_values float32 [B, 3, H, W], or
    pixels uint8 [B, H, W, 3] with ``input="uint8"``; its outputs, and those of the text engine, are described
    with names, dtypes and shapes in the bundle's manifest.

    Args:
        options: what to export, and where to; as `groupvit export` has them.
        progress: called with a line a step.
        report: told how far a step is: what goes on, the share done (0 when it begins, 1 at its end), seconds
            since then.

    Returns:
        The bundle's folder, its manifest, and seconds by step.

    Raises:
        UsageError: an option that does not exist, or does not go with another.
        MissingDependencyError: a package of the target is not installed; says what installs it.
        CheckpointError: the weights, the config or the tokenizer cannot be used.
        ExportError: a graph or an engine cannot be made.
        EngineError: the target needs hardware that is not here.
        ParityError: the engines do not equal the reference.
        GroupViTError: of which all of these are; the output exists already.
    """
    from groupvit_export.pipeline.api import export_bundle

    return export_bundle(options, progress, report=report)


def verify(
    bundle: str | Path,
    options: VerifyOptions | None = None,
    *,
    find_divergence: bool = False,
    progress: Callable[[str], None] = lambda line: None,
    report: Callable[[str, float, float], None] = lambda what, share, seconds: None,
) -> Verification:
    """Hold a bundle against the PyTorch reference: ``assert verify(path).report.verdict == "PASS"``.

    Decisions of every token and classes of every pixel are compared, besides the values of all outputs.

    Args:
        bundle: folder or .zip written by `export`.
        options: against what and on what; None for the checkpoint that the bundle records and the scenes of
            the package.
        find_divergence: where it fails, look for the first graph node that does.
        progress: called with a line a step.
        report: told how far a step is, as by `export`.

    Returns:
        The matrix of rows and columns, its verdict, and where it failed first.

    Raises:
        UsageError: an option that does not exist, or does not go with this bundle.
        BundleError: the bundle is damaged.
        CheckpointError: the checkpoint is not there any more, or of another architecture.
        ImageError: there are no images, or one cannot be read.
        EngineError: an engine cannot run here as asked.
        GroupViTError: of which all of these are. That an engine is wrong is a verdict, not an exception.
    """
    from groupvit_export.verification.api import verify_bundle

    return verify_bundle(bundle, options, find_divergence=find_divergence, progress=progress, report=report)


def load_model(checkpoint: str | Path | None = None, *, config: str | Path | None = None) -> GroupViTModel:
    """The reference model of a checkpoint: a PyTorch module, float32, in evaluation mode, on the CPU.

    ``model(input_ids, pixel_values)`` takes int64 [K, L] and float32 [B, 3, H, W] of any size whose sides are
    multiples of the patch size, and gives what the published model gives.

    Args:
        checkpoint: Hugging Face folder or hub id, or NVlabs `.pth`; None for the demo of the package.
        config: config.json to use instead of the checkpoint's.

    Raises:
        CheckpointError: it is missing, of another model, incomplete or not finite.
        MissingDependencyError: a hub id, and huggingface_hub is not installed.
    """
    from groupvit_export.checkpoint.load import build_model, load_checkpoint
    from groupvit_export.data.bundled import DEMO_CHECKPOINT

    return build_model(load_checkpoint(DEMO_CHECKPOINT if checkpoint is None else checkpoint, config=config))


def __getattr__(name: str) -> Any:
    """The classes of options, imported when they are asked for."""
    if name not in _OPTIONS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_OPTIONS[name]), name)
