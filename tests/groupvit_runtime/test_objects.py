"""Objects of a label map, beside scikit-image's."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from made_results import NAMES, blobs, made_result
from skimage import measure, morphology

from groupvit_runtime.errors import LabelError, MissingDependencyError, UsageError


@pytest.mark.parametrize("seed", range(3))
def test_objects_are_the_connected_regions_of_scikit_image(seed: int) -> None:
    labels = blobs(seed, smooth=(0.0, 1.0, 3.0)[seed])
    result = made_result(labels)
    regions = measure.regionprops(
        measure.label(labels, background=0, connectivity=2), intensity_image=result.confidence
    )
    expected = {
        (int(labels[tuple(one.coords[0])]), one.bbox, int(one.area)): float(one.intensity_mean)
        for one in regions
    }
    found = result.objects()
    assert len(found) == len(expected) > 3
    for item in found:
        left, top, right, bottom = item.corners
        score = expected[item.index, (top, left, bottom, right), item.area]
        assert item.score == pytest.approx(score, abs=1e-5)
        assert item.name == NAMES[item.index]
        assert item.mask.sum() == item.area and (labels[item.mask] == item.index).all()
    keys = [(item.index, -item.area) for item in found]
    assert keys == sorted(keys)


@pytest.mark.parametrize(("opening", "closing"), [(2, 0), (0, 2), (1, 3)])
def test_opening_and_closing_are_those_of_scikit_image(opening: int, closing: int) -> None:
    labels = blobs(4, smooth=1.5)
    expected = labels == 2
    if opening:
        expected = morphology.opening(expected, morphology.disk(opening), mode="ignore")
    if closing:
        expected = morphology.closing(expected, morphology.disk(closing), mode="ignore")
    # What closing makes of nothing but others' pixels is no object.
    numbered = measure.label(expected, connectivity=2)
    expected &= np.isin(numbered, np.unique(numbered[labels == 2]))
    found = made_result(labels).objects(["lake"], opening=opening, closing=closing)
    np.testing.assert_array_equal(np.any([item.mask for item in found], axis=0), expected)
    assert all(0 <= item.score <= 1 for item in found)


def test_small_regions_and_classes_that_are_nothing_are_left_out() -> None:
    labels = blobs(1, smooth=1.0)
    result = made_result(labels, unlabeled=3)
    assert {item.name for item in result.objects()} == {"red house", "lake"}
    assert {item.name for item in result.objects(["Bäume"])} == {"Bäume"}
    every, large = result.objects(), result.objects(min_area=50)
    assert [one.area for one in large] == [one.area for one in every if one.area >= 50] != []
    assert made_result(np.zeros((4, 5), np.uint16)).objects() == ()


def test_what_cannot_be_meant_is_refused() -> None:
    result = made_result(blobs(0))
    with pytest.raises(LabelError, match="'dog'"):
        result.objects(["dog"])
    for wrong in ({"min_area": 0}, {"opening": -1}, {"closing": 1.5}, {"min_area": True}):
        with pytest.raises(UsageError, match="whole number of pixels"):
            result.objects(**wrong)


def test_without_scipy_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(MissingDependencyError, match=r"(?s)telling objects apart needs scipy.*\[objects\]"):
        made_result(blobs(0)).objects()
