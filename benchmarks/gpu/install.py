"""Installs what has come in parcels into a folder of its own, for the steps alone; the index is not asked."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from benchmarks.gpu.installed import normal, release
from benchmarks.gpu.parcels import Wheel, absent, join, read_list

ROOT: Final = Path(__file__).resolve().parents[2]

_OWN: Final = {"groupvit-export": ROOT, "groupvit-runtime": ROOT / "runtimes" / "python"}
_REPLACES: Final = {"onnxruntime-gpu": "onnxruntime"}
"""Two packages with the same files: the first is installed without the second."""
_METADATA: Final = (
    "import sys; from setuptools import build_meta; build_meta.prepare_metadata_for_build_wheel(sys.argv[1])"
)
_DONE: Final = ".complete"


def install(
    parcels: Path, sites: Path, found: Mapping[str, str], say: Callable[[str], None] = lambda line: None
) -> Path | None:
    """Install the complete wheels that this Python lacks, and tell it of the project's own two distributions.

    The folder is named after what is in it: another choice of wheels is another folder.

    Args:
        parcels: folder with a list and parcels; need not be there.
        sites: where the folder is made.
        found: what is installed, by normalized name.

    Returns:
        The folder, to be put before this Python's own; None where nothing is lacking.

    Raises:
        DamagedParcelError: what has come is not what was sent.
        RuntimeError: pip or setuptools failed; with what it said.
    """
    wheels = [wheel for wheel in read_list(parcels) if is_wanted(wheel, found)]
    complete = [wheel for wheel in wheels if not absent(wheel, parcels)]
    for wheel in wheels:
        if lacking := absent(wheel, parcels):
            say(
                f"{wheel.file} is not installed: {len(lacking)} of its {len(wheel.parts)} parts have not come"
            )
    replaced = {_REPLACES[wheel.name] for wheel in complete if wheel.name in _REPLACES}
    chosen = [wheel for wheel in complete if wheel.name not in replaced]
    own = {name: project for name, project in _OWN.items() if name not in found}
    if not chosen and not own:
        return None
    key = hashlib.sha256("".join(sorted([*(wheel.sha256 for wheel in chosen), *own])).encode()).hexdigest()
    site = sites.resolve() / f"site-{key[:12]}"
    if (site / _DONE).exists():
        return site
    shutil.rmtree(site, ignore_errors=True)
    site.mkdir(parents=True)
    with tempfile.TemporaryDirectory(dir=sites) as scratch:
        files = [join(wheel, parcels, Path(scratch)) for wheel in chosen]
        if files:
            size = sum(wheel.bytes for wheel in chosen) / 1e6
            say(f"{len(files)} wheels of {size:.0f} MB are installed into {site.name}")
            pip = ["-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-compile"]
            _run([*pip, "--no-cache-dir", "--target", str(site), *map(str, files)], ROOT)
        for name, project in own.items():
            # setuptools wants a folder with nothing else in it.
            empty = Path(scratch) / name
            empty.mkdir()
            _run(["-c", _METADATA, str(empty.resolve())], project)
            (made,) = empty.glob("*.dist-info")
            made.replace(site / made.name)
    (site / _DONE).touch()
    return site


def is_wanted(wheel: Wheel, found: Mapping[str, str]) -> bool:
    """Whether this Python has none of it, or an older one; the numbers behind the second do not count."""
    there = found.get(normal(wheel.name))
    return there is None or release(there) < release(wheel.version)


def _run(arguments: Sequence[str], folder: Path) -> None:
    done = subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"this failed: python {' '.join(arguments)}\n{done.stdout}{done.stderr}")
