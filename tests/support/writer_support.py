"""Every verb that writes, and what must hold of its output whatever happens while it does."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from faults import KILL, Commands, Done, Fault
from PIL import Image

from groupvit_export.data.bundled import DEMO_SAMPLE, DEMO_SCENES
from groupvit_runtime.open_bundle import open_bundle
from groupvit_runtime.vocabulary import Vocabulary

# Made by PyTorch, empty; and what was measured and could not be written where it belongs.
_KEPT: Final = ("torchinductor_", "groupvit-bench-")


@dataclass(frozen=True)
class Writer:
    """A command, below a folder that has a bundle `b` and images `images`; `{root}` is that folder."""

    command: tuple[str, ...]

    def of(self, root: Path) -> list[str]:
        return [part.format(root=root, sample=DEMO_SAMPLE, scenes=DEMO_SCENES) for part in self.command]


_WORDS: Final = ("--labels", "sky,tree")
_EVAL: Final = ("eval", "{root}/b", "--dataset", "folder", "--root", "{scenes}", "--limit", "2", "--force")
_BENCH: Final = ("bench", "{root}/b", *_WORDS, "--rounds", "10", "--cold", "0", "--quiet")
_EXPORT: Final = ("export", "--target", "openvino", "--precision", "fp32")

WRITERS: Final = {
    "vocab --add": Writer(("vocab", "{root}/b", *_WORDS, "--add", "words", "--force")),
    "vocab -o": Writer(("vocab", "{root}/b", *_WORDS, "-o", "{root}/w.safetensors", "--force")),
    "segment": Writer(("segment", "{root}/b", "{root}/images", *_WORDS, "-o", "{root}/out", "--force")),
    "segment zip": Writer(("segment", "{root}/b.zip", "{sample}", *_WORDS, "-o", "{root}/out", "--force")),
    "eval": Writer((*_EVAL, "-o", "{root}/evaluated", "--worst", "1", "--html", "{root}/e.html")),
    "bench": Writer((*_BENCH, "--json", "{root}/r.jsonl", "--html", "{root}/r.html")),
}
"""Of those that take a moment."""

SLOW_WRITERS: Final = {
    "export": Writer((*_EXPORT, "-o", "{root}/b", "--force", "--quiet")),
    "verify": Writer(("verify", "{root}/b", "--limit", "1", "--html", "{root}/v.html", "--quiet")),
}


@dataclass(frozen=True)
class Workplace:
    """A folder that is put back to what it was before every command."""

    root: Path
    origin: Path
    commands: Commands

    def reset(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)
        # Nothing writes into a file that is there: another takes its place.
        shutil.copytree(self.origin, self.root, copy_function=os.link)
        for left in self.commands.temporary.iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()

    def litter(self) -> list[str]:
        """Temporaries that lie about."""
        beside = [path for path in self.root.rglob(".*") if path.name.startswith((".groupvit-", ".lock"))]
        within = [
            path
            for path in self.commands.temporary.iterdir()
            if not path.name.startswith(_KEPT) and not _is_probe(path)
        ]
        return [str(path) for path in (*beside, *within)]

    def check(self) -> None:
        """Whatever has a final name is whole."""
        for path in self.root.rglob("*"):
            hidden = any(part.startswith(".") for part in path.relative_to(self.root).parts)
            if path.is_file() and not hidden:
                _CHECKS.get(path.suffix, lambda path: None)(path)
        opened = open_bundle(self.root / "b")
        for file in opened.manifest.all_files:
            file.verify(opened.root)


def _is_probe(path: Path) -> bool:
    """With it Python's `tempfile` finds out whether a folder can be written; killed then, it leaves that."""
    return path.is_file() and path.read_bytes() in (b"", b"blat")


@contextlib.contextmanager
def workplace(folder: Path, bundle: Path) -> Iterator[Workplace]:
    """Make one of a bundle, two images and the results of an earlier run of every quick writer.

    Args:
        folder: it may be empty.
        bundle: for a CPU.
    """
    root, origin = folder / "root", folder / "origin"
    (origin / "images").mkdir(parents=True)
    for name in ("b", "b2"):
        shutil.copytree(bundle, origin / name)
    shutil.make_archive(str(origin / "b"), "zip", bundle)
    for image in sorted((DEMO_SCENES / "images").iterdir())[:2]:
        shutil.copy(image, origin / "images")
    with Commands(folder / "harness", root) as commands:
        place = Workplace(root, origin, commands)
        place.reset()
        for writer in WRITERS.values():
            (done,) = commands.run(writer.of(root))
            assert done.code == 0, done
        assert place.litter() == []
        shutil.rmtree(origin)
        shutil.copytree(root, origin)
        yield place


