"""Wheels in parcels of a size: for a machine that the files reach in portions, or not through an index.

A folder has `list.json` and parcels, `core-1/`, `tensorrt-1/`, `tensorrt-2/`. A file that does not fit into
what is left of a parcel goes on in the next one.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

LIST: Final = "list.json"


@dataclass(frozen=True)
class Part:
    """A piece of a wheel: its path in the folder, and what must be in it."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Wheel:
    """A wheel.

    Attributes:
        name, version: of the package.
        group: what it is for.
        file: its name.
        sha256: of the whole.
        parts: in their order.
    """

    name: str
    version: str
    group: str
    file: str
    sha256: str
    parts: tuple[Part, ...]

    @property
    def bytes(self) -> int:
        """Size of the whole."""
        return sum(part.bytes for part in self.parts)


class DamagedParcelError(Exception):
    """A part is not what the list says."""


def pack(wheels: Iterable[tuple[str, Path]], folder: Path, parcel_bytes: int) -> tuple[Wheel, ...]:
    """Write the wheels' bytes into parcels, and the list.

    Args:
        wheels: group and file of each; a group's are written in this order.
        folder: for list and parcels; it is emptied.
        parcel_bytes: none has more.
    """
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    packed: list[Wheel] = []
    filled: dict[str, tuple[int, int]] = {}
    for group, file in wheels:
        data = file.read_bytes()
        number, used = filled.get(group, (1, 0))
        parts: list[Part] = []
        position = 0
        while position < len(data):
            if used == parcel_bytes:
                number, used = number + 1, 0
            piece = data[position : position + parcel_bytes - used]
            path = folder / f"{group}-{number}" / f"{file.name}.{len(parts)}"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(piece)
            parts.append(Part(path.relative_to(folder).as_posix(), len(piece), _sha256(piece)))
            position, used = position + len(piece), used + len(piece)
        filled[group] = number, used
        name, version = file.name.split("-")[:2]
        packed.append(
            Wheel(name.replace("_", "-").lower(), version, group, file.name, _sha256(data), tuple(parts))
        )
    (folder / LIST).write_text(json.dumps([asdict(wheel) for wheel in packed], indent=1) + "\n")
    return tuple(packed)


def read_list(folder: Path) -> tuple[Wheel, ...]:
    """The wheels of a folder; none where there is no list."""
    path = folder / LIST
    if not path.exists():
        return ()
    return tuple(
        Wheel(**{**wheel, "parts": tuple(Part(**part) for part in wheel["parts"])})
        for wheel in json.loads(path.read_text())
    )


def absent(wheel: Wheel, folder: Path) -> list[str]:
    """Paths of the parts that have not arrived."""
    return [part.path for part in wheel.parts if not (folder / part.path).exists()]


def join(wheel: Wheel, folder: Path, into: Path) -> Path:
    """The wheel as a file again.

    Raises:
        DamagedParcelError: a part, or the whole, is not what the list says.
    """
    data = bytearray()
    for part in wheel.parts:
        piece = (folder / part.path).read_bytes()
        if _sha256(piece) != part.sha256:
            raise DamagedParcelError(
                f"a part of a wheel is damaged\n  got: {part.path}, {len(piece):,} bytes\n"
                f"  expected: {part.bytes:,} bytes with SHA-256 {part.sha256}\n"
                "  fix: copy it again, or make gpu-wheels"
            )
        data += piece
    if _sha256(data) != wheel.sha256:
        raise DamagedParcelError(
            f"the parts of {wheel.file} make another file\n  expected: SHA-256 {wheel.sha256}\n"
            "  fix: make gpu-wheels"
        )
    into.mkdir(parents=True, exist_ok=True)
    path = into / wheel.file
    path.write_bytes(data)
    return path


def _sha256(data: bytes | bytearray) -> str:
    return hashlib.sha256(data).hexdigest()
