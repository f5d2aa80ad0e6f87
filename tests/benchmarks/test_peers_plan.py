"""What runs, on which kind of processor, and whether the machine is quiet."""

import sys
from pathlib import Path

import pytest

from benchmarks.kinds import TITLES, kind_of
from benchmarks.peers.__main__ import GOAL_SIDES, PARTS, plan
from benchmarks.peers.fresh import PEER, measure_fresh
from benchmarks.peers.material import PAPER, sources_digest
from benchmarks.peers.quiet import Quiet, pace_changed, processor_time
from benchmarks.peers.sides import ALWAYS, DEFAULT, SIDES, chosen, precision_of
from groupvit_runtime.instruction_sets import INSTRUCTION_SETS


@pytest.mark.parametrize(
    ("flags", "kind"),
    [
        ({"avx2", "avx512bw", "avx512_vnni", "amx_int8", "amx_bf16"}, "amx"),
        ({"avx2", "avx512bw", "avx512_vnni", "avx512_bf16"}, "vnni"),
        ({"avx2", "avx_vnni"}, "vnni"),
        ({"avx2", "avx512bw"}, "avx512"),
        ({"avx2", "fma"}, "avx2"),
        ({"asimd", "asimddp"}, "arm64"),
        (set(), "other"),
    ],
)
def test_the_kind_is_what_multiplies_bytes(flags, kind):
    assert kind_of(flags) == kind


def test_every_instruction_set_has_a_kind_with_a_title():
    assert {kind_of({known.flag}) for known in INSTRUCTION_SETS} == set(TITLES)


def _everything(name):
    return True


def test_all_sides_run_or_say_why_not():
    names, reasons = chosen(None, _everything, has_bf16=True)
    assert set(names) | set(reasons) == set(SIDES) and set(reasons) == {"optimum"}
    assert "transformers below 4.58" in reasons["optimum"]


def test_what_is_not_installed_is_not_run():
    names, reasons = chosen(None, lambda name: name != "nncf", has_bf16=True)
    assert reasons["plain-openvino-int8"] == "nncf is not installed" and "plain-openvino-int8" not in names


def test_bf16_is_not_emulated():
    names, reasons = chosen(None, _everything, has_bf16=False)
    assert {name for name, reason in reasons.items() if reason == "the processor has no bf16"} == {
        name for name in SIDES if "bf16" in name
    }
    assert "plain-openvino-int8" in names


def test_a_part_alone_wants_no_side():
    found = plan("windows", _everything, bf16=True)
    assert found.parts == ("windows",) and found.sides == () and found.material == (PAPER,)


def test_a_side_runs_beside_those_that_always_run():
    found = plan("plain-openvino", _everything, bf16=True)
    assert found.parts == ("sides",) and set(found.sides) == {*ALWAYS, "plain-openvino"}


def test_goals_are_all_parts_with_the_sides_that_they_name():
    found = plan("goals", _everything, bf16=True)
    assert found.parts == PARTS and set(found.sides) == {*ALWAYS, *GOAL_SIDES}
    assert {DEFAULT, PAPER, "ours-onnxruntime"} <= set(found.material)
    assert set(plan("goals,sides", _everything, bf16=True).sides) == SIDES.keys() - {"optimum"}
    assert plan(None, _everything, bf16=True) == plan("goals,sides", _everything, bf16=True)


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="no such side or part: tensorflow"):
        plan("tensorflow", _everything, bf16=True)


@pytest.mark.parametrize(
    ("runs", "precision"),
    [
        ("OpenVINO 2026.4.1, CPU, f32", "float32"),
        ("OpenVINO 2026.4.1, CPU, bf16", "bf16"),
        ("OpenVINO 2026.4.1, CPU, int8 and bf16", "int8"),
    ],
)
def test_the_precision_of_a_default_export_is_what_it_says(runs, precision):
    assert precision_of(runs) == precision


def test_a_busy_machine_is_told():
    quiet = Quiet(load=0.4, busy_percent=1.0, pace_ms=1.0)
    assert quiet.complaints(2) == []
    busy = Quiet(load=0.6, busy_percent=40.0, pace_ms=1.0)
    assert [text.split(",")[0] for text in busy.complaints(2)] == [
        "load average 0.60",
        "processors busy 40.0 % of the time",
    ]
    assert len(busy.complaints(2, load=False)) == 1
    assert Quiet(None, None, 1.0).complaints(2) == []


def test_ticks_are_read_as_the_kernel_writes_them(tmp_path: Path):
    stat = tmp_path / "stat"
    stat.write_text("cpu  100 20 30 1000 200 3 4 50 7 8\ncpu0 1 2 3 4 5 6 7 8 9 10\n")
    assert processor_time(stat) == (100 + 20 + 30 + 3 + 4 + 50, 1407)
    assert processor_time(tmp_path / "none") is None


def test_another_pace_is_told():
    assert pace_changed(1.0, 1.09) is None and pace_changed(1.09, 1.0) is None
    assert pace_changed(1.0, 1.2) == "the same loop took 1.00 ms before and 1.20 ms after"


def test_other_sources_are_other_material(tmp_path: Path):
    (tmp_path / "package").mkdir()
    source = tmp_path / "package" / "module.py"
    source.write_text("a = 1")
    before = sources_digest(tmp_path, ("package",))
    (tmp_path / "package" / "note.txt").write_text("no source")
    assert sources_digest(tmp_path, ("package",)) == before
    source.write_text("a = 2")
    assert sources_digest(tmp_path, ("package",)) != before


def test_a_fresh_process_that_fails_is_a_row_with_its_reason():
    line = 'print(\'{"total_s": %s, "peak_resident_mb": %s}\')'
    found = measure_fresh(
        {
            DEFAULT: [sys.executable, "-S", "-c", line % (0.5, 40)],
            "ours-onnxruntime": [sys.executable, "-S", "-c", "raise SystemExit('no such engine')"],
            PEER: [sys.executable, "-S", "-c", line % (4.0, 160)],
        },
        2,
    )
    assert found[DEFAULT]["percent_of_peer"] == {"total_s": 12.5, "peak_resident_mb": 25.0}
    assert found["ours-onnxruntime"]["not_run"] == "no such engine"
