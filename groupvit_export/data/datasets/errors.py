"""The error of a data set on disk."""

from __future__ import annotations

from groupvit_export.errors import GroupViTError


class DatasetError(GroupViTError):
    """A data set that is missing, laid out differently, or described by a file that contradicts itself."""
