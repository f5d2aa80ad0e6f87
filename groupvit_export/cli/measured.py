"""What took long to measure is not lost for a file that cannot be written."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path

from groupvit_export.cli.output import note
from groupvit_export.errors import GroupViTError


def write_measured(path: Path, write: Callable[[Path], None], *, quiet: bool) -> None:
    """Write what was measured, among the temporary files where its place no longer takes it.

    Raises:
        GroupViTError: it is there, or nowhere.
    """
    try:
        write(path)
    except GroupViTError as error:
        kept = Path(tempfile.gettempdir()) / f"groupvit-bench-{uuid.uuid4().hex[:8]}{path.suffix}"
        try:
            write(kept)
        except GroupViTError:
            raise error from None
        raise GroupViTError(
            error.what,
            got=error.got,
            expected=error.expected,
            fix=f"what was measured is in {kept}: mv it where there is place",
        ) from error
    if not quiet:
        note(f"written: {path}")
