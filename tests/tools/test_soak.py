"""The program that runs tests for a long time."""

from __future__ import annotations

import importlib.util
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

PATH = Path(__file__).resolve().parents[2] / "tools" / "soak.py"


@pytest.fixture
def soak(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("soak", PATH)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "soak", module)
    monkeypatch.setattr(sys, "path", list(sys.path))
    spec.loader.exec_module(module)
    return module


def test_every_harness_runs_and_says_how_often(
    soak: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls: list[float] = []

    def run(until: float) -> int:
        calls.append(until)
        return 7

    monkeypatch.setattr(soak, "HARNESSES", {name: soak.Harness("", run) for name in ("one", "two")})
    assert soak.main(["--minutes", "2"]) == 0
    assert len(calls) == 2 and all(0 < until - time.monotonic() <= 60 for until in calls)
    assert capsys.readouterr().out.count("7 runs in 60 s") == 2
    assert soak.main(["--minutes", "2", "two"]) == 0
    assert "two: 7 runs in 120 s" in capsys.readouterr().out


def test_a_fault_ends_it_and_what_leads_to_it_is_kept(
    soak: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import hostile_files
    from hypothesis import strategies as st

    def read(data: bytes) -> None:
        if b"x" in data:
            raise ValueError("an x")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(hostile_files, "FILES", {"zip": (st.sampled_from([b"a", b"x"]), read)})
    assert soak.main(["--minutes", "1", "bundle-zip"]) == 1
    assert "ValueError: an x" in capsys.readouterr().err
    (kept,) = (tmp_path / "soak-found").iterdir()
    assert kept.read_bytes() == b"x"


def test_an_unknown_harness_is_refused(soak: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        soak.main(["nothing"])
    assert "bundle-manifest" in capsys.readouterr().err


def test_there_is_a_harness_for_every_kind_of_file(soak: ModuleType) -> None:
    import hostile_files

    assert {f"bundle-{kind}" for kind in hostile_files.FILES} <= set(soak.HARNESSES)
