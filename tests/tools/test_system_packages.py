"""What is said and done where Debian's packages are missing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tools import system_packages

REPOSITORY = Path(__file__).resolve().parents[2]

TESTS = """
import pytest

@pytest.mark.parametrize("number", range(5))
def test_compiled(number):
    pytest.skip("GTest is missing: apt-get install libgtest-dev")

def test_on_a_gpu():
    pytest.skip("there is no GPU")

def test_runs():
    pass
"""


class System:
    """Stands in for the machine: what is missing, and whether apt-get would mend it."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, missing: tuple[str, ...] | None, root: list[str] | None
    ):
        self.installed: list[tuple[list[str], list[str]]] = []
        self.mends = True
        self._missing = missing
        monkeypatch.setattr(system_packages, "missing", lambda: self._missing)
        monkeypatch.setattr(system_packages, "become_root", lambda: root)
        monkeypatch.setattr(system_packages, "install", self._install)

    def _install(self, packages: Sequence[str], become: Sequence[str]) -> None:
        self.installed.append((list(packages), list(become)))
        if self.mends:
            self._missing = ()


def test_what_is_missing_is_installed_where_it_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    system = System(monkeypatch, ("g++", "cmake"), ["sudo", "-n"])
    assert system_packages.main([]) == 0
    assert system.installed == [(["g++", "cmake"], ["sudo", "-n"])]


def test_nothing_is_done_where_nothing_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    system = System(monkeypatch, (), [])
    assert system_packages.main([]) == 0
    assert system.installed == [] and capsys.readouterr().out == ""


@pytest.mark.parametrize(("arguments", "code"), [([], 1), (["--optional"], 0)])
@pytest.mark.parametrize("root", [None, []])
def test_where_it_may_not_or_fails_the_command_is_said(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    root: list[str] | None,
    arguments: list[str],
    code: int,
) -> None:
    System(monkeypatch, ("g++", "cmake"), root).mends = False
    assert system_packages.main(arguments) == code
    assert capsys.readouterr().out.endswith("skipped:\n  sudo apt-get install g++ cmake\n")


def test_a_system_without_apt_get_is_told_what_is_needed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert system_packages.missing() is None
    assert system_packages.main(["--optional"]) == 0
    assert "nlohmann-json" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("workers", [[], ["-n", "2"]])
def test_the_last_lines_count_what_was_skipped_and_why(tmp_path: Path, workers: list[str]) -> None:
    (tmp_path / "test_some.py").write_text(TESTS)
    (tmp_path / "test_whole.py").write_text(
        "import pytest\npytest.importorskip('nowhere', reason='no nowhere')\n"
    )
    (tmp_path / "pytest.ini").write_text(f"[pytest]\npythonpath = {REPOSITORY} {REPOSITORY}/tests/support\n")
    command = [sys.executable, "-m", "pytest", "-ra", "-p", "skip_summary", *workers, str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    *_, compiled, first, second, total, cure, _ = done.stdout.splitlines()
    assert compiled == "     5  GTest is missing: apt-get install libgtest-dev"
    assert {first, second} == {"     1  there is no GPU", "     1  no nowhere"}
    assert total.startswith("7 skipped")
    assert cure.startswith("5 of them are skipped for want of:")


def test_these_tests_are_summed_up_so() -> None:
    assert 'pytest_plugins = ["skip_summary"]' in (REPOSITORY / "tests" / "conftest.py").read_text()
