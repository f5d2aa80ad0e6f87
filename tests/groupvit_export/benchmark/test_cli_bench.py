"""`groupvit bench` on the demo: what it writes, what it exits with, and that it needs no PyTorch."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made import come_from
from without_pytorch import run as run_without_pytorch

from groupvit_export.benchmark import measure as measuring
from groupvit_export.benchmark.records import Record, read_records, write_records
from groupvit_export.benchmark.sampling import sample
from groupvit_export.cli import main
from groupvit_runtime.engines.onnxruntime import OnnxRuntimeEngine
from groupvit_runtime.install_hint import install_hint

QUICK = ["--rounds", "3", "--cold", "0", "--warm-up", "1", "--size", "own", "--threads", "1"]


@pytest.fixture
def onnx(demo_bundles: Mapping[str, Path]) -> str:
    return str(demo_bundles["onnx"])


@pytest.fixture
def openvino(demo_bundles: Mapping[str, Path]) -> str:
    return str(demo_bundles["openvino"])


def files_of(make_record: Callable[..., Record], folder: Path, *medians: float) -> list[str]:
    paths = []
    for number, median in enumerate(medians):
        record = make_record([median + 0.01 * (n % 5) for n in range(40)], run=f"run {number}")
        paths.append(str(folder / f"{number}.jsonl"))
        write_records(Path(paths[-1]), [record])
    return paths


@pytest.mark.slow
def test_two_bundles_in_every_setting(
    onnx: str, openvino: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines, page = tmp_path / "bench.jsonl", tmp_path / "bench.html"
    arguments = ["--batch", "1,2", "--json", str(lines), "--html", str(page)]
    assert main(["bench", onnx, openvino, *QUICK, *arguments]) == 0
    records = read_records(lines)
    assert [(r.bundle.name, r.setting.batch) for r in records] == [
        ("onnx", 1),
        ("openvino", 1),
        ("onnx", 2),
        ("openvino", 2),
    ]
    assert len({record.run for record in records}) == 1
    for record in records:
        assert record.latency.count == len(record.rounds) == 3
        assert record.engine.startswith(("ONNX Runtime", "OpenVINO"))
        assert (record.decode, record.classes, record.image.format) == ("hf", 9, "PNG")
        outer = [s.mean for s in record.stages if s.name not in ("host_to_device", "device_to_host")]
        assert sum(mean for mean in outer if mean is not None) == pytest.approx(record.latency.mean)
        assert record.command.startswith("groupvit bench")
    out, err = capsys.readouterr()
    assert "Latency of a call" in out and "images/s" in out and "not applicable on CPU" in out
    assert "too few for a p99" in out
    assert "data:image/svg+xml" in page.read_text() and str(page) in err
    assert {path.name for path in tmp_path.iterdir()} == {"bench.jsonl", "bench.html"}


def test_quiet_prints_only_what_became_slower(
    onnx: str, make_record: Callable[..., Record], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = tmp_path / "bench.jsonl"
    assert main(["bench", onnx, *QUICK, "--json", str(records), "--quiet"]) == 0
    files = files_of(make_record, tmp_path, 10.0, 14.0)
    compare = ["bench", *files, "--compare", "--quiet"]
    assert main([*compare, "--max-regression", "60"]) == 0
    assert capsys.readouterr() == ("", "")
    assert main([*compare, "--max-regression", "5"]) == 3
    assert "slower" in capsys.readouterr().out


def test_a_rate_streams_and_the_paper_decode(onnx: str, tmp_path: Path) -> None:
    lines = tmp_path / "bench.jsonl"
    arguments = ["--rate", "400", "--streams", "1,2", "--decode", "paper", "--json", str(lines)]
    assert main(["bench", onnx, *QUICK, *arguments]) == 0
    single, double = read_records(lines)
    assert (single.setting.streams, double.setting.streams) == (1, 2)
    for record in (single, double):
        assert record.decode == "paper" and record.late is not None and record.late.calls == 10
        waited = next(stage for stage in record.stages if stage.name == "wait")
        assert waited.mean is not None and waited.mean >= 0


def test_cold_starts_are_of_fresh_processes(onnx: str, tmp_path: Path) -> None:
    lines = tmp_path / "bench.jsonl"
    assert main(["bench", onnx, *QUICK, "--cold", "1", "--json", str(lines)]) == 0
    (record,) = read_records(lines)
    cold = record.cold
    assert cold is not None and cold.processes == 1
    assert cold.total_ms == pytest.approx(cold.import_ms + cold.load_ms + cold.first_mask_ms)
    assert cold.peak_resident_mb is None or cold.peak_resident_mb > 20


def test_the_same_bundle_twice_is_compared(onnx: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [*QUICK, "--rounds", "10", "--compare", "--max-regression", "100000"]
    assert main(["bench", onnx, onnx, *arguments]) == 0
    out = capsys.readouterr().out
    assert "measured in turn" in out and "no setting is slower" in out and "onnx (2)" in out


def test_accuracy_comes_from_an_evaluation(onnx: str, scenes: Any, tmp_path: Path) -> None:
    out = tmp_path / "evaluated"
    evaluated = ["eval", onnx, "--dataset", "shapes", "--root", str(scenes.root), "--limit", "2"]
    assert main([*evaluated, "--worst", "0", "-o", str(out), "--quiet"]) == 0
    report, lines = out / "report.json", tmp_path / "bench.jsonl"
    given = ["--accuracy", f"{onnx}={report}"]
    assert main(["bench", onnx, *QUICK, *given, "--json", str(lines)]) == 0
    (record,) = read_records(lines)
    assert record.accuracy is not None and record.accuracy.miou == json.loads(report.read_text())["miou"]
    assert record.accuracy.partial
    assert main(["bench", onnx, *QUICK, *given, "--decode", "paper"]) == 2


def test_an_accuracy_of_another_bundle_is_refused(
    onnx: str, openvino: str, scenes: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluated = ["eval", onnx, "--dataset", "shapes", "--root", str(scenes.root), "--limit", "1"]
    assert main([*evaluated, "--worst", "0", "-o", str(tmp_path), "--quiet"]) == 0
    report = tmp_path / "report.json"
    assert main(["bench", openvino, *QUICK, "--accuracy", f"{openvino}={report}"]) == 2
    assert "of another bundle" in capsys.readouterr().err
    report.write_text("{}")
    assert main(["bench", onnx, *QUICK, "--accuracy", f"{onnx}={report}"]) == 1
    report.write_text("{")
    assert main(["bench", onnx, *QUICK, "--accuracy", f"{onnx}={report}"]) == 1


@pytest.mark.parametrize(
    ("allowed", "code"), [(["--max-regression", "5"], 3), (["--max-regression", "60"], 0), ([], 0)]
)
def test_a_regression_is_an_exit_code(
    make_record: Callable[..., Record], tmp_path: Path, allowed: list[str], code: int
) -> None:
    first, second = files_of(make_record, tmp_path, 10.0, 15.0)
    assert main(["bench", "--compare", first, second, *allowed]) == code
    # The other way round it became faster.
    assert main(["bench", "--compare", second, first, *allowed]) == 0


def test_files_are_compared_on_a_page(
    make_record: Callable[..., Record], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = files_of(make_record, tmp_path, 10.0, 15.0)
    (other,) = read_records(Path(second))
    write_records(Path(second), [replace(other, machine=replace(other.machine, cpu="Another"))])
    page = tmp_path / "page.html"
    assert main(["bench", "--compare", first, second, "--html", str(page)]) == 0
    out = capsys.readouterr().out
    assert "slower" in out and "1.5" in out and "warning: THE MACHINES ARE NOT THE SAME" in out
    text = page.read_text()
    assert "demo (first)" in text and "demo (second)" in text and "THE MACHINES" in text


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["BUNDLE", "--rounds", "2"], 2, "too few rounds"),
        (["BUNDLE", "BUNDLE", "--compare", "--rounds", "9"], 2, "too few rounds to compare"),
        (["BUNDLE", "BUNDLE", "--compare", "--rounds", "99", "--rate", "5"], 2, "too few rounds to compare"),
        (["BUNDLE", "--rounds", "3", "--seconds", "1"], 2, "not allowed with"),
        (["BUNDLE", "--device", "gpu"], 2, "unknown device"),
        (["BUNDLE", "--device", "cuda"], 1, "fallen back silently"),
        (["BUNDLE", "--threads", "1,x"], 2, "--threads cannot be understood"),
        (["BUNDLE", "--batch", "0"], 2, "--batch is out of range"),
        (["BUNDLE", "--library", "libgroupvit.so"], 2, "add --runtime cpp"),
        (["BUNDLE", "--runtime", "rust"], 2, "is not one of 'python', 'cpp'"),
        (["BUNDLE", "--runtime", "cpp", "--batch", "1,2"], 2, "one image"),
        (["BUNDLE", "--runtime", "cpp", "--library", "./none.so"], 1, "fix: cmake -S runtimes/cpp"),
        (["FILE", "FILE", "--compare", "--runtime", "cpp"], 2, "got: --runtime"),
        (["BUNDLE", "--rate", "-1"], 2, "a rate is"),
        (["BUNDLE", "--size", "0x10"], 2, "at least one pixel"),
        (["BUNDLE", "--size", "large"], 2, "cannot be understood"),
        (["BUNDLE", "--decode", "other"], 2, "unknown decode"),
        (["BUNDLE", "--max-regression", "5"], 2, "without --compare"),
        (["BUNDLE", "--compare"], 2, "a comparison is of two"),
        (["BUNDLE", "--json", "none/bench.jsonl"], 2, "nowhere to go"),
        (["BUNDLE", "--labels", ""], 1, "label"),
        (["BUNDLE", "--vocab", "none"], 1, "no vocabulary of this name"),
        (["BUNDLE", "--image", "none.png"], 1, "no image"),
        (["none"], 1, "not a bundle"),
        (["none.zip"], 1, "not a bundle"),
        (["BUNDLE", "FILE", "--compare"], 2, "a file of measurements"),
        (["FILE", "FILE", "--compare", "--rounds", "5", "--json", "x"], 2, "got: --rounds, --json"),
        (["FILE", "none.jsonl", "--compare"], 1, "cannot be read"),
        (["FILE", "BROKEN", "--compare"], 1, "not JSON"),
        (["FILE", "FILE", "--compare", "--max-regression", "-1"], 2, "a percentage"),
    ],
)
def test_what_cannot_be_measured_is_told(
    onnx: str,
    make_record: Callable[..., Record],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (file,) = files_of(make_record, tmp_path, 10.0)
    broken = tmp_path / "broken.jsonl"
    broken.write_text(Path(file).read_text()[:500])
    places = {"BUNDLE": onnx, "FILE": file, "BROKEN": str(broken)}
    given = [places.get(argument, argument) for argument in arguments]
    found = main(["bench", *given])
    err = capsys.readouterr().err
    assert found == code and message in err and "Traceback" not in err
    assert {path.name for path in tmp_path.iterdir()} == {"0.jsonl", "broken.jsonl"}


def test_a_page_without_its_extra_is_refused_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("groupvit_export.html.page.find_spec", lambda name: None)
    assert main(["bench", "no-bundle", "--html", str(tmp_path / "page.html")]) == 1
    assert install_hint("report") in capsys.readouterr().err


def test_other_checkpoints_need_labels(onnx: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = Path(shutil.copytree(onnx, tmp_path / "mine"))
    come_from(copy, "mine")
    assert main(["bench", str(copy), *QUICK]) == 2
    assert "which classes" in capsys.readouterr().err
    assert main(["bench", str(copy), *QUICK, "--labels", "sky,grass"]) == 0
    assert "2 classes" in capsys.readouterr().out


def test_an_interrupt_leaves_the_old_file(
    onnx: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = tmp_path / "bench.jsonl"
    lines.write_text("the last one\n")
    run, calls = OnnxRuntimeEngine.run, []

    def interrupted(self: OnnxRuntimeEngine, inputs: Any) -> Any:
        calls.append(1)
        if len(calls) > 3:
            raise KeyboardInterrupt
        return run(self, inputs)

    monkeypatch.setattr(OnnxRuntimeEngine, "run", interrupted)
    assert main(["bench", onnx, *QUICK, "--rounds", "9", "--json", str(lines)]) == 130
    assert lines.read_text() == "the last one\n"
    assert list(tmp_path.iterdir()) == [lines]
    assert "interrupted" in capsys.readouterr().err


def test_a_busy_machine_is_noticed(
    onnx: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("groupvit_export.benchmark.machine.load_average", lambda: 99.0)
    lines = tmp_path / "bench.jsonl"
    assert main(["bench", onnx, *QUICK, "--json", str(lines)]) == 0
    (record,) = read_records(lines)
    assert record.steadiness.busy and record.steadiness.load_before == 99.0
    assert "warning: the machine was busy before the start: load average 99.00" in capsys.readouterr().out


def test_every_bundle_is_in_every_round(onnx: str, openvino: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[int] = []

    def watched(callers: Any, *arguments: Any) -> Any:
        given.append(len(callers))
        return sample(callers, *arguments)

    monkeypatch.setattr(measuring, "sample", watched)
    assert main(["bench", onnx, openvino, *QUICK]) == 0
    assert given == [2]


def test_measuring_needs_no_pytorch(onnx: str, tmp_path: Path) -> None:
    code = "from groupvit_export.cli import main; sys.exit(main(sys.argv[1:]))"
    arguments = [
        "bench",
        onnx,
        *QUICK,
        "--html",
        str(tmp_path / "p.html"),
        "--json",
        str(tmp_path / "p.jsonl"),
    ]
    done = run_without_pytorch(code, *arguments)
    assert done.returncode == 0, done.stderr


def test_a_fresh_process_needs_no_pytorch(onnx: str, scenes: Any, tmp_path: Path) -> None:
    words = tmp_path / "words.safetensors"
    assert main(["vocab", onnx, "--labels", "sky,grass", "-o", str(words)]) == 0
    options = {"bundle": onnx, "image": str(scenes.image(0)), "vocabulary": str(words)}
    options |= {"device": None, "threads": None, "decode": "hf", "library": None, "precision": None}  # type: ignore[dict-item]
    code = "import runpy; runpy.run_module('groupvit_export.benchmark.fresh', run_name='__main__')"
    done = run_without_pytorch(code, json.dumps(options))
    assert set(json.loads(done.stdout)) >= {"import", "load", "first_mask", "total", "warm_mask"}, done.stderr
