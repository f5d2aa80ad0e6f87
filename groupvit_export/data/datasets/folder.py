"""A data set of one's own: a folder of images, a folder of masks and a list of class names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NoReturn

from groupvit_export.data.dataset import Dataset, Sample
from groupvit_export.data.datasets.errors import DatasetError
from groupvit_export.data.datasets.home import find_home, layout_error
from groupvit_export.data.datasets.spec import DatasetOptions
from groupvit_export.data.datasets.text_files import check_class_names, read_text
from groupvit_export.data.datasets.values import MASK_VALUES, value_table
from groupvit_export.errors import UsageError
from groupvit_runtime.competition import BACKGROUND
from groupvit_runtime.image_formats import image_suffixes

FOLDER_LAYOUT: Final = """\
ROOT/
  images/**/NAME.jpg   (or any usual format)
  masks/**/NAME.png    (the same name; pixel value = line of classes.txt, from 0; 255 counts nowhere)
  classes.txt          (a class name a line; a first line "background" is the background)"""

_FIX: Final = "--root is the folder that holds images and masks; --classes FILE replaces classes.txt"
_NAMED_IN_ERRORS: Final = 5
_USUALLY_IGNORED: Final = 255


def load_folder(root: Path, options: DatasetOptions) -> Dataset:
    """Line ``n`` of the list of classes (from 0) names the pixels of value ``n``, or with the zero label
    reduced those of ``n + 1``, and 0 is void.

    A sample's key is the image's path below ``images`` without its suffix; its mask lies at the same path
    below ``masks``. Files of other suffixes, and what starts with a dot, are not looked at.

    Raises:
        DatasetError: a part is missing, an image has no mask or a mask no image, two files have one
            name, or the class names cannot be used.
        UsageError: an ignored value is no mask value, or a class's.
    """
    needed = ("images", "masks") if options.classes is not None else ("images", "masks", "classes.txt")
    home = find_home(root, (), needed, FOLDER_LAYOUT, _FIX)
    path = home / "classes.txt" if options.classes is None else options.classes
    classes, background = _read_classes(path)
    first = 1 if options.reduce_zero_label else 0
    ignored = _ignored_values(options.ignore_index, range(first, first + len(classes)), path)
    return Dataset(
        name="folder",
        root=home,
        classes=classes,
        background=background,
        background_threshold=0.95 if background else None,
        class_of_value=value_table(
            {first + label: label for label in range(len(classes))}, {*range(first), *ignored}
        ),
        samples=_pair(home / "images", home / "masks"),
        adjustable=True,
    )


def _read_classes(path: Path) -> tuple[tuple[str, ...], bool]:
    # Only the end may be blank: a line's number is its mask value.
    lines = read_text(path, "the list of classes").rstrip().split("\n")
    names = check_class_names(lines if lines != [""] else [], str(path))
    if names[0].casefold() != BACKGROUND:
        return names, False
    if len(names) == 1:
        raise DatasetError(
            "there is no class beside the background",
            got=f"{path}: {names[0]}",
            expected="at least one further name",
            fix="add the names of the classes, a line each",
        )
    return (BACKGROUND, *names[1:]), True


def _ignored_values(chosen: tuple[int, ...] | None, classes: range, path: Path) -> tuple[int, ...]:
    values = (_USUALLY_IGNORED,) if chosen is None else chosen
    for value in values:
        if not 0 <= value < MASK_VALUES:
            raise UsageError(
                "the ignored value is not a value that a mask can have",
                got=f"--ignore-index {value}",
                expected=f"0 to {MASK_VALUES - 1}",
                fix=f"leave --ignore-index out for {_USUALLY_IGNORED}",
            )
        if value in classes:
            void = value == 0 and chosen is not None
            raise UsageError(
                "the ignored value is also a class",
                got=f"value {value}{' (the default)' if chosen is None else ''}, and {len(classes)} classes "
                f"in {path}, which are the values {classes[0]} to {classes[-1]}",
                expected=f"a value from {classes.stop} to {MASK_VALUES - 1}",
                fix="--reduce-zero-label, if 0 is void and classes count from 1"
                if void
                else f"--ignore-index {MASK_VALUES - 1}, with that value in the masks",
            )
    return values


def _pair(image_folder: Path, masks: Path) -> tuple[Sample, ...]:
    images, truth = _by_key(image_folder, image_suffixes()), _by_key(masks, frozenset((".png",)))
    if not images:
        raise layout_error(
            f"no images in {image_folder} (looked for {' '.join(sorted(image_suffixes()))})",
            FOLDER_LAYOUT,
            _FIX,
        )
    _check_paired(images.keys() - truth.keys(), "images without a mask", image_folder, f"a .png in {masks}")
    _check_paired(
        truth.keys() - images.keys(), "masks without an image", masks, f"an image in {image_folder}"
    )
    return tuple(Sample(key, images[key], truth[key]) for key in sorted(images))


def _by_key(folder: Path, suffixes: frozenset[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in _files(folder):
        if path.suffix.lower() not in suffixes:
            continue
        key = path.relative_to(folder).with_suffix("").as_posix()
        if key in found:
            raise DatasetError(
                "two files have one name; it must say which image belongs to which mask",
                got=f"{found[key]} and {path.name}",
                expected="names that differ in more than the suffix",
                fix="rename one of them, with its counterpart",
            )
        found[key] = path
    return found


def _check_paired(alone: set[str], what: str, folder: Path, counterpart: str) -> None:
    if not alone:
        return
    named = sorted(alone)[:_NAMED_IN_ERRORS]
    more = f" and {len(alone) - len(named)} more" if len(alone) > len(named) else ""
    raise DatasetError(
        f"the data set has {what}",
        got=f"{len(alone)} in {folder}: {', '.join(named)}{more}",
        expected=f"for each of them {counterpart}, with the same name and in the same sub-folder",
        fix="add what is missing, or move these out of the folder",
    )


def _files(folder: Path) -> Iterator[Path]:
    """Every visible file below a folder, links to folders included."""
    seen: set[str] = set()
    for current, folders, names in os.walk(folder, followlinks=True, onerror=_raise):
        # Notebooks keep copies of images in hidden folders.
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        real = os.path.realpath(current)
        if real in seen:
            raise DatasetError(
                "a folder is reached twice; its images would count twice",
                got=f"{current} leads to {real}",
                expected="every folder once",
                fix="remove the link",
            )
        seen.add(real)
        yield from (Path(current, name) for name in sorted(names) if not name.startswith("."))


def _raise(error: OSError) -> NoReturn:
    # os.walk would otherwise leave out a folder that it may not read.
    raise error
