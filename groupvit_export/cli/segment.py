"""`groupvit segment`."""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Iterator
from pathlib import Path

from groupvit_export.cli.arguments import (
    add_engine_options,
    add_labels,
    add_templates,
    read_labels,
    read_templates,
)
from groupvit_export.cli.output import note, print_json
from groupvit_runtime.errors import GroupViTError, ImageError, UsageError
from groupvit_runtime.files import write_atomically
from groupvit_runtime.read_image import list_images
from groupvit_runtime.result import Segmentation
from groupvit_runtime.segmenter import Labels, Segmenter
from groupvit_runtime.vocabulary import Vocabulary


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", metavar="BUNDLE")
    parser.add_argument("images", nargs="+", type=Path, metavar="IMAGE", help="files, or folders of them")
    add_labels(parser, required=True).add_argument(
        "--vocab", metavar="V", help="a vocabulary inside the bundle, or a file that groupvit vocab wrote"
    )
    add_templates(parser)
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("segmented"), metavar="DIR", help="default: segmented"
    )
    parser.add_argument("--force", action="store_true", help="overwrite images in the output folder")
    parser.add_argument("--decode", help="hf or paper; default: the bundle's")
    parser.add_argument(
        "--background-threshold", type=float, metavar="T", help="paper decode: below it a pixel is background"
    )
    add_engine_options(parser)
    parser.add_argument("--json", action="store_true", help="print a JSON line an image")
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")


def run(arguments: argparse.Namespace) -> int:
    threshold = arguments.background_threshold
    if threshold is not None and not 0 <= threshold <= 1:
        raise UsageError("a background threshold is a probability", got=threshold, expected="0 to 1")
    labels = read_labels(arguments)
    jobs = list(_jobs(arguments.images, arguments.output, force=arguments.force))
    segmenter = Segmenter.load(
        arguments.bundle, device=arguments.device, threads=arguments.threads, decode=arguments.decode
    )
    vocabulary = segmenter.vocabulary(
        _named_vocabulary(arguments.vocab) if labels is None else labels, templates=read_templates(arguments)
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
        if arguments.json:
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
