"""Files beside the journal of an evaluation."""

from __future__ import annotations

from pathlib import Path

from groupvit_export.errors import GroupViTError
from groupvit_runtime.files import write_atomically


def write_output(path: Path, data: bytes) -> None:
    """`write_atomically`, with the advice that loses nothing: another folder would begin anew.

    Raises:
        GroupViTError: it cannot be written.
    """
    try:
        write_atomically(path, data)
    except GroupViTError as error:
        raise GroupViTError(
            error.what,
            got=error.got,
            expected=error.expected,
            fix="mend that, free space for instance, and give the same command again: it goes on from here",
        ) from error
