"""The ceiling of masks on the grid of patches, on masks whose ceiling is known."""

from __future__ import annotations

import numpy as np
import pytest

from examples.shapes.ceiling import ceiling, main
from examples.shapes.world import VOCABULARIES, stuff_value


def halves(column: int) -> np.ndarray:
    """Sky on the left, water on the right of a column."""
    mask = np.full((224, 224), stuff_value("sky"), np.uint8)
    mask[:, column:] = stuff_value("water")
    return mask


def test_an_edge_between_patches_is_lost_by_nothing() -> None:
    assert ceiling([halves(112)], VOCABULARIES["kinds"]) == 1.0


def test_an_edge_within_a_patch_is_found_to_a_pixel_or_two() -> None:
    assert 0.97 < ceiling([halves(117)], VOCABULARIES["kinds"]) < 1.0


def test_a_thing_smaller_than_half_a_patch_is_lost() -> None:
    mask = halves(112)
    mask[100:104, 20:24] = stuff_value("tree")
    assert ceiling([mask], VOCABULARIES["kinds"]) == pytest.approx(2 / 3, abs=0.01)


def test_the_command_prints_every_vocabulary(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--count", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(VOCABULARIES)
