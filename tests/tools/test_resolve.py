"""The guard of constraints.txt, on an index of three packages; `make resolve` asks the public one."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from tools.resolve import PYTHONS, RUNTIME, Case, Outcome, cases, extras_of, main, resolve

pytest.importorskip("uv", reason="the resolver is missing, which the extra lint brings")

EXPORT = Case(("export",), "3.11", constrained=True)


@pytest.fixture
def index(tmp_path: Path) -> list[str]:
    """torch as it is published, with its triton; and onnx, for Python 3.11 only."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    for name, version, tag, needs in (
        ("torch", "2.13.0", "py3-none-any", "triton==3.7.1"),
        ("triton", "3.7.1", "py3-none-any", None),
        ("triton", "3.9.0", "py3-none-any", None),
        ("onnx", "1.23.2", "cp311-cp311-manylinux_2_28_x86_64", None),
    ):
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        metadata += f"Requires-Dist: {needs}\n" if needs else ""
        with zipfile.ZipFile(folder / f"{name}-{version}-{tag}.whl", "w") as wheel:
            wheel.writestr(f"{name}-{version}.dist-info/METADATA", metadata)
            wheel.writestr(f"{name}-{version}.dist-info/WHEEL", f"Wheel-Version: 1.0\nTag: {tag}\n")
            wheel.writestr(f"{name}-{version}.dist-info/RECORD", "")
    return ["--no-index", "--find-links", str(folder)]


def project(folder: Path, constraints: str) -> Path:
    (folder / "constraints.txt").write_text(constraints)
    (folder / "pyproject.toml").write_text(
        '[project]\nname = "p"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = ["r==1"]\n'
        '[project.optional-dependencies]\nexport = ["torch>=2.10"]\nonnx = ["r[onnx]"]\n'
    )
    (folder / RUNTIME).mkdir(parents=True)
    (folder / RUNTIME / "pyproject.toml").write_text(
        '[project]\nname = "r"\nversion = "1"\nrequires-python = ">=3.11"\n'
        '[project.optional-dependencies]\nonnx = ["onnx"]\n'
    )
    return folder


def test_pins_that_fit_each_other_resolve(tmp_path: Path, index: list[str]) -> None:
    result = resolve(EXPORT, project(tmp_path, "torch==2.13.0\ntriton==3.7.1\n"), index)
    assert result.outcome is Outcome.RESOLVED, result.text
    assert result.text.split() == [".", "./runtimes/python", "torch==2.13.0", "triton==3.7.1"]


def test_the_runtime_alone_brings_its_engine_and_nothing_else(tmp_path: Path, index: list[str]) -> None:
    case = Case(("onnx",), "3.11", constrained=True, alone=True)
    result = resolve(case, project(tmp_path, "onnx==1.23.2\n"), index)
    assert result.outcome is Outcome.RESOLVED, result.text
    assert result.text.split() == ["onnx==1.23.2", "./runtimes/python"]


def test_a_pin_against_what_a_package_asks_for_is_refused_with_the_reason(
    tmp_path: Path, index: list[str]
) -> None:
    result = resolve(EXPORT, project(tmp_path, "torch==2.13.0\ntriton==3.9.0\n"), index)
    assert result.outcome is Outcome.REFUSED
    assert "depend on triton==3.7.1" in result.text


@pytest.mark.parametrize(("python", "outcome"), [("3.11", Outcome.RESOLVED), ("3.13", Outcome.REFUSED)])
def test_a_version_without_a_wheel_for_an_interpreter_is_refused(
    tmp_path: Path, index: list[str], python: str, outcome: Outcome
) -> None:
    case = Case(("onnx",), python, constrained=True)
    assert resolve(case, project(tmp_path, "onnx==1.23.2\n"), index).outcome is outcome


def test_an_index_that_is_not_there_is_no_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    nobody = ["--default-index", "http://127.0.0.1:9/simple", "--no-cache"]
    result = resolve(EXPORT, project(tmp_path, "torch==2.13.0\n"), nobody)
    assert result.outcome is Outcome.UNREACHABLE, result.text


def test_what_a_user_configured_is_left_out(
    tmp_path: Path, index: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_OVERRIDE", str(tmp_path / "overrides.txt"))
    (tmp_path / "overrides.txt").write_text("triton==3.9.0\n")
    assert (
        resolve(EXPORT, project(tmp_path, "torch==2.13.0\ntriton==3.9.0\n"), index).outcome is Outcome.REFUSED
    )


@pytest.mark.parametrize(
    ("outcome", "code", "said"),
    [
        (Outcome.RESOLVED, 0, "All of them resolve"),
        (Outcome.REFUSED, 1, "because of this"),
        (Outcome.UNREACHABLE, 3, "cannot be reached"),
    ],
)
def test_the_exit_code_tells_the_outcomes_apart(
    outcome: Outcome,
    code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from tools import resolve as module

    monkeypatch.setattr(
        module, "resolve", lambda case, project: module.Result(case, outcome, "because of this")
    )
    assert main([]) == code
    assert said in capsys.readouterr().out


def test_every_extra_is_asked_for_on_every_interpreter() -> None:
    root = Path(__file__).resolve().parents[2]
    wanted = cases()
    for python in PYTHONS:
        for alone, folder in ((False, root), (True, root / RUNTIME)):
            asked = [case.extras for case in wanted if case.python == python and case.alone == alone]
            assert {extras for extras in asked if len(extras) < 2} == {
                (),
                *((extra,) for extra in extras_of(folder)),
            }
        assert Case(("export", "test", "lint", "bench"), python, constrained=True) in wanted
        assert Case(("export",), python, constrained=False) in wanted
