"""Tiny data sets of every layout, written to a temporary folder: random images, and the masks given.

Every writer takes masks by name, each an integer array [H, W] of mask values, makes an image of the same
size for each, and returns what `--root` would be.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import refusals
from PIL import Image

from groupvit_export.data.dataset import Dataset
from groupvit_export.data.datasets import DatasetError, DatasetOptions, load_dataset
from groupvit_export.data.truth import read_truth
from groupvit_export.errors import GroupViTError

Masks = Mapping[str, np.ndarray]
MASK = np.array([[0, 1, 1], [2, 255, 0]])
NONE = DatasetOptions()

SHAPES_VOCABULARY: Mapping[str, Any] = {
    "classes": ["background", "red circle", "blue square"],
    "values": {"0": 0, "1": 1, "2": 2},
    "ignore": [255],
    "background": True,
    "background_threshold": 0.5,
    "subsets": {"held-out": ["blue square"]},
}

# The things of panoptic_coco_categories.json (cocodataset/panopticapi), in runs of consecutive ids.
COCO_RUNS: dict[int, str] = {
    1: "person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant",
    13: "stop sign,parking meter,bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe",
    27: "backpack,umbrella",
    31: "handbag,tie,suitcase,frisbee,skis,snowboard,sports ball,kite,baseball bat,baseball glove",
    41: "skateboard,surfboard,tennis racket,bottle",
    46: "wine glass,cup,fork,knife,spoon,bowl,banana,apple,sandwich,orange,broccoli,carrot,hot dog",
    59: "pizza,donut,cake,chair,couch,potted plant,bed",
    67: "dining table",
    70: "toilet",
    72: "tv,laptop,mouse,remote,keyboard,cell phone,microwave,oven,toaster,sink,refrigerator",
    84: "book,clock,vase,scissors,teddy bear,hair drier,toothbrush",
}
COCO_CATEGORIES = {
    first + offset: name for first, names in COCO_RUNS.items() for offset, name in enumerate(names.split(","))
}


def write_image(path: Path, size: tuple[int, int], seed: int = 0) -> None:
    """An image of noise; `size` is (height, width)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def mask_image(values: np.ndarray, mode: str = "P") -> Image.Image:
    """Values as an image of mode P (with a palette that is not gray), L, I;16 or 1."""
    if mode == "I;16":
        return Image.fromarray(values.astype(np.uint16))
    if mode == "1":
        return Image.fromarray(values.astype(bool))
    image = Image.fromarray(values.astype(np.uint8))
    if mode == "P":
        image.putpalette([(channel * 37 + 11 * value) % 256 for value in range(256) for channel in range(3)])
    return image


def write_mask(path: Path, values: np.ndarray, mode: str = "P") -> None:
    """A mask as PNG; see `mask_image`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    mask_image(values, mode).save(path, format="PNG")


def write_voc2012(root: Path, masks: Masks, split: str = "val") -> Path:
    """``root/VOCdevkit/VOC2012``."""
    return _write_devkit(
        root, masks, "VOCdevkit/VOC2012", "SegmentationClass", f"ImageSets/Segmentation/{split}.txt"
    )


def write_context(root: Path, masks: Masks, split: str = "val") -> Path:
    """``root/VOCdevkit/VOC2010`` with the masks of PASCAL Context."""
    return _write_devkit(
        root,
        masks,
        "VOCdevkit/VOC2010",
        "SegmentationClassContext",
        f"ImageSets/SegmentationContext/{split}.txt",
    )


def write_coco(root: Path, masks: Masks, split: str = "val2017", suffix: str = "_instanceTrainIds") -> Path:
    """``root/coco``; without `suffix` the masks are COCO-Stuff's own pixel maps."""
    for seed, (name, values) in enumerate(masks.items()):
        write_image(root / "coco" / "images" / split / f"{name}.jpg", values.shape, seed)
        write_mask(root / "coco" / "annotations" / split / f"{name}{suffix}.png", values, "L")
    return root


def write_folder(root: Path, masks: Masks, classes: Sequence[str], image_suffix: str = ".png") -> Path:
    """``root/images``, ``root/masks``, ``root/classes.txt``; names may have folders."""
    for seed, (name, values) in enumerate(masks.items()):
        write_image(root / "images" / f"{name}{image_suffix}", values.shape, seed)
        write_mask(root / "masks" / f"{name}.png", values, "I;16" if values.max() > 255 else "L")
    (root / "classes.txt").write_text("\n".join(classes) + "\n")
    return root


def scenes_document(
    names: Sequence[str], vocabularies: Mapping[str, Any] | None = None, templates: Any = ("a photo of {}",)
) -> dict[str, Any]:
    """What scenes.json holds, for tests that spoil it."""
    return {
        "format": "groupvit-scenes-1",
        "templates": templates if templates is None else list(templates),
        "vocabularies": {"plain": dict(SHAPES_VOCABULARY)} if vocabularies is None else dict(vocabularies),
        "scenes": [{"file": f"{name}.png", "caption": "shapes"} for name in names],
    }


def write_shapes(
    root: Path,
    masks: Masks,
    vocabularies: Mapping[str, Any] | None = None,
    templates: Any = ("a photo of {}",),
) -> Path:
    """``root/images``, ``root/masks``, ``root/scenes.json``; the vocabulary "plain" unless given."""
    for seed, (name, values) in enumerate(masks.items()):
        write_image(root / "images" / f"{name}.png", values.shape, seed)
        write_mask(root / "masks" / f"{name}.png", values, "L")
    (root / "scenes.json").write_text(json.dumps(scenes_document(list(masks), vocabularies, templates)))
    return root


def _write_devkit(root: Path, masks: Masks, folder: str, mask_folder: str, split_file: str) -> Path:
    home = root / folder
    for seed, (name, values) in enumerate(masks.items()):
        write_image(home / "JPEGImages" / f"{name}.jpg", values.shape, seed)
        write_mask(home / mask_folder / f"{name}.png", values)
    split = home / split_file
    split.parent.mkdir(parents=True, exist_ok=True)
    split.write_text("\n".join(masks) + "\n")
    return root


LAYOUTS: dict[str, Callable[[Path], Path]] = {
    "shapes": lambda root: write_shapes(root, {"a": MASK}),
    "voc2012": lambda root: write_voc2012(root, {"a": MASK}),
    "context59": lambda root: write_context(root, {"a": MASK}),
    "context60": lambda root: write_context(root, {"a": MASK}),
    "coco-object": lambda root: write_coco(root, {"a": MASK}),
    "folder": lambda root: write_folder(root, {"a": MASK}, ["background", "x", "y"]),
}


def refused(
    name: str,
    root: Path,
    options: DatasetOptions = NONE,
    *,
    kind: type[GroupViTError] = DatasetError,
    says: str | Path = "",
) -> GroupViTError:
    """The error of loading; every one names what it is about and how to mend it."""
    return refusals.refused(kind, lambda: load_dataset(name, root, options), says)


def truth(dataset: Dataset, index: int, size: tuple[int, int]) -> list[list[int]]:
    """The class of every pixel of a sample, of an image of this size."""
    return read_truth(dataset.samples[index], dataset, size).tolist()
