"""A side in a process of its own: what it is asked, what it answers, and how it fails."""

import os
from pathlib import Path

import numpy as np
import pytest

from benchmarks.peers.host import SideError, Worker

SIDES = """
import os, sys, time
import numpy as np
from benchmarks.peers.sides import Side

def good(name):
    print("a library prints this while it loads")
    called = []
    def call():
        called.append(name)
        print("and this while it computes")
    return Side({"image": call}, lambda path: np.full((2, 3), len(path.name)),
                lambda: {"masks": np.ones(2, np.float32)}, "good 1.0", 0.5, {"pid": os.getpid()})

def lacks():
    import a_package_that_nobody_has

def dies():
    print("the last words", file=sys.stderr)
    os._exit(7)

def hangs():
    os.read(os.pipe()[0], 1)
"""


@pytest.fixture
def start(tmp_path: Path, monkeypatch):
    (tmp_path / "fake_sides.py").write_text(SIDES)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")

    def started(function: str, *arguments: str) -> Worker:
        return Worker(f"fake_sides:{function}", arguments, tmp_path / "log.txt")

    return started


def test_it_loads_measures_and_labels(start, tmp_path):
    with start("good", "a name") as worker:
        loaded = worker.ask("load")
        assert (loaded["runs"], loaded["setup_s"], loaded["calls"]) == ("good 1.0", 0.5, ["image"])
        times = worker.ask("measure", call="image", calls=5, warm_up=1)["ms"]
        assert len(times) == 5 and all(time >= 0 for time in times)
        worker.ask("label", images=["ab.png", "abcd.png"], into=str(tmp_path / "found.npz"))
    with np.load(tmp_path / "found.npz") as found:
        assert found["labels"].tolist() == [[[6] * 3] * 2, [[8] * 3] * 2]
        assert found["masks"].tolist() == [1, 1]
    with pytest.raises(ProcessLookupError):
        os.kill(loaded["facts"]["pid"], 0)
    assert "while it computes" in (tmp_path / "log.txt").read_text()


def test_a_package_that_is_missing_is_the_reason(start):
    with start("lacks") as worker:
        with pytest.raises(SideError, match="ModuleNotFoundError.*a_package_that_nobody_has"):
            worker.ask("load")
        with pytest.raises(SideError, match="has not been loaded"):
            worker.ask("measure", call="image", calls=1, warm_up=0)


def test_a_side_that_dies_is_told_by_its_last_words(start):
    with start("dies") as worker:
        for _ in range(2):
            with pytest.raises(SideError, match="ended with code 7: the last words"):
                worker.ask("load")


def test_a_side_that_does_not_answer_is_ended(start):
    with start("hangs") as worker, pytest.raises(SideError, match="no answer to 'load'"):
        worker.ask("load", seconds=0.1)


def test_what_it_does_not_know_is_an_error(start):
    with start("good", "a name") as worker:
        worker.ask("load")
        with pytest.raises(SideError, match="KeyError"):
            worker.ask("measure", call="nothing", calls=1, warm_up=0)
