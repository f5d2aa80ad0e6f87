"""Which results of an output folder are known, so that a run that was stopped can be gone on with."""

from __future__ import annotations

import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Final

from groupvit_runtime.errors import GroupViTError
from groupvit_runtime.files import LOCK_NAME
from groupvit_runtime.locks import locked
from groupvit_runtime.manifest import sha256_of
from groupvit_runtime.segmenter import Segmenter
from groupvit_runtime.serialize import from_json
from groupvit_runtime.system_errors import system_refusal
from groupvit_runtime.vocabulary import Vocabulary

JOURNAL_NAME: Final = ".segmented.jsonl"

_ENDS: Final = {
    ".png": b"IEND\xaeB`\x82",
    ".json": b"}\n",
    ".geojson": b"}\n",
    ".xml": b">\n",
    ".yaml": b"\n",
    ".txt": b"\n",
    # The end of a zip file's directory, with nothing after it.
    ".npz": b"\0\0",
}
"""What a whole file of a kind ends in."""


@dataclass(frozen=True)
class Job:
    """An image, and where its results go.

    Attributes:
        image: its file.
        stem: what the paths of all results begin with.
        suffixes: what they end in, one a result.
    """

    image: Path
    stem: Path
    suffixes: tuple[str, ...]

    @property
    def results(self) -> dict[str, Path]:
        """The paths by their suffixes."""
        return {suffix: self.stem.with_name(self.stem.name + suffix) for suffix in self.suffixes}


@dataclass(frozen=True)
class Entry:
    """What the results of an image will be, written down before they are.

    Attributes:
        stem: of their names, from the output folder on.
        run: see `run_digest`.
        image: sha256 of the image's file.
        results: sha256 of the contents of each, by its suffix.
    """

    stem: str
    run: str
    image: str
    results: dict[str, str]


