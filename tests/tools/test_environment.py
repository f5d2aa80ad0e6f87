"""Which PyTorch the Makefile's environment takes, and that pip is heard; no package is installed here."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

import pytest

from tools import environment
from tools.environment import Torch, constraints_for, make, pip_install, prepare, torch_here, torch_of

REPOSITORY = Path(__file__).resolve().parents[2]
(TESTED,) = re.findall(r"^torch==(\S+)$", (REPOSITORY / "constraints.txt").read_text(), re.MULTILINE)


class Pip:
    """Stands in for `pip install`: notes what it is given, and installs the PyTorch that it is told to."""

    def __init__(self, folder: Path, installs: str | None = None) -> None:
        self.calls: list[list[str]] = []
        self._folder, self._installs = folder, installs

    def __call__(self, arguments: Sequence[str]) -> None:
        self.calls.append(list(arguments))
        if self._installs is not None and len(self.calls) == 1:
            distribution_of_torch(site_packages(self._folder), self._installs)


def distribution_of_torch(folder: Path, version: str, *requires: str) -> Torch:
    info = folder / f"torch-{version}.dist-info"
    info.mkdir(parents=True)
    lines = ["Metadata-Version: 2.1", "Name: torch", f"Version: {version}"]
    (info / "METADATA").write_text("\n".join([*lines, *(f"Requires-Dist: {name}" for name in requires), ""]))
    return Torch(version, folder, requires)


def site_packages(folder: Path) -> Path:
    return next((folder / "lib").glob("python3*/site-packages"))


def both(extras: str) -> list[str]:
    """pip's arguments for the two distributions, which one command installs."""
    return ["-e", str(REPOSITORY / "runtimes" / "python"), "-e", f"{REPOSITORY}[{extras}]"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An environment without anything, pip included."""
    venv.create(tmp_path / "environment", with_pip=False)
    return tmp_path / "environment"


def test_an_environment_that_has_pytorch_lends_it(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = tmp_path / "theirs"
    distribution_of_torch(theirs, "2.14.1", "triton==3.8.0; sys_platform == 'linux'", "sympy>=1.13")
    monkeypatch.syspath_prepend(theirs)
    found, pip = torch_here(), Pip(folder)
    assert found is not None and found.folder == theirs
    prepare(folder, ["export"], [], found, chosen=False, pip=pip)
    assert torch_of(folder / "bin" / "python") == found
    assert pip.calls == [["-c", str(folder / "constraints.txt"), *both("export")]]
    pins = (folder / "constraints.txt").read_text().splitlines()
    assert "torch==2.14.1" in pins and f"torch=={TESTED}" not in pins
    assert [line for line in pins if line.startswith("triton==")] == []
    assert [line for line in pins if line.startswith("sympy")] != []


def test_what_is_asked_for_is_given_to_pip_without_the_pins_and_kept(folder: Path) -> None:
    asked = ["torch==2.15.0", "--index-url", "https://example.org/cpu"]
    pip = Pip(folder, installs="2.15.0+cpu")
    prepare(folder, ["export"], asked, None, chosen=False, pip=pip)
    assert pip.calls[0] == asked
    assert "torch==2.15.0+cpu" in (folder / "constraints.txt").read_text().splitlines()
    later = Pip(folder)
    prepare(folder, ["export", "test"], [], None, chosen=False, pip=later)
    assert later.calls == [["-c", str(folder / "constraints.txt"), *both("export,test")]]


def test_without_any_the_tested_version_is_fetched_and_its_size_said(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pip, pins = Pip(folder, installs=f"{TESTED}+cpu"), str(REPOSITORY / "constraints.txt")
    prepare(folder, ["export"], [], None, chosen=False, pip=pip)
    project = ["-c", pins, *both("export")]
    assert pip.calls == [["-c", pins, f"torch=={TESTED}"], project]
    said = capsys.readouterr().out
    if sys.platform == "linux":
        assert "GB to fetch" in said and "TORCH=" in said
    later = Pip(folder)
    prepare(folder, ["export"], [], None, chosen=False, pip=later)
    assert later.calls == [project]


def test_a_pytorch_that_is_too_old_is_left_alone(folder: Path, tmp_path: Path) -> None:
    old = distribution_of_torch(tmp_path / "theirs", "2.9.1")
    pip = Pip(folder)
    prepare(folder, ["export"], [], old, chosen=True, pip=pip)
    assert pip.calls[0][-1] == f"torch=={TESTED}"
    assert torch_of(folder / "bin" / "python") is None


def test_asking_for_one_that_is_too_old_is_refused(folder: Path) -> None:
    with pytest.raises(SystemExit, match=r"2\.10 or newer(.|\n)*got: 2\.9\.1, from 'torch<2\.10"):
        prepare(folder, ["export"], ["torch<2.10"], None, chosen=False, pip=Pip(folder, installs="2.9.1"))


@pytest.mark.slow
def test_an_environment_is_kept_unless_another_pytorch_was_chosen(folder: Path, tmp_path: Path) -> None:
    distribution_of_torch(site_packages(folder), TESTED)
    theirs = distribution_of_torch(tmp_path / "theirs", "2.14.1")
    make(folder, theirs, chosen=False)
    assert torch_of(folder / "bin" / "python") is not None
    make(folder, None, chosen=True)
    assert torch_of(folder / "bin" / "python") is not None
    make(folder, theirs, chosen=True)
    assert torch_of(folder / "bin" / "python") is None


@pytest.mark.slow
def test_a_folder_that_is_no_environment_is_not_emptied(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    make(tmp_path, None, chosen=True)
    assert (tmp_path / "thesis.tex").exists() and (tmp_path / "pyvenv.cfg").exists()


def test_pips_failure_is_shown_with_its_command(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    # The environment has no pip.
    with pytest.raises(SystemExit, match=r"could not install(.|\n)*-m pip install .*no-such"):
        pip_install(folder, ["no-such"])
    assert "No module named pip" in capfd.readouterr().err


def test_the_name_of_a_pin_may_be_written_in_any_way() -> None:
    torch = Torch("2.10.0", Path(), ("cuda-bindings==12.9.4; platform_machine == 'x86_64'", "filelock"))
    assert constraints_for(torch, "# pins\ncuda_bindings==13.5.0\nfilelock==4.2.12\ntorch==2.13.0\n") == (
        "# pins\nfilelock==4.2.12\ntorch==2.10.0\n"
    )


def test_an_old_python_is_refused_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 2))
    with pytest.raises(SystemExit, match="make PYTHON="):
        environment.main(["nowhere", "export"])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "environment.py .venv export  --torch=''"),
        (["PYTHON=python3"], "environment.py .venv export --chosen --torch=''"),
        (["TORCH=it's>=2 --pre"], "environment.py .venv export  --torch='it'\\''s>=2 --pre'"),
    ],
)
def test_make_passes_on_what_was_asked_for(given: list[str], said: str) -> None:
    command = ["make", "--dry-run", "--always-make", *given, ".venv/.export"]
    # Without what the make that runs these tests was given.
    environment = {"PATH": os.environ["PATH"]}
    done = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=True
    )
    assert said in done.stdout


@pytest.mark.parametrize("name", ["Makefile", ".ci/run", "tools/environment.py"])
def test_nothing_hides_pips_reasons(name: str) -> None:
    lines = (REPOSITORY / name).read_text().splitlines()
    hiding = re.compile(r"pip.*(--quiet|-q\b|/dev/null)")
    assert [line for line in lines if hiding.search(line)] == []
