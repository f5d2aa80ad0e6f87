"""Fresh processes: what they are told, what becomes of what they say, and of those that fail."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from groupvit_export.benchmark.cold import Start, cold_starts
from groupvit_export.benchmark.settings import RunConfig
from groupvit_export.errors import EngineError
from groupvit_runtime.vocabulary import Vocabulary

WORDS = Vocabulary(("a", "b"), np.eye(2, dtype=np.float32), ("{}",), "f" * 64)


def ignore(share: float) -> None:
    del share


class FakeProcesses:
    """Processes that answer with their number; the first of all is slow."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []

    def __call__(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        self.told.append(json.loads(command[-1]))
        first = 100.0 if len(self.told) == 1 else 1.0
        found = {"import": 1, "load": 2, "first_mask": 3, "total": 6 * first, "warm_mask": 0.5}
        found["peak_resident_mb"] = 90 + len(self.told)
        return subprocess.CompletedProcess(command, 0, json.dumps(found) + "\n", "")


def test_bundles_take_turns_and_medians_are_given(tmp_path: Path) -> None:
    run = FakeProcesses()
    starts = [Start(name, WORDS, "hf", 2) for name in "ab"]
    first, second = cold_starts(starts, RunConfig("cpu", None), tmp_path / "p.png", 3, tmp_path, ignore, run)
    assert "".join(told["bundle"] for told in run.told) == "abbaab"
    assert (first.processes, first.import_ms, first.load_ms, first.first_mask_ms) == (3, 1, 2, 3)
    assert (first.total_ms, first.slowest_total_ms, second.slowest_total_ms) == (6, 600, 6)
    # Numbers 1, 4 and 5 were of the first bundle.
    assert (first.peak_resident_mb, second.peak_resident_mb) == (95, 96)
    told = run.told[0]
    assert (told["device"], told["threads"], told["decode"]) == ("cpu", 2, "hf")
    assert Vocabulary.load(Path(told["vocabulary"])).names == WORDS.names


def test_the_processes_of_cpp_are_told_the_library(tmp_path: Path) -> None:
    run = FakeProcesses()
    for fixed in (RunConfig(None, None, "cpp", "a.so"), RunConfig(None, None, "cpp"), RunConfig(None, None)):
        cold_starts([Start("a", WORDS, "hf", 2)], fixed, tmp_path / "p.png", 1, tmp_path, ignore, run)
    assert [told["library"] for told in run.told] == ["a.so", "libgroupvit.so.1", None]


def test_a_process_that_fails_is_an_error_with_its_own_words(tmp_path: Path) -> None:
    def run(command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 1, "", "the image\n is gone")

    with pytest.raises(EngineError, match="the image is gone"):
        cold_starts(
            [Start("a", WORDS, "hf", None)], RunConfig(None, None), tmp_path, 1, tmp_path, ignore, run
        )


def test_a_process_that_hangs_is_an_error(tmp_path: Path) -> None:
    def run(command: list[str]) -> subprocess.CompletedProcess[str]:
        raise subprocess.TimeoutExpired(command, 600)

    with pytest.raises(EngineError, match="did not come to its first mask"):
        cold_starts(
            [Start("a", WORDS, "hf", None)], RunConfig(None, None), tmp_path, 1, tmp_path, ignore, run
        )


def test_a_real_process_that_refuses(demo_bundles: Mapping[str, Path], scenes: Any, tmp_path: Path) -> None:
    bundle = str(demo_bundles["onnx"])
    # Of another model: the process says so.
    with pytest.raises(EngineError, match="other weights"):
        cold_starts(
            [Start(bundle, WORDS, "hf", 1)], RunConfig(None, None), scenes.image(0), 1, tmp_path, ignore
        )