def told(done: Done) -> str:
    """Why this is no clean refusal; nothing where it is one."""
    lines = done.error
    if "Traceback" in lines or "Exception ignored" in lines:
        return "a traceback"
    if done.code == 0:
        return ""
    if done.code != 1:
        return f"exit code {done.code}"
    return "" if "groupvit: error: " in lines and "\n  fix: " in lines else "no error with a fix"


def _page(path: Path) -> None:
    assert path.read_text().rstrip().endswith("</html>"), path


def _lines(path: Path) -> None:
    # A journal may end in half a line, which its reader drops.
    for line in path.read_text().split("\n")[:-1]:
        json.loads(line)


def _image(path: Path) -> None:
    with Image.open(path) as image:
        image.load()


_CHECKS: Final[dict[str, Callable[[Path], object]]] = {
    ".png": _image,
    ".json": lambda path: json.loads(path.read_text()),
    ".jsonl": _lines,
    ".html": _page,
    ".safetensors": Vocabulary.load,
}


def names(place: Workplace) -> set[str]:
    """Of the vocabularies in the bundle."""
    return {info.name for info in open_bundle(place.root / "b").manifest.vocabularies}


def kinds(operations: Sequence[str]) -> dict[str, int]:
    """The first operation of every kind: what is done to which file, whatever a temporary is called."""
    found: dict[str, int] = {}
    for number, line in enumerate(operations, 1):
        found.setdefault(re.sub(r"[a-z0-9_]{8}(?=$|/|-)|\.tmp\w{6}", "*", line.split(" ", 1)[1]), number)
    return found


def with_fault(place: Workplace, command: Sequence[str], kind: str, fault: Fault) -> None:
    """An operation fails: a clean error or none, nothing half-written or left, and the next run is fine."""
    place.reset()
    (done,) = place.commands.run(command, fault=fault)
    where = f"{errno.errorcode[fault.code]} at {fault.at}, {kind}: {done}"
    assert told(done) == "", f"{told(done)}: {where}"
    place.check()
    if not kind.startswith("unlink"):
        assert place.litter() == [], where
    _again(place, command, where)


def with_kill(place: Workplace, command: Sequence[str], at: int) -> None:
    """Killed at an operation: no child is left, old or new is there, and the next run clears up."""
    place.reset()
    (done,) = place.commands.run(command, fault=Fault(at, KILL))
    where = f"killed at {at}: {done}"
    assert done.code == -signal.SIGKILL, where
    assert place.commands.orphans() == [], where
    place.check()
    _again(place, command, where)


def _again(place: Workplace, command: Sequence[str], where: str) -> None:
    (done,) = place.commands.run(command)
    assert done.code == 0, (where, done)
    place.check()
    assert place.litter() == [], where


def race(place: Workplace, name: str) -> None:
    """Several of one kind at once."""
    place.reset()
    done = place.commands.run(*RACES[name](place.root))
    assert [each.code for each in done] == [0] * len(done) or (
        name == "eval" and all("another evaluation" in each.error for each in done if each.code)
    ), done
    place.check()
    assert place.litter() == []
    if name == "vocab --add":
        assert names(place) >= {f"name{number}" for number in range(4)}
    if name == "segment":
        assert len(list((place.root / "new").glob("*.png"))) == 4


def _add(number: int, root: Path) -> Sequence[str]:
    return ["vocab", f"{root}/b", "--labels", "tree", "--add", f"name{number}"]


_STAGED: Final = """
import shutil, sys
from pathlib import Path
from groupvit_runtime.files import staged_folder
for _ in range(20):
    with staged_folder(Path(sys.argv[1]) / "b", force=True) as stage:
        shutil.copytree(Path(sys.argv[1]) / "b2", stage, dirs_exist_ok=True)
"""
_READER: Final = """
import sys
from pathlib import Path
from groupvit_runtime.manifest import read_manifest
for _ in range(2000):
    read_manifest(Path(sys.argv[1]) / "b")
"""

RACES: Final[dict[str, Callable[[Path], list[Sequence[str]]]]] = {
    "vocab --add": lambda root: [_add(number, root) for number in range(4)],
    "segment": lambda root: [
        ["segment", f"{root}/b", f"{root}/images", *_WORDS, "-o", f"{root}/new"] for _ in range(2)
    ],
    "eval": lambda root: [WRITERS["eval"].of(root)] * 2,
    "bench": lambda root: [WRITERS["bench"].of(root)] * 2,
    # Replacing is the last step of an export; the others take long and touch nothing that is shared.
    "export --force": lambda root: [
        ["python", "-c", _STAGED, str(root)],
        ["python", "-c", _STAGED, str(root)],
        ["python", "-c", _READER, str(root)],
        _add(0, root),
    ],
}
