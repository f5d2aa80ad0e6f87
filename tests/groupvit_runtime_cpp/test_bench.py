"""`groupvit bench --runtime cpp`: records like those of the Python runtime, and comparable with them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from bad_bundles import edit_manifest
from cpp_runtime import Library

from groupvit_export.benchmark.bench_target import load, open_subjects
from groupvit_export.benchmark.records import Record, read_records
from groupvit_export.benchmark.settings import RunConfig, Setting
from groupvit_export.cli import main
from groupvit_export.data.bundled import DEMO_LABELS, DEMO_SAMPLE
from groupvit_runtime import Segmenter
from groupvit_runtime.read_image import read_image

QUICK = ["--rounds", "10", "--warm-up", "1", "--threads", "1", "--quiet"]


def measured(bundle: Path, file: Path, *options: str) -> Record:
    assert main(["bench", str(bundle), *QUICK, "--json", str(file), *options]) == 0
    (record,) = read_records(file)
    return record


@pytest.mark.slow
def test_both_runtimes_are_compared(
    cpp_library: Library,
    demo_bundles: Mapping[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bundle, files = demo_bundles["openvino"], [tmp_path / "python.jsonl", tmp_path / "cpp.jsonl"]
    python = measured(bundle, files[0], "--cold", "0")
    cpp = measured(bundle, files[1], "--cold", "1", "--runtime", "cpp", "--library", cpp_library.path)
    assert (python.runtime, cpp.runtime) == ("python", "cpp")
    assert cpp.versions["groupvit-cpp"] == cpp_library.version and "groupvit-cpp" not in python.versions
    for ours, theirs in (
        (cpp.bundle, python.bundle),
        (cpp.classes, python.classes),
        (cpp.image, python.image),
        (cpp.machine, python.machine),
    ):
        assert ours == theirs
    means = {stage.name: stage.mean for stage in cpp.stages if stage.mean is not None}
    assert means.keys() == {"read", "library", "rest"}
    assert sum(means.values()) == pytest.approx(cpp.latency.mean)
    cold = cpp.cold
    assert cold is not None and min(cold.import_ms, cold.load_ms, cold.first_mask_ms) > 0
    assert cold.total_ms == pytest.approx(cold.import_ms + cold.load_ms + cold.first_mask_ms)
    page = tmp_path / "page.html"
    capsys.readouterr()
    assert main(["bench", "--compare", *map(str, files), "--html", str(page)]) == 0
    assert "the runtimes differ: python, cpp" in capsys.readouterr().out
    assert "the C++ library" in page.read_text()


@pytest.mark.parametrize("decode", ["hf", "paper"])
def test_what_is_timed_is_the_whole_label_map(
    cpp_library: Library, demo_bundles: Mapping[str, Path], decode: str
) -> None:
    bundle = demo_bundles["openvino"]
    (subject,) = open_subjects([str(bundle)], None, None)
    fixed = RunConfig(None, decode, "cpp", cpp_library.path)
    loaded = load(subject, Setting(1, 1, 1, None), fixed, DEMO_SAMPLE, (224, 224))
    expected = Segmenter.load(bundle, decode=decode)(read_image(DEMO_SAMPLE), list(DEMO_LABELS)).labels
    np.testing.assert_array_equal(loaded.caller._call(), expected)
    call, begin, end = loaded.caller()
    assert set(call.stages) == {"read", "library"}
    assert 0 < sum(call.stages.values()) <= call.milliseconds == (end - begin) * 1000


def test_what_the_library_refuses_is_told(
    cpp_library: Library,
    demo_bundles: Mapping[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bundle = Path(shutil.copytree(demo_bundles["openvino"], tmp_path / "bundle"))
    # The words are encoded by Python.
    edit_manifest(
        bundle, lambda value: [e.update(target="torch") for e in value["engines"] if e["role"] == "image"]
    )
    assert main(["bench", str(bundle), *QUICK, "--runtime", "cpp", "--library", cpp_library.path]) == 1
    assert "without the torch engine" in capsys.readouterr().err
