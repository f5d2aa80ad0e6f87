"""Nothing is lost and nothing half-written: whoever writes at once, whatever fails, whenever it ends."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import writer_support as writers
from faults import Fault
from races import QUICK_RACES, race
from writer_support import SLOW_WRITERS, WRITERS, Workplace

if sys.platform != "linux":
    pytest.skip("the harness preloads a library, as Linux does", allow_module_level=True)

# Of `bench` every run takes seconds; its files are written as the others are.
QUICK = [name for name in WRITERS if name != "bench"]


@pytest.fixture(scope="module")
def place(demo_bundles: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    with writers.workplace(tmp_path_factory.mktemp("writers"), demo_bundles["onnx"]) as made:
        yield made


@pytest.mark.parametrize("name", QUICK_RACES)
def test_several_at_once(place: Workplace, name: str) -> None:
    race(place, name)


@pytest.mark.parametrize("name", QUICK)
def test_a_disk_that_is_full_from_the_first_write_on(place: Workplace, name: str) -> None:
    """The others, and other errors, are in `tests/soak/writers.py`."""
    command = WRITERS[name].of(place.root)
    place.reset()
    (done,) = place.commands.run(command)
    found = {kind: at for kind, at in writers.kinds(done.operations).items() if kind.startswith("write")}
    kind, at = next(iter(found.items()))
    writers.with_fault(place, command, kind, Fault(at, errno.ENOSPC, onwards=True))


@pytest.mark.parametrize("name", QUICK)
def test_killed_before_a_file_gets_its_name(place: Workplace, name: str) -> None:
    command = WRITERS[name].of(place.root)
    place.reset()
    (done,) = place.commands.run(command)
    at = [kind for kind in writers.kinds(done.operations).items() if kind[0].startswith("rename")][-1][1]
    writers.with_kill(place, command, at)


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW_WRITERS)
def test_killed_while_children_work(place: Workplace, name: str) -> None:
    command = SLOW_WRITERS[name].of(place.root)
    place.reset()
    (done,) = place.commands.run(command)
    for at in (len(done.operations) // 8, len(done.operations) // 2):
        writers.with_kill(place, command, at)
