"""`groupvit segment`."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from groupvit_export.cli.options import (
    Bundle,
    Device,
    LabelNames,
    LabelsFile,
    Templates,
    Threads,
    VerbArguments,
    check_exclusive,
    read_labels,
    read_templates,
)
from groupvit_export.cli.output import note, print_json
from groupvit_runtime.errors import GroupViTError, ImageError, UsageError
from groupvit_runtime.files import write_atomically
from groupvit_runtime.manifest import check_decode
from groupvit_runtime.read_image import list_images
from groupvit_runtime.result import Segmentation
from groupvit_runtime.segmenter import Labels, Segmenter
from groupvit_runtime.vocabulary import Vocabulary


@dataclass(frozen=True, kw_only=True)
class Arguments(VerbArguments):
    """Options of `groupvit segment`."""

    bundle: Bundle
    images: Annotated[list[Path], Argument(metavar="IMAGE", help="files, or folders of them")]
    labels: LabelNames = None
    labels_file: LabelsFile = None
    vocab: Annotated[
        str | None,
        Option(
            "--vocab",
            metavar="V",
            help="a vocabulary inside the bundle, or a file that groupvit vocab wrote",
        ),
    ] = None
    templates: Templates = None
    output: Annotated[
        Path, Option("-o", "--output", metavar="DIR", help="default: segmented", show_default=False)
    ] = Path("segmented")
    force: Annotated[bool, Option("--force", help="overwrite images in the output folder")] = False
    decode: Annotated[
        str | None, Option("--decode", metavar="D", help="hf or paper; default: the bundle's")
    ] = None
    background_threshold: Annotated[
        float | None,
        Option("--background-threshold", metavar="T", help="paper decode: below it a pixel is background"),
    ] = None
    device: Device = None
    threads: Threads = None
    as_json: Annotated[bool, Option("--json", help="print a JSON line an image")] = False
    quiet: Annotated[bool, Option("--quiet", help="print nothing but errors")] = False


def run(arguments: Arguments) -> int:
    check_exclusive(
        {"--labels": arguments.labels, "--labels-file": arguments.labels_file, "--vocab": arguments.vocab},
        required=True,
    )
    threshold = arguments.background_threshold
    if threshold is not None and not 0 <= threshold <= 1:
        raise UsageError("a background threshold is a probability", got=threshold, expected="0 to 1")
    decode = None if arguments.decode is None else check_decode(arguments.decode)
    labels = read_labels(arguments)
    jobs = list(_jobs(arguments.images, arguments.output, force=arguments.force))
    segmenter = Segmenter.load(
        arguments.bundle, device=arguments.device, threads=arguments.threads, decode=decode
    )
    vocabulary = segmenter.vocabulary(
        _named_vocabulary(arguments.vocab or "") if labels is None else labels,
        templates=read_templates(arguments.templates),
    )
    if len(vocabulary) == 1 and threshold is None:
        note(
            "groupvit: note: one name takes the whole picture, whatever it shows, because every pixel gets "
            "the best of the names: add background or another name"
        )
    failed: list[Path] = []
    for number, (image, stem) in enumerate(jobs, 1):
        start = time.perf_counter()
        try:
            result = segmenter(image, vocabulary, background_threshold=threshold)
        except ImageError as error:
            # One bad image must not cost the others.
            failed.append(image)
            note(f"groupvit: error: {error}")
            continue
        milliseconds = (time.perf_counter() - start) * 1000
        files = _write(result, arguments.output, stem)
        if arguments.as_json:
            print_json(_record(image, result, files, milliseconds))
        elif not arguments.quiet:
            shares = ", ".join(f"{name} {share:.0%}" for name, share in result.shares().items())
            print(f"[{number}/{len(jobs)}] {image}: {shares}  ({milliseconds:.0f} ms)\n  {files['overlay']}")
    if failed:
        note(f"groupvit: {len(failed)} of {len(jobs)} images could not be segmented, see above")
        return 1
    return 0


def _named_vocabulary(name: str) -> Labels | str:
    path = Path(name)
    return Vocabulary.load(path) if path.suffix == ".safetensors" or path.is_file() else name


def _jobs(images: list[Path], folder: Path, *, force: bool) -> Iterator[tuple[Path, str]]:
    """Every image with the stem of its results; images of the same name get a number."""
    used: set[str] = set()
    for image in _expanded(images):
        stem, number = image.stem, 1
        while stem in used:
            number += 1
            stem = f"{image.stem}-{number}"
        used.add(stem)
        for path in _paths(folder, stem).values():
            if path.exists() and not force:
                raise GroupViTError(
                    "a result exists already",
                    got=str(path),
                    expected="a folder without it",
                    fix="choose another folder with -o, or add --force to overwrite",
                )
        yield image, stem


def _expanded(images: list[Path]) -> Iterator[Path]:
    for image in images:
        if image.is_dir():
            yield from list_images(image)
        else:
            yield image


def _paths(folder: Path, stem: str) -> dict[str, Path]:
    return {"labels": folder / f"{stem}.labels.png", "overlay": folder / f"{stem}.overlay.png"}


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GroupViTError(
            "the output folder cannot be made",
            got=f"{folder}: {error.strerror}",
            expected="a path that may be written and is no file",
            fix="choose another with -o",
        ) from error


def _write(result: Segmentation, folder: Path, stem: str) -> dict[str, str]:
    # Made for the first result, so that a mistake leaves no empty folder behind.
    _make_folder(folder)
    paths = _paths(folder, stem)
    labels, overlay = io.BytesIO(), io.BytesIO()
    result.save_labels(labels)
    result.overlay().save(overlay, format="PNG")
    write_atomically(paths["labels"], labels.getvalue())
    write_atomically(paths["overlay"], overlay.getvalue())
    return {kind: str(path) for kind, path in paths.items()}


def _record(
    image: Path, result: Segmentation, files: dict[str, str], milliseconds: float
) -> dict[str, object]:
    height, width = result.labels.shape
    return {
        "image": str(image),
        "width": width,
        "height": height,
        "names": list(result.names),
        "shares": result.shares(),
        "scores": result.scores,
        "milliseconds": round(milliseconds, 3),
        **files,
    }
