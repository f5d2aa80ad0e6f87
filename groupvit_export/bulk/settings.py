"""What a run leaves in the output beside its rows, so that the next one writes rows that mean the same."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from groupvit_export.bulk.folder import Folder
from groupvit_export.bulk.options import SegmentOptions
from groupvit_export.errors import GroupViTError, UsageError
from groupvit_runtime import Vocabulary
from groupvit_runtime.files import LOCK_NAME
from groupvit_runtime.locks import is_at, try_lock

SETTINGS_NAME: Final = "_groupvit.json"
"""Readers of Parquet folders pass over names that begin with an underscore or a dot."""

_NO_MATTER: Final = frozenset({"bundle", "device", "threads"})


def settings_of(options: SegmentOptions, vocabulary: Vocabulary) -> dict[str, Any]:
    """What rows depend on but the image, as JSON has it."""
    kept = {key: value for key, value in asdict(options).items() if key not in _NO_MATTER}
    return {
        **kept,
        "names": list(vocabulary.names),
        "templates": list(vocabulary.templates),
        "fingerprint": vocabulary.fingerprint,
    }


def refuse_other(folder: Folder, settings: dict[str, Any]) -> bool:
    """Refuse a folder whose rows mean something else.

    Args:
        folder: of the output.
        settings: see `settings_of`.

    Returns:
        Whether it has rows that mean the same.

    Raises:
        UsageError: the folder is of another run.
        GroupViTError: it cannot be read.
    """
    try:
        data = folder.read(SETTINGS_NAME)
        there = None if data is None else json.loads(data)
    except (OSError, ValueError) as error:
        raise GroupViTError(
            "what the rows of the output mean cannot be read",
            got=f"{folder.file(SETTINGS_NAME)}: {error}",
            expected="what this command wrote",
            fix="another folder",
        ) from error
    if there is None:
        return False
    other = sorted(key for key in {*there, *settings} if there.get(key) != settings.get(key))
    if other:
        raise UsageError(
            "the output is of another run, and rows of both would stand beside each other",
            got=f"other than in {folder.file(SETTINGS_NAME)}: {', '.join(other)}",
            expected="the same bundle, labels and options",
            fix="another folder",
        )
    return True


def begin(folder: Folder, settings: dict[str, Any]) -> None:
    """Say what the rows of a folder mean, or see that it is the same.

    Raises:
        UsageError, GroupViTError: see `refuse_other`; it cannot be written.
    """
    if not refuse_other(folder, settings):
        text = json.dumps(settings, indent=2, ensure_ascii=False, sort_keys=True)
        folder.write(SETTINGS_NAME, f"{text}\n".encode())


@contextmanager
def the_only_run(folder: Folder) -> Iterator[None]:
    """Keep other runs of this machine out of a local folder: they would do the same images.

    Raises:
        GroupViTError: there is another one.
    """
    if not folder.is_local:
        yield
        return
    path = Path(folder.file(LOCK_NAME))
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if not _held(descriptor, path):
            raise GroupViTError(
                "another run writes into the output",
                got=folder.path,
                expected="one run at a time",
                fix="wait for it, or end it",
            )
        try:
            yield
        finally:
            with suppress(OSError):
                path.unlink()
    finally:
        os.close(descriptor)


def _held(descriptor: int, path: Path) -> bool:
    try:
        # Who had it before may have removed it.
        return try_lock(descriptor) and is_at(descriptor, path)
    except OSError:
        # A file system without locks keeps nobody out.
        return True
