"""Where everything lies that the sides are given; imports nothing heavy."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SIZE: Final = (480, 640)
"""Height and width of the image that is timed."""
INPUT: Final = 224
WINDOWS_SIZE: Final = (720, 1280)
WINDOWS_SIDE: Final = 448
PAPER: Final = "paper"
"""The bundle for sliding windows."""

_ROOT: Final = Path(__file__).resolve().parent.parent.parent
_SOURCES: Final = (
    "groupvit_export",
    "kernels/groupvit_kernels",
    "runtimes/python/groupvit_runtime",
    "benchmarks/checkpoint.py",
    *(f"benchmarks/peers/{name}.py" for name in ("material", "prepare", "plain", "synthetic_checkpoint")),
)


@dataclass(frozen=True)
class Material:
    """Files in a folder, made by `benchmarks.peers.prepare`."""

    root: Path

    @property
    def image(self) -> Path:
        """The JPEG of `SIZE` that is timed."""
        return self.root / "image.jpg"

    @property
    def windows_image(self) -> Path:
        """A JPEG of `WINDOWS_SIZE`."""
        return self.root / "windows.jpg"

    @property
    def judged(self) -> list[Path]:
        """The images whose label maps are compared, `image` first."""
        return [self.image, *sorted(self.root.glob("judged-*.png"))]

    @property
    def checkpoint(self) -> Path:
        """A Hugging Face folder."""
        return self.root / "checkpoint"

    @property
    def texts(self) -> Path:
        """Class embeddings and scale by transformers, .npz."""
        return self.root / "texts.npz"

    def bundle(self, name: str) -> Path:
        """Of `BUNDLES`, or `PAPER`."""
        return self.root / "bundles" / name

    def vocabulary(self, name: str) -> Path:
        """The words encoded by that bundle."""
        return self.root / "vocabularies" / f"{name}.safetensors"

    def plain(self, name: str) -> Path:
        """A file of the plain export."""
        return self.root / name

    def refusal(self, name: str) -> Path:
        """Why there is no such bundle, where there is none."""
        return self.root / "refused" / f"{name}.txt"


def sources_digest(root: Path = _ROOT, sources: Sequence[str] = _SOURCES) -> str:
    """Of the sources that material is made by: what others have made is not measured."""
    digest = hashlib.sha256()
    files = [path for name in sources for path in [root / name, *(root / name).rglob("*.py")]]
    for path in sorted(path for path in files if path.is_file()):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]
