"""`groupvit eval` on the demo bundles: the numbers, what is refused, and that it can be gone on with."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import jaccard_score

from groupvit_export.cli import main
from groupvit_export.data.bundled import DEMO_LABELS, DEMO_SAMPLE
from groupvit_export.evaluate import html
from groupvit_export.evaluate.journal import JOURNAL_NAME
from groupvit_runtime import EngineError, Segmenter
from groupvit_runtime.locks import try_lock

CLASSES = ("background", *(label for label in DEMO_LABELS if label != "background"))
IMAGES = 5
IGNORED = 255


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's sample, turned and cut, with made-up masks."""
    root = tmp_path_factory.mktemp("folder")
    for name in ("images", "masks"):
        (root / name).mkdir()
    (root / "classes.txt").write_text("".join(f"{name}\n" for name in CLASSES), encoding="utf-8")
    rng = np.random.default_rng(0)
    with Image.open(DEMO_SAMPLE) as file:
        sample = file.convert("RGB")
    for index in range(IMAGES):
        image = sample.rotate(90 * index).crop((0, 0, sample.width - 7 * index, sample.height - 3 * index))
        blocks = rng.integers(0, len(CLASSES), (4, 4)).astype(np.uint8)
        blocks[0, 0] = IGNORED
        image.save(root / "images" / f"{index}.png")
        Image.fromarray(blocks).resize(image.size, Image.Resampling.NEAREST).save(
            root / "masks" / f"{index}.png"
        )
    return root


@pytest.fixture
def bundle(demo_bundles: Mapping[str, Path]) -> Path:
    return demo_bundles["onnx"]


def command(bundle: Path, root: Path, output: Path, *more: str) -> list[str]:
    return ["eval", str(bundle), "--dataset", "folder", "--root", str(root), "-o", str(output), *more]


def report_of(output: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((output / "report.json").read_text(encoding="utf-8"))
    return value


def numbers(report: dict[str, Any]) -> dict[str, Any]:
    """What may not depend on how a run was carried out."""
    return {
        name: report[name]
        for name in ("miou", "pixel_accuracy", "mean_accuracy", "classes", "confusion", "worst", "identity")
    }


@pytest.mark.parametrize(
    ("decode", "names", "threshold"), [("hf", CLASSES, None), ("paper", CLASSES[1:], 0.3)]
)
def test_the_numbers_are_those_of_segmenting_by_hand(
    demo_bundle: Path,
    root: Path,
    tmp_path: Path,
    decode: Any,
    names: tuple[str, ...],
    threshold: float | None,
) -> None:
    more = [] if threshold is None else ["--background-threshold", str(threshold)]
    assert main(command(demo_bundle, root, tmp_path, "--decode", decode, "--quiet", *more)) == 0
    segmenter, truth, found = Segmenter.load(demo_bundle), [], []
    for index in range(IMAGES):
        mask = np.asarray(Image.open(root / "masks" / f"{index}.png"))
        result = segmenter(
            root / "images" / f"{index}.png", names, decode=decode, background_threshold=threshold
        )
        assert result.names == CLASSES
        truth.append(mask[mask != IGNORED])
        found.append(result.labels[mask != IGNORED])
    report = report_of(tmp_path)
    expected = jaccard_score(np.concatenate(truth), np.concatenate(found), average="macro")
    assert report["miou"] == pytest.approx(expected, abs=1e-12)
    assert report["identity"]["decode"] == decode
    assert report["identity"]["background_threshold"] == threshold
    assert report["pixels"] == sum(map(len, truth))
    assert len(list((tmp_path / "worst").iterdir())) == IMAGES


def test_workers_and_threads_change_no_number(bundle: Path, root: Path, tmp_path: Path) -> None:
    reports = []
    for workers, threads in ((1, 1), (2, 1), (5, 2)):
        output = tmp_path / str(workers)
        more = ["--workers", str(workers), "--threads", str(threads), "--quiet", "--worst", "2"]
        assert main(command(bundle, root, output, *more)) == 0
        reports.append(numbers(report_of(output)))
    assert reports[0] == reports[1] == reports[2]


@pytest.mark.slow
def test_it_goes_on_where_it_was(
    bundle: Path, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(bundle, root, tmp_path / "a", "--limit", "2")) == 0
    assert f"partial: 2 of {IMAGES} images" in capsys.readouterr().out
    assert report_of(tmp_path / "a")["partial"] is True
    assert main(command(bundle, root, tmp_path / "a")) == 0
    captured = capsys.readouterr()
    assert f"resuming: 2 of {IMAGES} done" in captured.err
    assert "partial" not in captured.out
    assert main(command(bundle, root, tmp_path / "b", "--quiet")) == 0
    assert numbers(report_of(tmp_path / "a")) == numbers(report_of(tmp_path / "b"))
    assert capsys.readouterr().err == ""


def test_repeated_it_runs_nothing_and_prints_the_same(
    bundle: Path, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch
) -> None:
    assert main(command(bundle, root, tmp_path)) == 0
    first = capsys.readouterr().out

    def never(*_: object, **__: object) -> None:
        raise AssertionError("an image was segmented")

    monkeypatch.setattr(Segmenter, "__call__", never)
    assert main(command(bundle, root, tmp_path)) == 0
    assert capsys.readouterr().out == first
    assert "mIoU " in first and "report.json" in first


def test_as_json_the_report_is_one_line(
    bundle: Path, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(bundle, root, tmp_path, "--json", "--quiet")) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line) == report_of(tmp_path)


