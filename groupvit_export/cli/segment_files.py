"""Which images `groupvit segment` takes, and what their results are called."""

from __future__ import annotations

import errno
import glob
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from groupvit_export.cli.segment_journal import Job, SegmentJournal, refused
from groupvit_runtime.errors import GroupViTError, ImageError
from groupvit_runtime.files import write_atomically
from groupvit_runtime.image_folder import image_folder, is_result


@dataclass(frozen=True)
class Plan:
    """All images of a run.

    Attributes:
        jobs: in the order they are done.
        notes: a line for every folder of which something was left out.
    """

    jobs: tuple[Job, ...]
    notes: tuple[str, ...]


def plan(
    images: Sequence[Path], output: Path, suffixes: tuple[str, ...], *, recursive: bool, known: bool
) -> Plan:
    """Find the images, and names for their results.

    Results have the stem of their image, below a folder the path from it. Equal ones get a number.

    Args:
        images: files and folders.
        output: where results go.
        suffixes: of an image's results.
        recursive: into folders below the folders.
        known: results may be there already: a journal knows them, or they are to be overwritten.

    Raises:
        ImageError: a folder is not there or has no image.
        GroupViTError: a result exists, and that is not `known`.
    """
    jobs: list[Job] = []
    notes: list[str] = []
    used: set[str] = set()
    for image, stem in _stems(images, recursive, notes):
        name, number = stem, 1
        # Also where the file system does not tell large letters from small ones.
        while str(name).casefold() in used:
            number += 1
            name = stem.with_name(f"{stem.name}-{number}")
        used.add(str(name).casefold())
        job = Job(image, output / name, suffixes)
        for path in job.results.values():
            # False for a name that cannot be: the image is refused when it is its turn.
            if os.path.lexists(path) and not known:
                raise refused(path, "of another origin")
        jobs.append(job)
    return Plan(tuple(jobs), tuple(notes))


def write_results(job: Job, contents: Mapping[str, bytes], journal: SegmentJournal) -> None:
    """Write all results of an image, unless another process has done so meanwhile.

    None is forced to the disk, which would take longer than segmenting does: after a crash of the system
    the journal tells what was cut off.

    Args:
        job: the image.
        contents: of its results, by their suffixes.
        journal: of the output folder.

    Raises:
        GroupViTError: the folder cannot be made or written, or does not take the names; then there is no
        result.
    """
    # Made for the first result, so that a mistake leaves no empty folder behind.
    try:
        job.stem.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GroupViTError(
            "the output folder cannot be made",
            got=f"{job.stem.parent}: {error.strerror}",
            expected="a path that may be written and is no file",
            fix="choose another with -o",
        ) from error
    # The longest one, so that there is never one without the others.
    _check_name(max(job.results.values(), key=lambda path: len(path.name)), job.image)
    with journal.writing(job, contents) as wanted:
        if wanted:
            for suffix, path in job.results.items():
                write_atomically(path, contents[suffix], durable=False)


def _stems(images: Sequence[Path], recursive: bool, notes: list[str]) -> Iterator[tuple[Path, Path]]:
    for image in images:
        if not os.path.isdir(image):  # noqa: PTH112 - which is False for a name that cannot be
            yield from ((found, Path(found.stem)) for found in _matching(image))
            continue
        found = image_folder(image, recursive=recursive)
        line = found.left_out_line()
        if line is not None:
            notes.append(line)
        yield from ((path, path.relative_to(image).with_suffix("")) for path in found.images)


def _matching(image: Path) -> list[Path]:
    """The files of a pattern that the shell left alone, in the order of their names; else the path itself.

    Raises:
        ImageError: the pattern has none.
    """
    if os.path.lexists(image) or not glob.has_magic(str(image)):
        return [image]
    found = [Path(name) for name in sorted(glob.glob(str(image), recursive=True))]  # noqa: PTH207
    images = [path for path in found if path.is_file() and not is_result(path)]
    if not images:
        raise ImageError(
            "no file has a name of this pattern",
            got=str(image),
            expected="a pattern of images, such as 'images/*.jpg' or 'images/**/*.jpg'",
            fix="check it with ls",
        )
    return images


def _check_name(path: Path, image: Path) -> None:
    try:
        path.lstat()
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise GroupViTError(
                "the results of an image cannot have its name",
                got=f"{len(os.fsencode(path.name))} bytes: {path.name}",
                expected="a name that the file system takes, mostly 255 bytes at most",
                fix=f"rename {image} to something shorter",
            ) from error
