"""Drawn scenes, with several vocabularies for the same masks."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from groupvit_export.data.dataset import Dataset, Sample
from groupvit_export.data.datasets.home import find_home
from groupvit_export.data.datasets.scenes_file import read_scenes
from groupvit_export.data.datasets.spec import DatasetOptions
from groupvit_export.data.datasets.values import value_table
from groupvit_export.errors import UsageError
from groupvit_export.suggest import closest

SHAPES_LAYOUT: Final = """\
ROOT/
  images/NAME.png
  masks/NAME.png
  scenes.json"""


def load_shapes(root: Path, options: DatasetOptions) -> Dataset:
    """The scenes that scenes.json lists, named by one of its vocabularies: the first unless chosen.

    Raises:
        DatasetError: a part is missing, or scenes.json is not of its form.
        UsageError: there is no such vocabulary.
    """
    home = find_home(
        root,
        (),
        ("images", "masks", "scenes.json"),
        SHAPES_LAYOUT,
        "--root is the folder that holds scenes.json",
    )
    scenes = read_scenes(home / "scenes.json")
    name = next(iter(scenes.vocabularies)) if options.vocabulary is None else options.vocabulary
    if name not in scenes.vocabularies:
        raise UsageError(
            "the data set has no vocabulary of this name",
            got=f"--vocabulary {name!r}",
            expected=f"one of those in {home / 'scenes.json'}: {', '.join(scenes.vocabularies)}",
            fix=closest(name, scenes.vocabularies, "--vocabulary") or "leave --vocabulary out for the first",
        )
    vocabulary = scenes.vocabularies[name]
    return Dataset(
        name="shapes",
        root=home,
        classes=vocabulary.classes,
        background=vocabulary.background,
        background_threshold=vocabulary.background_threshold,
        class_of_value=value_table(vocabulary.values, vocabulary.ignored),
        samples=tuple(
            Sample(file.removesuffix(".png"), home / "images" / file, home / "masks" / file)
            for file in scenes.files
        ),
        templates=scenes.templates,
        subsets=vocabulary.subsets,
    )
