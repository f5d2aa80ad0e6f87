"""A file of the bundle for a library that takes paths only."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from groupvit_runtime.manifest import FileInfo
from groupvit_runtime.system_errors import system_refusal


@contextmanager
def private_copy(info: FileInfo, root: Path) -> Iterator[Path]:
    """What was read and compared with its hash, in a temporary folder that is this user's alone.

    Raises:
        BundleError: as `FileInfo.read`.
        GroupViTError: the copy cannot be written.
    """
    data = info.read(root)
    try:
        folder = tempfile.TemporaryDirectory(prefix="groupvit-engine-")
    except OSError as error:
        raise system_refusal(error, failed="the engine cannot be copied") from error
    with folder as name:
        path = Path(name) / PurePosixPath(info.path).name
        try:
            path.write_bytes(data)
        except OSError as error:
            raise system_refusal(error, failed="the engine cannot be copied", path=path) from error
        del data
        yield path
