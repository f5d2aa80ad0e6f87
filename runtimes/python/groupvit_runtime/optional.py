"""Packages that only some callers need: imported where they are used, and named where they are missing."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager

from groupvit_runtime.errors import MissingDependencyError
from groupvit_runtime.install_hint import install_hint


@contextmanager
def optional(package: str, *, extra: str | None, needed_for: str) -> Iterator[None]:
    """Around the import of a package, or of several.

    Args:
        package: what pip calls it; several with spaces between them.
        extra: the one that brings it; None where none does.
        needed_for: what it is for.

    Raises:
        MissingDependencyError: it is not installed, or cannot be loaded here.
    """
    try:
        yield
    except ImportError as error:
        names = package.split()
        one = len(names) == 1
        raise MissingDependencyError(
            f"{needed_for} needs {', '.join(names)}, which cannot be imported",
            got=str(error),
            expected=f"the package{'' if one else 's'} {', '.join(names)}",
            fix=f"pip install {shlex.join(names)}{'' if extra is None else f', or {install_hint(extra)}'}",
        ) from error
