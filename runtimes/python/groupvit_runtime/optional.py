"""Packages that only some callers need: imported where they are used, and named where they are missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from groupvit_runtime.errors import MissingDependencyError
from groupvit_runtime.install_hint import install_hint


@contextmanager
def optional(package: str, *, extra: str | None, needed_for: str) -> Iterator[None]:
    """Around the import of a package.

    Args:
        package: what pip calls it.
        extra: the one that brings it; None where none does.
        needed_for: what it is for.

    Raises:
        MissingDependencyError: it is not installed, or cannot be loaded here.
    """
    try:
        yield
    except ImportError as error:
        raise MissingDependencyError(
            f"{needed_for} needs {package}, which cannot be imported",
            got=str(error),
            expected=f"the package {package}",
            fix=f"pip install {package}{'' if extra is None else f', or {install_hint(extra)}'}",
        ) from error
