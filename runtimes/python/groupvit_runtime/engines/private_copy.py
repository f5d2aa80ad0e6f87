"""A file of the bundle for a library that takes paths only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath

from groupvit_runtime.manifest import FileInfo
from groupvit_runtime.system_errors import system_refusal
from groupvit_runtime.temporary import scratch_folder


@contextmanager
def private_copy(info: FileInfo, root: Path) -> Iterator[Path]:
    """What was read and compared with its hash, in a temporary folder that is this user's alone.

    Raises:
        BundleError: as `FileInfo.read`.
        GroupViTError: the copy cannot be written.
    """
    data = info.read(root)
    with ExitStack() as stack:
        try:
            path = stack.enter_context(scratch_folder("engine")) / PurePosixPath(info.path).name
            path.write_bytes(data)
        except OSError as error:
            raise system_refusal(error, failed="the engine cannot be copied") from error
        del data
        yield path
