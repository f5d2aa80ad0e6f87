"""Every verb that writes, and what must hold of its output whatever fails and whenever it is killed."""

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
from small_checkpoint import write_small_checkpoint

from groupvit_export.data.bundled import DEMO_SAMPLE, DEMO_SCENES
from groupvit_runtime.open_bundle import open_bundle
from groupvit_runtime.vocabulary import Vocabulary

# Made by PyTorch, empty; and what was measured and could not be written where it belongs.
_KEPT: Final = ("torchinductor_", "groupvit-bench-")


@dataclass(frozen=True)
class Writer:
    """A command, below a folder that has a bundle `b` and images `images`; `{root}` is that folder.

    `{small}` and `{other}` are checkpoints beside it; see `Workplace.learn`.
    """

    command: tuple[str, ...]

    def of(self, root: Path) -> list[str]:
        named = {"root": root, "small": root.parent / "small", "other": root.parent / "other"}
        return [part.format(**named, sample=DEMO_SAMPLE, scenes=DEMO_SCENES) for part in self.command]


CHECKPOINTS: Final = ("small", "other")

_WORDS: Final = ("--labels", "sky,tree")
_EVAL: Final = ("eval", "{root}/b", "--dataset", "folder", "--root", "{scenes}", "--limit", "2", "--force")
_BENCH: Final = ("bench", "{root}/b", *_WORDS, "--rounds", "10", "--cold", "0", "--quiet")

WRITERS: Final = {
    "vocab --add": Writer(("vocab", "{root}/b", *_WORDS, "--add", "words", "--force")),
    "vocab -o": Writer(("vocab", "{root}/b", *_WORDS, "-o", "{root}/w.safetensors", "--force")),
    "segment": Writer(("segment", "{root}/b", "{root}/images", *_WORDS, "-o", "{root}/out", "--force")),
    "segment zip": Writer(("segment", "{root}/b.zip", "{sample}", *_WORDS, "-o", "{root}/out", "--force")),
    "eval": Writer((*_EVAL, "-o", "{root}/evaluated", "--worst", "1", "--html", "{root}/e.html")),
    "bench": Writer((*_BENCH, "--json", "{root}/r.jsonl", "--html", "{root}/r.html")),
}
"""Of those that take a moment."""

_EXPORT: Final = ("export", "--precision", "fp32", "--checkpoint", "{small}")
_SMALL: Final = (*_EXPORT, "-o", "{root}/b", "--force", "--quiet")

SLOW_WRITERS: Final = {
    "export": Writer((*_SMALL, "--target", "openvino")),
    "verify": Writer(("verify", "{root}/b", "--limit", "1", "--html", "{root}/v.html", "--quiet")),
}


@dataclass(frozen=True)
class Workplace:
    """A folder that is put back to what it was before every command."""

    root: Path
    origin: Path
    commands: Commands

    @property
    def captures(self) -> Path:
        """Graphs of `small` and `other`, once there are any."""
        return self.root.parent / "captures"

    def learn(self) -> None:
        """Get ready for warm exports and comparisons, of graphs that are captured now."""
        self.captures.mkdir()
        for writer in SLOW_WRITERS.values():
            self.reset()
            done = self.commands.learn(*writer.of(self.root))
            assert done.code == 0, done
        for name in CHECKPOINTS:
            (done,) = self.commands.run(self.export(name), warm=True, captures=self.captures)
            assert done.code == 0, done
        self.reset()

    def export(self, checkpoint: str) -> list[str]:
        """The quickest export there is, into `b`."""
        command = (*_SMALL, "--target", "onnx")
        return Writer(tuple(part.replace("small", checkpoint) for part in command)).of(self.root)

    def reset(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)
        # Nothing writes into a file that is there: another takes its place.
        shutil.copytree(self.origin, self.root, copy_function=os.link)
        for left in self.commands.temporary.iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()

    def state(self) -> dict[str, tuple[int, int, int]]:
        """What lies there, with the temporary folder; nothing is written in place without another time."""
        files = [path for folder in (self.root, self.commands.temporary) for path in folder.rglob("*")]
        found = {str(path): path.lstat() for path in files if not path.is_dir() or path.is_symlink()}
        return {name: (each.st_ino, each.st_size, each.st_mtime_ns) for name, each in found.items()}

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
    for seed, name in enumerate(CHECKPOINTS):
        write_small_checkpoint(folder / name, seed)
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


def with_fault(
    place: Workplace,
    command: Sequence[str],
    kind: str,
    fault: Fault,
    *,
    warm: bool = False,
    captures: Path | None = None,
) -> bool:
    """An operation fails: a clean error or none, nothing half-written or left, and the next run is fine.

    Returns:
        Whether it was refused and everything is as it was, so that the next run could not differ.
    """
    place.reset()
    before = place.state()
    (done,) = place.commands.run(command, fault=fault, warm=warm, captures=captures)
    where = f"{errno.errorcode[fault.code]} at {fault.at}, {kind}: {done}"
    assert told(done) == "", f"{told(done)}: {where}"
    place.check()
    if not kind.startswith("unlink"):
        assert place.litter() == [], where
    if done.code and place.state() == before:
        return True
    _again(place, command, where, warm=warm, captures=captures)
    return False


def with_kill(place: Workplace, command: Sequence[str], at: int) -> None:
    """Killed at an operation: no child is left, old or new is there, and the next run clears up."""
    place.reset()
    (done,) = place.commands.run(command, fault=Fault(at, KILL))
    where = f"killed at {at}: {done}"
    assert done.code == -signal.SIGKILL, where
    assert place.commands.orphans() == [], where
    place.check()
    _again(place, command, where)


def _again(
    place: Workplace,
    command: Sequence[str],
    where: str,
    *,
    warm: bool = False,
    captures: Path | None = None,
) -> None:
    (done,) = place.commands.run(command, warm=warm, captures=captures)
    assert done.code == 0, (where, done)
    place.check()
    assert place.litter() == [], where
