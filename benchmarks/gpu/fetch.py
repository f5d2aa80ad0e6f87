"""Fetches the wheels that a machine with a GPU may lack, and packs them into parcels; for Linux on x86-64.

Usage: python -m benchmarks.gpu.fetch [--groups LIST] [--have FILE] [--python 3.12] [--torch 2.11.0]
                                      [--parcel-mib 48]

PyTorch itself and what it brings are left out, and so is what FILE names, a package a line ("pip list
--format=freeze" on that machine). Writes build/gpu/wheels: list.json with hashes, and parcels by group, the
most valuable first: core-1/, tensorrt-1/, ...
"""

from __future__ import annotations

import argparse
import math
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from uv import find_uv_bin

from benchmarks.gpu.installed import normal
from benchmarks.gpu.parcels import Wheel, pack

ROOT: Final = Path(__file__).resolve().parents[2]
PARCELS: Final = ROOT / "build" / "gpu" / "wheels"
MIB: Final = 1 << 20

GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    # The tests of the kernels and their comparison, and what every export needs.
    "core": (
        *("numpy", "pillow", "safetensors", "tokenizers", "ftfy", "rich", "typer", "cuda-bindings"),
        *("onnx", "onnxscript", "ml_dtypes", "onnxruntime", "huggingface_hub", "platformdirs"),
        *("pytest<9.2", "pytest-xdist", "hypothesis", "filelock"),
    ),
    "tensorrt": ("tensorrt-rtx",),
    "onnxruntime": ("onnxruntime-gpu",),
}
"""What the steps need, the most valuable first; nothing for HTML pages, data sets or int8."""

_FROM_SOURCE: Final = ("tensorrt-rtx", "tensorrt-rtx-cu13")
"""Published as sources, of Python alone; their wheels are made here."""
_GLIBC: Final = (39, 38, 37, 36, 35, 34, 31, 28, 27, 24, 17, 12, 5)
"""Minor versions of glibc that wheels are named after; pip takes no newer one for an older one by itself."""


@dataclass(frozen=True)
class Machine:
    """The machine with the GPU.

    Attributes:
        python: "3.12".
        torch: "2.11.0".
        have: packages that it has beside PyTorch's, "name==version" or "name".
    """

    python: str
    torch: str
    have: tuple[str, ...]


def main() -> int:
    """Resolve, fetch, pack, and say how much it is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--groups", default=",".join(GROUPS), help=f"of {', '.join(GROUPS)}")
    parser.add_argument("--have", type=Path, help="names of packages that the machine has")
    parser.add_argument("--python", default="3.12")
    parser.add_argument("--torch", default="2.11.0")
    parser.add_argument("--parcel-mib", type=int, default=48, help="size of a parcel at most")
    given = parser.parse_args()
    have = () if given.have is None else tuple(given.have.read_text(encoding="utf-8").splitlines())
    machine = Machine(given.python, given.torch, have)
    brought = names(resolve((f"torch=={machine.torch}",), machine, ()).splitlines())
    taken = brought | names(machine.have)
    with tempfile.TemporaryDirectory() as scratch:
        wheels: list[tuple[str, Path]] = []
        for group in given.groups.split(","):
            found = resolve(
                (*GROUPS[group], f"torch=={machine.torch}"), machine, constraints(machine, brought)
            )
            wanted = lacking(found, taken)
            taken |= names(wanted)
            print(f"{group}: {' '.join(wanted) or 'nothing is lacking'}", flush=True)
            wheels += [(group, file) for file in fetch(wanted, machine, Path(scratch) / group)]
        print(described(pack(wheels, PARCELS, given.parcel_mib * MIB)))
    return 0


def resolve(requirements: Sequence[str], machine: Machine, pinned: Iterable[str]) -> str:
    """ "name==version" a line, of all that the requirements come to on the machine.

    Raises:
        SystemExit: they do not resolve; with the resolver's reason.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(pinned))
        file.flush()
        command = [find_uv_bin(), "pip", "compile", "--quiet", "--no-header", "--no-annotate"]
        command += ["--python-version", machine.python, "--python-platform", "x86_64-manylinux_2_28"]
        command += ["--constraints", file.name, "-"]
        done = subprocess.run(command, input="\n".join(requirements), capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(requirements)} cannot be resolved\n{done.stderr}")
    return done.stdout


def constraints(machine: Machine, brought: Collection[str]) -> list[str]:
    """The versions that the machine has, and the tested ones of what neither it nor PyTorch has."""
    own = [line.strip() for line in machine.have if re.fullmatch(r"[\w.-]+==[\w.]+", line.strip())]
    taken = names(machine.have) | set(brought)
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = [line for line in lines if "==" in line and not names([line]) & taken]
    return [line for line in own if not names([line]) & set(brought)] + pinned


def names(lines: Iterable[str]) -> frozenset[str]:
    """Normalized names in "name==version", "name @ path" or "name"."""
    found = (re.match(r"[\w.-]+", line.strip()) for line in lines)
    return frozenset(normal(match[0]) for match in found if match)


def lacking(resolved: str, taken: Collection[str]) -> list[str]:
    """What of the resolved packages the machine has not, as "name==version"."""
    lines = [line.partition(";")[0].strip() for line in resolved.splitlines() if "==" in line]
    return [line for line in lines if not names([line]) & set(taken)]


def fetch(wanted: Sequence[str], machine: Machine, folder: Path) -> list[Path]:
    """The wheels as files, the small ones first.

    Raises:
        subprocess.CalledProcessError: pip failed; its reason is above.
    """
    folder.mkdir()
    pip = [sys.executable, "-m", "pip"]
    sources = [item for item in wanted if item.partition("==")[0] in _FROM_SOURCE]
    published = [item for item in wanted if item not in sources]
    if published:
        download = [*pip, "download", "--quiet", "--no-deps", "--only-binary=:all:", "--implementation=cp"]
        download += [f"--platform=manylinux_2_{minor}_x86_64" for minor in _GLIBC]
        download += [
            "--platform=manylinux2014_x86_64",
            f"--python-version={machine.python}",
            f"--dest={folder}",
        ]
        subprocess.run([*download, *published], check=True)
    if sources:
        make = [*pip, "wheel", "--quiet", "--no-deps", f"--wheel-dir={folder}"]
        subprocess.run([*make, *sources], check=True)
    return sorted(folder.glob("*.whl"), key=lambda file: file.stat().st_size)


def described(wheels: Sequence[Wheel]) -> str:
    """Sizes and numbers of parcels, by group."""
    lines = []
    for group, count in Counter(wheel.group for wheel in wheels).items():
        own = [wheel for wheel in wheels if wheel.group == group]
        parcels = {part.path.partition("/")[0] for wheel in own for part in wheel.parts}
        mib = math.ceil(sum(wheel.bytes for wheel in own) / MIB)
        lines.append(
            f"{group}: {count} wheels, {mib} MiB in {len(parcels)} parcels: {', '.join(sorted(parcels))}"
        )
    return "\n".join([*lines, f"in {PARCELS.relative_to(ROOT)}"])


if __name__ == "__main__":
    sys.exit(main())