def test_quiet_prints_only_what_failed(
    bundle: Path, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = str(tmp_path / "page.html")
    assert main(command(bundle, root, tmp_path / "out", "--quiet", "--html", page)) == 0
    assert capsys.readouterr() == ("", "")
    copy = Path(shutil.copytree(root, tmp_path / "data"))
    (copy / "images" / "1.png").write_bytes(b"")
    assert main(command(bundle, copy, tmp_path / "failed", "--quiet")) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("groupvit: error: ") and "1.png" in err and "mIoU" not in err


def test_the_page_is_made_while_nobody_else_writes_to_the_folder(
    bundle: Path, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another evaluation would remove the worst images that the page shows."""
    output, genuine, locked = tmp_path / "out", html.html_report, []

    def made(*arguments: Any, **named: Any) -> str:
        with (output / JOURNAL_NAME).open("rb") as journal:
            locked.append(not try_lock(journal.fileno()))
        return genuine(*arguments, **named)

    monkeypatch.setattr(html, "html_report", made)
    assert main(command(bundle, root, output, "--quiet", "--html", str(tmp_path / "page.html"))) == 0
    assert locked == [True]


def test_other_settings_are_refused_until_forced(
    bundle: Path, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(bundle, root, tmp_path, "--quiet")) == 0
    other = command(bundle, root, tmp_path, "--quiet", "--templates", "{}")
    capsys.readouterr()
    assert main(other) == 1
    assert "templates, embeddings_sha256 differ" in capsys.readouterr().err
    assert main([*other, "--force", "--worst", "1"]) == 0
    assert report_of(tmp_path)["identity"]["templates"] == ["{}"]
    assert len(list((tmp_path / "worst").iterdir())) == 1


def test_the_vocabularies_cached_in_a_bundle_are_no_setting(bundle: Path, root: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(bundle, tmp_path / "bundle"))
    assert main(command(copy, root, tmp_path / "out", "--quiet", "--limit", "1")) == 0
    assert main(["vocab", str(copy), "--labels", CLASSES[1], "--add", "one"]) == 0
    assert main(command(copy, root, tmp_path / "out", "--quiet")) == 0


@pytest.mark.slow
def test_a_broken_image_is_named_and_the_rest_reported(
    bundle: Path, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Path(shutil.copytree(root, tmp_path / "data"))
    whole = (copy / "images" / "1.png").read_bytes()
    (copy / "images" / "1.png").write_bytes(whole[:200])
    assert main(command(bundle, copy, tmp_path / "out")) == 1
    captured = capsys.readouterr()
    assert str(copy / "images" / "1.png") in captured.err
    assert f"partial: {IMAGES - 1} of {IMAGES} images (1 failed)" in captured.out
    assert [failed["key"] for failed in report_of(tmp_path / "out")["failed"]] == ["1"]
    assert main(command(bundle, copy, tmp_path / "strict", "--strict", "--json")) == 1
    assert "stopped at 1" in json.loads(capsys.readouterr().out)["what"]
    (copy / "images" / "1.png").write_bytes(whole)
    assert main(command(bundle, copy, tmp_path / "out")) == 0
    assert main(command(bundle, root, tmp_path / "whole")) == 0
    assert numbers(report_of(tmp_path / "out")) == numbers(report_of(tmp_path / "whole"))


def test_interrupted_it_says_how_to_go_on(
    bundle: Path, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch
) -> None:
    segment, calls = Segmenter.__call__, []

    def interrupted(self: Segmenter, *arguments: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return segment(self, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Segmenter, "__call__", interrupted)
        assert main(command(bundle, root, tmp_path)) == 130
    assert "the same command goes on" in capsys.readouterr().err
    assert not (tmp_path / "report.json").exists()
    assert main(command(bundle, root, tmp_path)) == 0
    assert f"of {IMAGES} done" in capsys.readouterr().err


def test_an_engine_that_fails_is_no_matter_of_one_image(
    bundle: Path, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise EngineError("the engine is gone")

    monkeypatch.setattr(Segmenter, "__call__", fail)
    assert main(command(bundle, root, tmp_path)) == 1
    assert "the engine is gone" in capsys.readouterr().err
    assert not (tmp_path / "report.json").exists()


@pytest.mark.parametrize(
    "more",
    [
        ["--limit", "0"],
        ["--limit", "-3"],
        ["--workers", "0"],
        ["--threads", "0"],
        ["--worst", "-1"],
        ["--background-threshold", "1.5"],
        ["--background-threshold", "nan"],
        ["--decode", "other"],
        ["--decode", "hf", "--background-threshold", "0.5"],
    ],
)
def test_what_cannot_mean_anything_is_told_before_anything_is_opened(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str]
) -> None:
    assert main(command(tmp_path / "no-bundle", tmp_path / "no-data", tmp_path / "out", *more)) == 2
    assert "expected" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_mistakes_leave_no_folder_behind(
    bundle: Path, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    assert main(command(bundle, tmp_path / "nothing", output)) == 2
    assert main(command(tmp_path / "nothing", root, output)) == 1
    assert main(["eval", str(bundle), "--dataset", "foldr", "--root", str(root), "-o", str(output)]) == 2
    assert "--dataset folder" in capsys.readouterr().err
    assert main(command(bundle, root, output, "--templates", "no place")) == 1
    assert not output.exists()


def test_it_needs_no_pytorch(bundle: Path, root: Path, tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "for name in ('torch', 'onnx', 'onnxscript', 'transformers'): sys.modules[name] = None\n"
        "from groupvit_export.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    arguments = command(bundle, root, tmp_path, "--quiet")
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
