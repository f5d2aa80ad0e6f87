"""The little world: scenes that follow from their seed, and masks that say what was drawn."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from examples.shapes.canvas import SIZE
from examples.shapes.data import CELL, CELLS, VALUES, make_scenes
from examples.shapes.draw import draw_scene
from examples.shapes.scenes import write_scenes
from examples.shapes.world import (
    COLORS,
    HELD_OUT,
    STUFF,
    THINGS,
    UNTOLD,
    VOCABULARIES,
    stuff_value,
    thing_value,
)
from groupvit_export.data.dataset import ILLEGAL
from groupvit_export.data.datasets import DatasetOptions, load_dataset
from groupvit_export.data.truth import read_truth

NAMED = VALUES[: -len(UNTOLD)]
HELD_OUT_VALUES = {thing_value(thing, color) for thing, color in HELD_OUT}


def scene(index: int, *, held_out: bool = True):
    return draw_scene(np.random.default_rng([5, index]), held_out=held_out)


def test_every_value_means_one_thing() -> None:
    values = [stuff_value(stuff) for stuff in STUFF]
    values += [thing_value(thing, color) for thing in THINGS for color in COLORS]
    values += UNTOLD
    assert tuple(values) == VALUES
    assert len(set(values)) == len(values) and 0 not in values and max(values) < 255


def test_every_vocabulary_names_every_value_once() -> None:
    for vocabulary in VOCABULARIES.values():
        assert sorted(value for values in vocabulary.values for value in values) == sorted(NAMED)
        assert len(set(vocabulary.classes)) == len(vocabulary.classes) == len(vocabulary.values)


def test_held_out_compositions_leave_every_thing_and_color_in_training() -> None:
    assert {thing for thing, _ in HELD_OUT} == set(THINGS)
    for color in COLORS:
        assert sum((thing, color) not in HELD_OUT for thing in THINGS) >= 4


def test_a_scene_follows_from_its_seed() -> None:
    first, again, other = scene(0), scene(0), scene(1)
    assert np.array_equal(first.image, again.image) and np.array_equal(first.mask, again.mask)
    assert first.phrases == again.phrases
    assert not np.array_equal(first.image, other.image)
    assert first.image.shape == (SIZE, SIZE, 3) and first.mask.shape == (SIZE, SIZE)


def test_masks_hold_known_values_and_the_caption_says_what_they_show() -> None:
    names = {stuff_value(stuff): stuff for stuff in STUFF}
    names |= {thing_value(thing, color): f"{color} {thing}" for thing in THINGS for color in COLORS}
    shown = set()
    for index in range(40):
        made = scene(index)
        values, counts = np.unique(made.mask, return_counts=True)
        assert set(values.tolist()) <= set(NAMED)
        large = {names[value] for value, count in zip(values.tolist(), counts, strict=True) if count >= 60}
        assert set(made.phrases) == large
        assert made.caption == "a photo of a " + " and a ".join(made.phrases) + "."
        shown |= set(values.tolist())
    assert shown & HELD_OUT_VALUES


def test_training_scenes_never_name_what_is_held_out() -> None:
    for index in range(60):
        assert not HELD_OUT_VALUES & set(np.unique(scene(index, held_out=False).mask).tolist())


def test_half_told_things_are_called_by_that_half() -> None:
    for index in range(30):
        made = draw_scene(np.random.default_rng([6, index]), held_out=False, untold=1)
        values = set(np.unique(made.mask).tolist()) - {stuff_value(stuff) for stuff in STUFF}
        assert values <= set(UNTOLD)
        halves = {*THINGS, *(f"{color} thing" for color in COLORS)}
        assert {phrase for phrase in made.phrases if phrase not in STUFF} <= halves


@pytest.mark.parametrize("color", COLORS)
def test_a_thing_has_the_color_that_its_mask_says(color: str) -> None:
    table = np.array(list(COLORS.values()), float)
    own = list(COLORS).index(color)
    right = total = 0
    for index in range(40):
        made = scene(index)
        for thing in THINGS:
            here = made.mask == thing_value(thing, color)
            if here.sum() > 200:
                # The median passes over windows and wheels; the light changes brightness, not hue.
                median = np.median(made.image[here], axis=0)
                nearest = np.argmin(np.linalg.norm(table - median * (table.max() / median.max()), axis=1))
                right, total = right + (nearest == own), total + 1
    assert total > 4
    assert right / total > 0.7


@pytest.mark.slow
def test_training_data_is_the_same_for_any_number_of_workers() -> None:
    one, two = (make_scenes(6, 3, untold=0.5, workers=workers) for workers in (1, 2))
    assert one.images.equal(two.images) and one.cover.equal(two.cover) and one.phrases == two.phrases
    first = draw_scene(np.random.default_rng([3, 0]), held_out=False, untold=0.5)
    assert np.array_equal(one.images[0].numpy(), first.image)
    # One cell, by hand: row 3, column 5.
    cell = first.mask[3 * CELL : 4 * CELL, 5 * CELL : 6 * CELL]
    expected = [round(255 * float(np.mean(cell == value))) for value in VALUES]
    assert one.cover[0, 3 * CELLS + 5].tolist() == pytest.approx(expected, abs=1)


def test_what_is_written_is_a_data_set(tmp_path: Path) -> None:
    written = list(write_scenes(tmp_path, 4, seed=5, workers=1))
    assert [file for file, _ in written] == ["000000.png", "000001.png", "000002.png", "000003.png"]
    made = scene(2)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "images" / "000002.png")), made.image)
    for name, vocabulary in VOCABULARIES.items():
        dataset = load_dataset("shapes", tmp_path, DatasetOptions(vocabulary=name))
        assert dataset.classes == vocabulary.classes and dataset.background == vocabulary.background
        truth = read_truth(dataset.samples[2], dataset, (SIZE, SIZE))
        for index, values in enumerate(vocabulary.values):
            assert np.array_equal(truth == index, np.isin(made.mask, values))
        assert dataset.class_of_value[0] == ILLEGAL
    captions = [entry["caption"] for entry in json.loads((tmp_path / "scenes.json").read_text())["scenes"]]
    assert captions == [caption for _, caption in written]
