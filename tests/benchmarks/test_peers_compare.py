"""Sides that take turns: all have the same rounds, and one that fails is a row with its reason."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.peers.agreement import DisagreementError
from benchmarks.peers.compare import compare
from benchmarks.peers.host import SideError
from benchmarks.peers.material import Material
from benchmarks.peers.sides import DEFAULT, REFERENCE, SIDES, Side
from benchmarks.peers.turns import WARM_UP, Turns, take_turns
from benchmarks.peers.worker import Session

LABELS = np.repeat(np.arange(4), 250).reshape(40, 25)
TURNS = Turns(rounds=3, calls=2)


class InThisProcess:
    """A worker without a process."""

    def __init__(self, make, dies_after=None):
        self._session, self._left = Session(make), dies_after

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def ask(self, do, seconds=None, **request):
        if do == "measure" and self._left is not None:
            self._left -= 1
            if self._left < 0:
                raise SideError("its process ended with code -9")
        answer = self._session.answer({"do": do, **request})
        if "error" in answer:
            raise SideError(answer["error"])
        return answer


def _side(runs="float32", labels=LABELS, calls=("image", "engine")):
    return Side({name: lambda: None for name in calls}, lambda path: labels, runs=runs)


def _lacks():
    raise ModuleNotFoundError("No module named 'nncf'")


@pytest.fixture
def material(tmp_path: Path) -> Material:
    return Material(tmp_path)


def test_all_have_their_turns_and_their_rows(material, tmp_path):
    wrong = LABELS.copy()
    wrong.reshape(-1)[:100] += 1
    workers = {
        DEFAULT: InThisProcess(lambda: _side("OpenVINO 1, CPU, int8 and f32", wrong)),
        REFERENCE: InThisProcess(_side),
        "transformers": InThisProcess(lambda: _side(calls=("image",))),
        "plain-openvino": InThisProcess(_side, dies_after=2),
        "plain-openvino-int8": InThisProcess(_lacks),
    }
    reasons = {name: "not asked for" for name in SIDES if name not in workers}
    found = compare(list(workers), reasons, workers.__getitem__, material, TURNS, tmp_path)
    assert set(found["image"]) == {DEFAULT, REFERENCE, "transformers"}
    assert set(found["engine"]) == {DEFAULT, REFERENCE}
    assert set(found["sides"]) == set(SIDES)
    sides = found["sides"]
    assert sides[DEFAULT]["precision"] == "int8" and sides[DEFAULT]["agreement"]["pixels"] == 90.0
    assert sides[REFERENCE]["agreement"]["pixels"] == 100.0
    assert sides["plain-openvino"]["not_run"] == "its process ended with code -9"
    assert "nncf" in sides["plain-openvino-int8"]["not_run"]
    assert sides["optimum"]["not_run"] == "not asked for"
    assert "not_run" not in sides["transformers"]
    assert DEFAULT in found["image"]["transformers"]["over"]


def test_a_float32_side_that_computes_something_else_stops_it(material, tmp_path):
    workers = {
        REFERENCE: InThisProcess(_side),
        "plain-openvino": InThisProcess(lambda: _side(labels=LABELS[::-1])),
    }
    with pytest.raises(DisagreementError, match="plain-openvino"):
        compare(list(workers), {}, workers.__getitem__, material, TURNS, tmp_path)


def test_without_the_reference_there_is_nothing_to_compare(material, tmp_path):
    workers = {REFERENCE: InThisProcess(_lacks), DEFAULT: InThisProcess(_side)}
    with pytest.raises(DisagreementError, match="nothing to compare with.*nncf"):
        compare(list(workers), {}, workers.__getitem__, material, TURNS, tmp_path)


def test_turns_are_rounds_of_calls_behind_one_to_warm_up():
    called = {"a": 0, "b": 0}

    def side(name):
        def call():
            called[name] += 1

        return InThisProcess(lambda: Side({"image": call}))

    workers = {name: side(name) for name in called}
    for worker in workers.values():
        worker.ask("load")
    taken = take_turns(workers, "image", TURNS, sleep=lambda seconds: None)
    assert {name: [len(turn) for turn in times] for name, times in taken.times.items()} == {
        name: [TURNS.calls] * TURNS.rounds for name in called
    }
    assert set(called.values()) == {TURNS.rounds * (TURNS.calls + WARM_UP)}


def test_nobody_is_nothing():
    assert take_turns({}, "image", TURNS).times == {}
