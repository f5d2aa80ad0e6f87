"""Nothing is lost and nothing half-written, whoever writes at the same time."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import writers
from writers import Workplace

if sys.platform != "linux":
    pytest.skip("the harness preloads a library, as Linux does", allow_module_level=True)


@pytest.fixture(scope="module")
def place(demo_bundles: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    with writers.workplace(tmp_path_factory.mktemp("writers"), demo_bundles["openvino"]) as made:
        yield made


def test_vocabularies_added_at_once_are_all_there(place: Workplace) -> None:
    for _ in range(2):
        place.reset()
        done = place.commands.run(*(writers.add(number, place.root) for number in range(4)))
        assert [each.code for each in done] == [0] * 4, done
        assert writers.names(place) >= {f"name{number}" for number in range(4)}
        place.check()
        assert place.litter() == []
