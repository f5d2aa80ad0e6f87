"""Errors of the exporting side; the root is shared with the runtime."""

from __future__ import annotations

from groupvit_runtime.errors import (
    BundleError,
    EngineError,
    GroupViTError,
    ImageError,
    LabelError,
    MissingDependencyError,
    UsageError,
)

__all__ = [
    "BundleError",
    "CheckpointError",
    "EngineError",
    "ExportError",
    "GroupViTError",
    "ImageError",
    "LabelError",
    "MissingDependencyError",
    "ParityError",
    "UsageError",
]


class CheckpointError(GroupViTError):
    """A checkpoint that is missing, of another model, incomplete or not finite."""


class ExportError(GroupViTError):
    """A graph or engine that could not be made."""


class ParityError(GroupViTError):
    """An engine that does not decide as the reference does."""

    exit_code = 3
