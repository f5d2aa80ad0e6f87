"""Wheels that come in parts: joined, checked, installed where they are lacking."""

from __future__ import annotations

import random
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from benchmarks.gpu import install as installing
from benchmarks.gpu.fetch import Machine, constraints, lacking, names
from benchmarks.gpu.install import install
from benchmarks.gpu.parcels import DamagedParcelError, Wheel, absent, join, pack, read_list

OWN = {"groupvit-export": "0.2.0", "groupvit-runtime": "0.2.0"}


def wheel(folder: Path, name: str, version: str, size: int) -> Path:
    """One that pip takes, with `size` bytes that do not compress."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    about = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(f"{name}/__init__.py", f"version = {version!r}\n")
        file.writestr(f"{name}/data", random.Random(name).randbytes(size))
        file.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        file.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{about}/RECORD", "")
    return path


@pytest.fixture
def parcels(tmp_path: Path) -> Path:
    files = [("core", wheel(tmp_path, "small", "1.0", 300)), ("core", wheel(tmp_path, "large", "2.5", 9000))]
    files.append(("other", wheel(tmp_path, "third", "3.0", 10)))
    pack(files, tmp_path / "parcels", 4000)
    return tmp_path / "parcels"


def of(parcels: Path, name: str) -> Wheel:
    return next(wheel for wheel in read_list(parcels) if wheel.name == name)


def test_parcels_are_full_and_none_is_larger_than_it_may_be(parcels: Path) -> None:
    sizes = {
        folder.name: sum(path.stat().st_size for path in folder.iterdir())
        for folder in parcels.iterdir()
        if folder.is_dir()
    }
    core = of(parcels, "small").bytes + of(parcels, "large").bytes
    assert sizes == {
        "core-1": 4000,
        "core-2": 4000,
        "core-3": core - 8000,
        "other-1": of(parcels, "third").bytes,
    }
    assert len(of(parcels, "large").parts) == 3


def test_a_wheel_is_joined_to_the_bytes_it_was(parcels: Path, tmp_path: Path) -> None:
    joined = join(of(parcels, "large"), parcels, tmp_path / "joined")
    assert joined.read_bytes() == (tmp_path / joined.name).read_bytes()


def test_a_damaged_part_is_named(parcels: Path, tmp_path: Path) -> None:
    large = of(parcels, "large")
    part = parcels / large.parts[1].path
    part.write_bytes(part.read_bytes()[:-1] + b"?")
    with pytest.raises(DamagedParcelError, match=f"got: {large.parts[1].path}"):
        join(large, parcels, tmp_path)


def test_a_part_in_the_place_of_another_is_not_joined(parcels: Path, tmp_path: Path) -> None:
    large = of(parcels, "large")
    swapped = Wheel(**{**vars(large), "parts": large.parts[::-1]})
    with pytest.raises(DamagedParcelError, match="make another file"):
        join(swapped, parcels, tmp_path)


def test_what_has_come_whole_is_installed_once(parcels: Path, tmp_path: Path) -> None:
    late = parcels / of(parcels, "large").parts[2].path
    part = late.read_bytes()
    late.unlink()
    said: list[str] = []
    # Newer in the third number only: the one that is there stays.
    found = {**OWN, "third": "3.0.7"}
    first = install(parcels, tmp_path, found, said.append)
    assert first is not None and (first / "small" / "__init__.py").exists()
    assert not (first / "large").exists() and not (first / "third").exists()
    assert any("1 of its 3 parts have not come" in line for line in said)
    assert absent(of(parcels, "large"), parcels) == [late.relative_to(parcels).as_posix()]

    late.write_bytes(part)
    second = install(parcels, tmp_path, found)
    assert second is not None and second != first
    done = subprocess.run(
        [sys.executable, "-c", "import large, small; print(large.version)"],
        env={"PYTHONPATH": str(second)},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "2.5\n", done.stderr
    (second / "mark").touch()
    assert install(parcels, tmp_path, found) == second and (second / "mark").exists()


def test_where_everything_is_installed_nothing_is(parcels: Path, tmp_path: Path) -> None:
    assert install(parcels, tmp_path, {**OWN, "small": "1.0", "large": "2.6.1+cu130", "third": "4"}) is None
    assert install(tmp_path / "no parcels", tmp_path, OWN) is None


def test_a_package_that_has_the_files_of_another_replaces_it(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(installing, "_REPLACES", {"third": "small"})
    files = [("core", wheel(tmp_path, "small", "1.0", 10)), ("core", wheel(tmp_path, "third", "3.0", 10))]
    pack(files, tmp_path / "parcels", 4000)
    site = install(tmp_path / "parcels", tmp_path, OWN)
    assert site is not None and (site / "third").exists() and not (site / "small").exists()


def test_what_the_machine_has_is_not_fetched() -> None:
    machine = Machine("3.12", "2.11.0", ("NumPy==2.5.2", "onnx_ir", ""))
    assert names(("Typing_Extensions==4.1", "torch @ file:///x")) == {"typing-extensions", "torch"}
    resolved = "numpy==2.5.2\nonnx-ir==1.1.0\nrich==15.0.0 ; sys_platform == 'linux'\n"
    assert lacking(resolved, names(machine.have)) == ["rich==15.0.0"]
    pinned = constraints(machine, {"torch", "sympy"})
    assert "NumPy==2.5.2" in pinned and "rich==15.0.0" in pinned
    assert not {"numpy", "torch", "sympy", "onnx-ir"} & names(line for line in pinned if "2.5.2" not in line)