def run_digest(
    segmenter: Segmenter, vocabularies: Sequence[Vocabulary], *, decode: str, options: Sequence[object]
) -> str:
    """Of everything that results depend on but the image: two runs of the same digest give the same files.

    Args:
        segmenter: that makes them.
        vocabularies: of the labels, and of the negatives.
        decode: "hf" or "paper".
        options: all others; two are equal where they are printed alike.
    """
    parts = [
        version("groupvit-export"),
        replace(segmenter.manifest, vocabularies=()).to_text(),
        segmenter.engine_description,
        *map(_vocabulary_digest, vocabularies),
        *(decode, *map(repr, options)),
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _vocabulary_digest(vocabulary: Vocabulary) -> list[object]:
    embeddings = hashlib.sha256(vocabulary.embeddings.astype("<f4").tobytes()).hexdigest()
    return [vocabulary.names, vocabulary.templates, vocabulary.fingerprint, embeddings]


class SegmentJournal:
    """A line a result, of every run that wrote into the folder; the last one about a file counts.

    Lines that cannot be read are passed over: their results are refused like those of somebody else.

    Args:
        output: the folder; it need not be there.
        run: of this run.
        force: all is done anew, whatever is there.
        begin: a line is written also where there is no journal yet; a single image needs none.
    """

    def __init__(self, output: Path, run: str, *, force: bool, begin: bool) -> None:
        self._output, self._run, self._force = output, run, force
        self._kept = begin or (output / JOURNAL_NAME).exists()
        self._entries: dict[str, Entry] = {}
        self._digests: defaultdict[str, set[str]] = defaultdict(set)
        self._read = 0

    def is_done(self, job: Job) -> bool:
        """Whether all results of an image are there, whole, and what this run would write.

        Raises:
            GroupViTError: there is something else that would be overwritten.
        """
        there = {suffix: path for suffix, path in job.results.items() if os.path.lexists(path)}
        if self._force or not there:
            return False
        self._read_on()
        entry = self._entries.get(self._key(job))
        if entry is None or entry.run != self._run:
            why = "of this bundle, with other options" if entry else "of another origin"
            raise refused(next(iter(there.values())), why)
        whole = [self._is_whole(path, suffix, entry) for suffix, path in there.items()]
        with suppress(OSError):
            return len(whole) == len(job.suffixes) and all(whole) and sha256_of(job.image) == entry.image
        # It cannot be read, and is refused when it is its turn.
        return False

    @contextmanager
    def writing(self, job: Job, contents: Mapping[str, bytes]) -> Iterator[bool]:
        """Around the writing of all results, given by suffix; tells whether they are still to be written.

        Whoever else writes into the folder waits, or has written them meanwhile.

        Raises:
            GroupViTError: see `is_done`; the folder cannot be written.
        """
        try:
            with locked(self._output / LOCK_NAME):
                done = self.is_done(job)
                if not done and self._kept:
                    self._append(self._entry(job, contents))
                yield not done
        except OSError as error:
            raise system_refusal(error, failed="the output cannot be written", path=self._output) from error

    @contextmanager
    def writing_file(self, name: str, digest: str) -> Iterator[bool]:
        """Around the writing of a file of the whole run; gives whether it is still to be written.

        Args:
            name: in the output folder.
            digest: sha256 of what it will be.

        Raises:
            GroupViTError: somebody changed it, or it is of another origin; the folder cannot be written.
        """
        path = self._output / name
        entry = Entry("", self._run, "", {name: digest})
        try:
            with locked(self._output / LOCK_NAME):
                self._read_on()
                there = os.path.lexists(path) and not self._force
                wanted = not (there and self._is_whole(path, name, entry))
                if wanted and self._kept:
                    self._append(entry)
                yield wanted
        except OSError as error:
            raise system_refusal(error, failed="the output cannot be written", path=self._output) from error

    def _entry(self, job: Job, contents: Mapping[str, bytes]) -> Entry:
        digests = {suffix: hashlib.sha256(data).hexdigest() for suffix, data in contents.items()}
        return Entry(self._key(job), self._run, sha256_of(job.image), digests)

    def _append(self, entry: Entry) -> None:
        # The line before may lack its end, where a process was killed.
        line = f"\n{json.dumps(asdict(entry))}\n".encode()
        path = self._output / JOURNAL_NAME
        with path.open("ab", buffering=0) as file:
            end = file.seek(0, os.SEEK_END)
            try:
                while line:
                    line = line[file.write(line) :]
            except OSError:
                file.truncate(end)
                if end == 0:
                    path.unlink()
                raise

    def _read_on(self) -> None:
        """Take in what was written since."""
        try:
            with (self._output / JOURNAL_NAME).open("rb") as file:
                file.seek(self._read)
                data = file.read()
        except FileNotFoundError:
            return
        whole = data[: data.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in filter(None, whole.split(b"\n")):
            with suppress(ValueError, GroupViTError):
                entry = from_json(Entry, json.loads(line), "entry")
                self._entries[entry.stem] = entry
                for suffix, digest in entry.results.items():
                    self._digests[entry.stem + suffix].add(digest)

    def _key(self, job: Job) -> str:
        return job.stem.relative_to(self._output).as_posix()

    def _is_whole(self, path: Path, suffix: str, entry: Entry) -> bool:
        try:
            data = path.read_bytes()
        except OSError as error:
            raise system_refusal(error, failed="a result cannot be read", path=path) from error
        digest = hashlib.sha256(data).hexdigest()
        # Done anew are an earlier result and what a crash of the system cut off, not what somebody changed.
        if data.endswith(_ENDS[path.suffix]) and digest not in self._digests[entry.stem + suffix]:
            raise refused(path, "changed since it was written")
        return digest == entry.results.get(suffix)


def refused(path: Path, why: str) -> GroupViTError:
    """Of a result that is there."""
    return GroupViTError(
        "a result exists already",
        got=f"{path}, {why}",
        expected="a folder without it, or with what the same command wrote",
        fix="choose another folder with -o, or add --force to overwrite",
    )
