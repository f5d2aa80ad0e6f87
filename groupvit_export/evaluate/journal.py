"""The journal of an evaluation: a line a finished image, so that a killed run can be gone on with."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from groupvit_export.errors import GroupViTError
from groupvit_export.evaluate.identity import Identity
from groupvit_export.evaluate.outcome import Failed, Measured, Run
from groupvit_export.metrics.confusion import ConfusionMatrix
from groupvit_runtime.locks import try_lock
from groupvit_runtime.serialize import from_json, to_json

JOURNAL_NAME: Final = "journal.jsonl"
SCHEMA_VERSION: Final = 2

Entry = Measured | Failed | Run

_FORMAT: Final = "groupvit-eval-journal"
# What every header begins with, because `format` is written first.
_MARK: Final = b'{"format": "' + _FORMAT.encode() + b'"'
_KINDS: Final[Mapping[str, type[Entry]]] = {"measured": Measured, "failed": Failed, "run": Run}
_NAMES: Final[Mapping[type[Entry], str]] = {kind: name for name, kind in _KINDS.items()}
_SHOWN = 60


class Journal:
    """`journal.jsonl`: a header with the `Identity`, then an `Entry` a line, only ever appended to.

    Every line goes to the operating system in one write, so what was finished survives the process; it is
    not forced to the disk, because a power failure costs the last images' time and nothing else. A last
    line without its end is what a kill leaves: it is dropped, and that image done again.

    One process at a time: the file is locked, and the system unlocks it however the process ends.

    Not for many threads: the runner's main thread writes.
    """

    def __init__(self, path: Path, descriptor: int, identity: Identity) -> None:
        self._path = path
        self._descriptor = descriptor
        self._identity = identity

    @staticmethod
    def open(folder: Path, identity: Identity, *, root: Path, force: bool = False) -> Journal:
        """Begin a journal in `folder`, or go on with the one that is there.

        Args:
            folder: made where it is missing.
            identity: of this evaluation.
            root: the data set's folder, written down for people.
            force: discard a journal that is there, whatever its identity.

        Raises:
            GroupViTError: the journal is another evaluation's, is damaged, is in use by another process,
                is no journal, or cannot be written.
        """
        path = folder / JOURNAL_NAME
        try:
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
        except OSError as error:
            raise _unwritable(path, error, begun=path.exists()) from error
        journal = Journal(path, descriptor, identity)
        try:
            journal._lock()
            journal._begin(root, force=force)
        except BaseException:
            os.close(descriptor)
            raise
        return journal

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)

    def entries(self) -> Iterator[Entry]:
        """What the journal holds, in the order in which it was written, read line by line.

        Raises:
            GroupViTError: a line is damaged, or an image was measured twice.
        """
        classes = len(self._identity.classes)
        measured: set[str] = set()
        with self._path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if number == 1:
                    continue
                try:
                    entry = _entry(line, classes)
                    if isinstance(entry, Measured):
                        if entry.key in measured:
                            raise ValueError(f"{entry.key!r} was measured before")
                        measured.add(entry.key)
                except (ValueError, GroupViTError) as error:
                    raise _damaged(self._path, number, error) from error
                yield entry

    def append(self, entry: Entry) -> None:
        """Write one line.

        Raises:
            GroupViTError: it cannot be written.
        """
        self._write({_NAMES[type(entry)]: to_json(entry)})

    def _lock(self) -> None:
        try:
            locked = try_lock(self._descriptor)
        except OSError as error:
            raise GroupViTError(
                "the journal cannot be locked",
                got=f"{self._path}: {error.strerror}",
                expected="a file system with locks",
                fix="choose a folder on a local disk with -o",
            ) from error
        if not locked:
            raise GroupViTError(
                "another evaluation is writing to this folder",
                got=f"{self._path} is locked",
                expected="one process a folder",
                fix="wait until it has finished, or choose another folder with -o",
            )

    def _begin(self, root: Path, *, force: bool) -> None:
        with self._path.open("rb") as file:
            header = file.readline()
        # Shorter than the mark, it may still be the beginning of one.
        if not (header.startswith(_MARK) or (_MARK.startswith(header) and not header.endswith(b"\n"))):
            raise GroupViTError(
                "the output folder has a file of the journal's name that is no journal",
                got=str(self._path),
                expected="a journal that groupvit eval wrote, or none",
                fix="choose another folder with -o, or remove the file yourself",
            )
        if force or not header.endswith(b"\n"):
            os.ftruncate(self._descriptor, 0)
            self._write(
                {
                    "format": _FORMAT,
                    "schema_version": SCHEMA_VERSION,
                    "identity": to_json(self._identity),
                    "root": str(root),
                }
            )
            return
        self._check_header(header)
        os.ftruncate(self._descriptor, self._end_of_last_line())

    def _end_of_last_line(self) -> int:
        with self._path.open("rb") as file:
            return sum(len(line) for line in file if line.endswith(b"\n"))

    def _check_header(self, header: bytes) -> None:
        try:
            value = json.loads(header)
            version = value["schema_version"]
            theirs = value["identity"]
            if not isinstance(theirs, dict):
                raise TypeError("the identity is no object")
        except (ValueError, KeyError, TypeError) as error:
            raise _damaged(self._path, 1, error) from error
        if version != SCHEMA_VERSION:
            raise GroupViTError(
                "the journal has a schema version that this toolkit does not know",
                got=f"schema_version {version!r} in {self._path}",
                expected=SCHEMA_VERSION,
                fix="choose another folder with -o, or add --force to start anew",
            )
        ours = to_json(self._identity)
        different = [name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name)]
        if different:
            raise GroupViTError(
                f"the output folder belongs to another evaluation: {', '.join(different)} differ",
                got="; ".join(f"{name} {_short(ours.get(name))}" for name in different),
                expected="; ".join(f"{name} {_short(theirs.get(name))}" for name in different)
                + f", as in {self._path}",
                fix="choose another folder with -o, or add --force to discard that evaluation",
            )

    def _write(self, value: Mapping[str, Any]) -> None:
        line = json.dumps(value).encode() + b"\n"
        end = os.lseek(self._descriptor, 0, os.SEEK_END)
        try:
            while line:
                line = line[os.write(self._descriptor, line) :]
        except OSError as error:
            # A line may follow yet, of an image that was in work, and must not go on from half of this one.
            with suppress(OSError):
                os.ftruncate(self._descriptor, end)
            raise _unwritable(self._path, error) from error


def _entry(line: bytes, classes: int) -> Entry:
    value = json.loads(line)
    if not isinstance(value, dict) or len(value) != 1 or (name := next(iter(value))) not in _KINDS:
        raise ValueError("no entry of a known kind")
    entry: Entry = from_json(_KINDS[name], value[name], name)
    if isinstance(entry, Measured):
        ConfusionMatrix.from_cells(entry.cells, classes)
    return entry


def _short(value: object) -> str:
    text = "none" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def _damaged(path: Path, number: int, error: Exception) -> GroupViTError:
    reason = error.what if isinstance(error, GroupViTError) else str(error)
    return GroupViTError(
        "the journal is damaged",
        got=f"{path}, line {number}: {reason}",
        expected="the lines that groupvit eval wrote",
        fix=f"delete line {number}, whose image is then done again, or add --force to start anew"
        if number > 1
        else "add --force to start anew, or choose another folder with -o",
    )


def _unwritable(path: Path, error: OSError, *, begun: bool = True) -> GroupViTError:
    # Another folder would begin anew.
    go_on = "mend that, free space for instance, and give the same command again: it goes on from here"
    return GroupViTError(
        "the journal cannot be written",
        got=f"{path}: {error.strerror or error}",
        expected="a folder that may be written, with space left",
        fix=go_on if begun else "make it writable, or choose another folder with -o",
    )
