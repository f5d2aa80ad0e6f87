"""The data sets that can be evaluated on, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from types import MappingProxyType
from typing import Final

from groupvit_export.data.dataset import Dataset
from groupvit_export.data.datasets.coco import COCO_LAYOUT, load_coco_object
from groupvit_export.data.datasets.errors import DatasetError
from groupvit_export.data.datasets.folder import FOLDER_LAYOUT, load_folder
from groupvit_export.data.datasets.pascal import (
    CONTEXT_LAYOUT,
    VOC_LAYOUT,
    load_context59,
    load_context60,
    load_voc2012,
)
from groupvit_export.data.datasets.shapes import SHAPES_LAYOUT, load_shapes
from groupvit_export.data.datasets.spec import DatasetOptions, DatasetSpec
from groupvit_export.errors import UsageError
from groupvit_export.suggest import closest

__all__ = ["DATASETS", "DatasetError", "DatasetOptions", "DatasetSpec", "load_dataset"]

DATASETS: Final[Mapping[str, DatasetSpec]] = MappingProxyType(
    {
        "shapes": DatasetSpec(
            summary="scenes that examples/shapes draws, with vocabularies of their own",
            layout=SHAPES_LAYOUT,
            load=load_shapes,
            options=("vocabulary",),
        ),
        "voc2012": DatasetSpec(
            summary="PASCAL VOC 2012: 20 classes and background",
            layout=VOC_LAYOUT,
            load=load_voc2012,
            options=("split",),
        ),
        "context59": DatasetSpec(
            summary="PASCAL Context: 59 classes, background ignored",
            layout=CONTEXT_LAYOUT,
            load=load_context59,
            options=("split",),
        ),
        "context60": DatasetSpec(
            summary="PASCAL Context: 59 classes and background, as the paper evaluates it",
            layout=CONTEXT_LAYOUT,
            load=load_context60,
            options=("split",),
        ),
        "coco-object": DatasetSpec(
            summary="COCO: 80 classes and background",
            layout=COCO_LAYOUT,
            load=load_coco_object,
            options=("split",),
        ),
        "folder": DatasetSpec(
            summary="images, masks and a list of class names of your own",
            layout=FOLDER_LAYOUT,
            load=load_folder,
            options=("classes", "ignore_index", "reduce_zero_label"),
        ),
    }
)


def load_dataset(name: str, root: Path, options: DatasetOptions) -> Dataset:
    """Read a data set's lists and class names. No image is opened, and only `folder` looks for them.

    Args:
        name: one of `DATASETS`.
        root: the data set's folder, or for the published ones a folder that holds it.
        options: None in every field that the data set does not have.

    Returns:
        The data set, with at least one sample; keys are unique.

    Raises:
        UsageError: an unknown name, an option that the data set does not have or whose value means
            nothing to it, or no folder at `root`.
        DatasetError: the folder is not laid out as the data set, or one of its lists contradicts itself.
    """
    if name not in DATASETS:
        raise UsageError(
            "there is no data set of this name",
            got=f"--dataset {name!r}",
            expected=", ".join(DATASETS),
            fix=closest(name, DATASETS, "--dataset") or "--dataset folder reads images and masks of your own",
        )
    spec = DATASETS[name]
    _check_options(name, spec, options)
    try:
        _check_root(name, root)
        return spec.load(root, options)
    except OSError as error:
        raise DatasetError(
            "the data set's folders cannot be read",
            got=f"{error.filename or root}: {error.strerror or error}",
            expected="folders that exist and may be read",
            fix="check the path and its permissions",
        ) from error


def _check_root(name: str, root: Path) -> None:
    if not root.is_dir():
        raise UsageError(
            "there is no folder at --root",
            got=f"{root}: {'a file' if root.exists() else 'nothing'}",
            expected=f"the folder of {name}",
            fix=f"check the path (the working directory is {Path.cwd()})",
        )


def _check_options(name: str, spec: DatasetSpec, options: DatasetOptions) -> None:
    for option in (field.name for field in fields(options)):
        value = getattr(options, option)
        if value is not None and option not in spec.options:
            having = ", ".join(other for other in DATASETS if option in DATASETS[other].options)
            raise UsageError(
                f"the data set {name} has no option {_flag(option)}",
                got=f"{_flag(option)} {value}",
                expected=f"for {name} only {', '.join(_flag(legal) for legal in spec.options)}",
                fix=f"leave it out; data sets that have it: {having}",
            )


def _flag(option: str) -> str:
    return f"--{option.replace('_', '-')}"
