"""A file of the bundle that is a zip archive, for a library that takes paths only."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from groupvit_runtime.manifest import FileInfo
from groupvit_runtime.system_errors import system_refusal
from groupvit_runtime.temporary import scratch_folder


@contextmanager
def unpacked(info: FileInfo, root: Path) -> Iterator[Path]:
    """What was read and compared with its hash, unpacked into a temporary folder that is this user's alone.

    Raises:
        BundleError: as `FileInfo.read`.
        zipfile.BadZipFile: it is no archive, or unpacks to more than it is.
        GroupViTError: the copy cannot be written.
    """
    data = info.read(root)
    with zipfile.ZipFile(io.BytesIO(data)) as archive, ExitStack() as stack:
        if sum(member.file_size for member in archive.infolist()) > len(data):
            raise zipfile.BadZipFile("its members are larger than the archive")
        try:
            folder = stack.enter_context(scratch_folder("engine"))
            archive.extractall(folder)
        except OSError as error:
            raise system_refusal(error, failed="the engine cannot be copied") from error
        del data
        archive.close()
        yield folder
