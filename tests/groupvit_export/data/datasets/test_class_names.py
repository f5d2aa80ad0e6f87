"""The names of published classes, in the order of their values."""

from __future__ import annotations

import pytest
from dataset_support import (
    COCO_CATEGORIES,
)

from groupvit_export.data.datasets.class_names import COCO_CLASSES, CONTEXT_CLASSES, VOC_CLASSES
from groupvit_export.data.datasets.coco import THING_IDS


class TestClassNames:
    @pytest.mark.parametrize(
        ("names", "count", "first", "last"),
        [
            (VOC_CLASSES, 20, "aeroplane", "monitor"),
            (CONTEXT_CLASSES, 59, "airplane", "wood"),
            (COCO_CLASSES, 80, "person", "toothbrush"),
        ],
    )
    def test_length_and_order(self, names: tuple[str, ...], count: int, first: str, last: str) -> None:
        assert len(names) == len(set(names)) == count
        assert (names[0], names[-1]) == (first, last)
        assert all(name == name.strip().lower() for name in names)

    def test_context_is_in_the_alphabetical_order_of_its_own_words(self) -> None:
        own = {"airplane": "aeroplane", "monitor": "tvmonitor", "plant": "pottedplant"}
        words = [own.get(name, name) for name in CONTEXT_CLASSES]
        assert words == sorted(words)

    def test_voc_is_in_the_alphabetical_order_of_its_own_words(self) -> None:
        own = {"table": "diningtable", "plant": "pottedplant", "monitor": "tvmonitor"}
        words = [own.get(name, name) for name in VOC_CLASSES]
        assert words == sorted(words)

    def test_coco_has_the_official_ids_and_names(self) -> None:
        assert len(COCO_CATEGORIES) == 80
        assert dict(zip(THING_IDS, COCO_CLASSES, strict=True)) == COCO_CATEGORIES
