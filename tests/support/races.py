"""Several writers at once, and readers among them.

Processes are real and start together; see `command_server` for what is not as in life. Exports take their
graphs from where they were captured once, so that a race takes seconds and the writing is most of it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from faults import Done
from writer_support import WRITERS, Workplace, names

from groupvit_runtime.open_bundle import open_bundle

Check = Callable[[Workplace, list[Done]], Counter[str]]


@dataclass(frozen=True)
class Race:
    """Commands that start together, and what holds when all have ended; it gives what it counted."""

    commands: Callable[[Workplace], list[Sequence[str]]]
    check: Check


def race(place: Workplace, name: str) -> Counter[str]:
    """Run one of `RACES` or `QUICK_RACES` from the start: nothing is lost, half-written or left.

    Raises:
        AssertionError: it is.
    """
    chosen = (QUICK_RACES | RACES)[name]
    place.reset()
    captures = place.captures if place.captures.is_dir() else None
    done = place.commands.run(*chosen.commands(place), warm=captures is not None, captures=captures)
    counts = chosen.check(place, done)
    place.check()
    assert place.litter() == [], done
    return counts


def _all_well(place: Workplace, done: list[Done]) -> Counter[str]:
    del place
    assert [each.code for each in done] == [0] * len(done), done
    return Counter()


def _all_names(place: Workplace, done: list[Done]) -> Counter[str]:
    assert names(place) >= {f"name{number}" for number in range(4)}, done
    return _all_well(place, done)


def _all_images(place: Workplace, done: list[Done]) -> Counter[str]:
    assert len(list((place.root / "new").glob("*.png"))) == 4, done
    return _all_well(place, done)


def _one_evaluation(place: Workplace, done: list[Done]) -> Counter[str]:
    del place
    assert any(each.code == 0 for each in done), done
    assert all("another evaluation" in each.error for each in done if each.code), done
    return Counter()


def _one_of_both(place: Workplace, done: list[Done]) -> Counter[str]:
    before, after = ((folder / "r.jsonl").read_text() for folder in (place.origin, place.root))
    assert len(after.splitlines()) == len(before.splitlines()) and after != before, done
    return _all_well(place, done)


def _replaced(place: Workplace, done: list[Done]) -> Counter[str]:
    """Whoever added words to a bundle that another took the place of was told so."""
    del place
    *others, reader, adder = done
    assert [each.code for each in (*others, reader)] == [0] * (len(done) - 1), done
    assert adder.code == 0 or "other weights" in adder.error, adder
    return Counter(json.loads(reader.output))


def _judged(place: Workplace, done: list[Done]) -> Counter[str]:
    *comparisons, export = done
    assert [each.code for each in done] == [0] * len(done), done
    assert all(each.output.strip() for each in comparisons), done
    digest = json.loads(export.output)["digest"]
    assert open_bundle(place.root / "b").digest == digest, done
    return Counter()


def _add(place: Workplace, number: int) -> Sequence[str]:
    return ["vocab", f"{place.root}/b", "--labels", "tree", "--add", f"name{number}"]


_STAGED: Final = """
import shutil, sys
from pathlib import Path
from groupvit_runtime.files import staged_folder
for _ in range(20):
    with staged_folder(Path(sys.argv[1]) / "b", force=True) as stage:
        shutil.copytree(Path(sys.argv[1]) / "b2", stage, dirs_exist_ok=True)
"""
_READER: Final = """
import json, sys, time
from pathlib import Path
from groupvit_runtime.open_bundle import load_from_bundle
path, least = Path(sys.argv[1]) / "b", int(sys.argv[2])
def whole(opened):
    for file in opened.manifest.all_files:
        file.verify(opened.root)
    return opened.digest
looks, seen, places, end = 0, set(), set(), time.monotonic() + 60
while looks < least or (len(places) < 3 and time.monotonic() < end):
    places.add((path / "manifest.json").stat().st_ino)
    seen.add(load_from_bundle(path, None, whole))
    looks += 1
print(json.dumps({"looks": looks, "bundles seen": len(places), "digests seen": len(seen)}))
"""


def _reader(place: Workplace, least: int) -> Sequence[str]:
    """Finds a bundle at every look, all its files those of its manifest."""
    return ["python", "-c", _READER, str(place.root), str(least)]


QUICK_RACES: Final = {
    "vocab --add": Race(lambda place: [_add(place, number) for number in range(4)], _all_names),
    "segment": Race(
        lambda place: [[*WRITERS["segment"].of(place.root)[:-2], f"{place.root}/new"]] * 2, _all_images
    ),
    "eval": Race(lambda place: [WRITERS["eval"].of(place.root)] * 2, _one_evaluation),
    "replace": Race(
        lambda place: [
            *[["python", "-c", _STAGED, str(place.root)]] * 2,
            _reader(place, 100),
            _add(place, 0),
        ],
        _replaced,
    ),
}
"""Replacing is the last step of an export; the others take long and touch nothing that is shared."""

RACES: Final = {
    "export --force": Race(
        lambda place: [place.export("small"), place.export("other"), _reader(place, 120), _add(place, 0)],
        _replaced,
    ),
    "bench --json": Race(lambda place: [WRITERS["bench"].of(place.root)] * 2, _one_of_both),
    "verify": Race(
        lambda place: [
            *[["verify", f"{place.root}/b", "--limit", "1", "--json", "--html", f"{place.root}/v.html"]] * 2,
            [*(part for part in place.export("other") if part != "--quiet"), "--json"],
        ],
        _judged,
    ),
}
"""Of a workplace that has learned them."""
