"""Batches whose process ended before they did: an image that ends it is found, and given up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from groupvit_export.bulk.folder import Folder
from groupvit_export.bulk.parts import digest_of
from groupvit_export.errors import GroupViTError

PREFIX: Final = "_begun-"

DEATHS: Final = 2
"""Of a process, with one image at a time: once may be the machine's doing."""


def forget(folder: Folder) -> None:
    """Take the marks of runs before away: who ended such a run did not mean its images.

    Raises:
        GroupViTError: the folder cannot be changed.
    """
    from pyarrow import fs

    try:
        for found in folder.system.get_file_info(fs.FileSelector(folder.path)):
            if found.base_name.startswith(PREFIX):
                folder.system.delete_file(found.path)
    except OSError as error:
        raise GroupViTError("the output cannot be changed", got=f"{folder.path}: {error}") from error


class Attempt:
    """A mark in the output from the beginning of some images to their end, which a process that dies leaves.

    Args:
        folder: of the output.
        paths: of the images.
    """

    def __init__(self, folder: Folder, paths: Sequence[str]) -> None:
        self._folder, self._name = folder, f"{PREFIX}{digest_of(paths)}"

    def begin(self) -> int:
        """Make the mark.

        Returns:
            How many attempts of this run began before, and did not end.

        Raises:
            GroupViTError: it cannot be written.
            OSError: it cannot be read.
        """
        data = self._folder.read(self._name)
        before = 0 if data is None else int(data or b"0")
        self._folder.write(self._name, b"%d" % (before + 1))
        return before

    def end(self) -> None:
        """Take it away.

        Raises:
            OSError: it cannot be removed.
        """
        self._folder.remove(self._name)
