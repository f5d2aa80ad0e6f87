"""Settings, the machine, and the signs of one that is not left alone."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from groupvit_export.benchmark.bench_target import open_subjects
from groupvit_export.benchmark.calls import Call
from groupvit_export.benchmark.copies import ON_CPU, Copies
from groupvit_export.benchmark.image import prepare_image
from groupvit_export.benchmark.machine import installed, this_machine
from groupvit_export.benchmark.settings import SamplingBudget, Setting, sweep
from groupvit_export.benchmark.stages import split
from groupvit_export.benchmark.statistics import summarize
from groupvit_export.benchmark.steadiness import cautions, judge
from groupvit_export.cli.accuracies import split_accuracy
from groupvit_export.errors import ImageError, UsageError


def test_a_sweep_is_every_combination_once() -> None:
    found = sweep((1, 2, 1), (1, 4), (1,), None)
    assert found == tuple(Setting(t, b, 1, None) for t in (1, 2) for b in (1, 4))
    assert Setting(None, 4, 2, 7.5).words == "auto threads, batch 4, 2 streams, 7.5 calls/s"


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (((0,), (1,), (1,), None), "--threads"),
        (((None,), (0,), (1,), None), "--batch"),
        (((None,), (1,), (0,), None), "--streams"),
        (((None,), (1,), (1,), 0.0), "rate"),
        (((None,), (1,), (1,), float("nan")), "rate"),
    ],
)
def test_settings_that_cannot_be(arguments: tuple[object, ...], option: str) -> None:
    with pytest.raises(UsageError, match=option):
        sweep(*arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "values", [{"rounds": 2}, {"seconds": 0.0}, {"seconds": float("inf")}, {"warm_up": -1}, {"cold": -1}]
)
def test_efforts_that_cannot_be(values: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        SamplingBudget(**values)  # type: ignore[arg-type]


def test_bundles_have_names_of_their_own(demo_bundles: Mapping[str, Path], tmp_path: Path) -> None:
    onnx, openvino = (str(demo_bundles[target]) for target in ("onnx", "openvino"))
    twin = str(shutil.copytree(onnx, tmp_path / "onnx"))
    assert [s.facts.name for s in open_subjects([onnx, openvino, onnx], None, None)] == [
        "onnx",
        "openvino",
        "onnx (2)",
    ]
    assert [s.facts.name for s in open_subjects([onnx, twin], None, None)] == [onnx, twin]


def test_load_and_variation_are_held_against_their_limits() -> None:
    calm, wild = summarize([10.0, 10.1, 10.2]), summarize([10.0, 20.0, 30.0])
    # A quarter of each of four cores, and a tenth of the mean.
    still = judge(1.0, 4, calm)
    assert not still.busy and not still.unsteady
    assert (still.load_limit, still.variation_limit) == (1.0, 0.1)
    assert judge(1.01, 4, calm).busy and judge(None, 4, wild).unsteady
    assert not judge(None, 4, calm).busy and not judge(1.01, 5, calm).busy
    for deviation, unsteady in ((0.0999, False), (0.1001, True)):
        assert judge(None, 4, replace(calm, coefficient_of_variation=deviation)).unsteady is unsteady


def test_every_caution_has_its_reason(make_calls: Callable[..., list[Call]]) -> None:
    no_copies = Copies(None, None, ON_CPU)
    stages = split(make_calls([10.0]), no_copies, scheduled=False)
    calm, wild = judge(0.0, 4, summarize([10.0, 10.1])), judge(9.0, 4, summarize([1.0, 9.0]))
    nothing = cautions(calm, stages, drift=1.0, calls=100, workers=4, usable_cores=4)
    assert nothing == ()
    holes = split([Call(10.0, 0.0, {"engine": 5.0})], no_copies, scheduled=False)
    found = cautions(wild, holes, drift=1.3, calls=5, workers=5, usable_cores=4)
    assert [c.kind for c in found] == ["busy", "unsteady", "drift", "unexplained", "crowded", "few"]
    assert "slower" in found[2].text and "50.0%" in found[3].text


@pytest.mark.parametrize(
    ("told", "cpu", "flags"),
    [
        (
            "processor\t: 0\nmodel name\t: Some Xeon @ 2.1GHz: fast\n"
            "flags\t\t: fpu sse2 smep avx512_vnni amx_tile\n\n"
            "processor\t: 1\nmodel name\t: Another\nflags\t\t: avx2\n",
            "Some Xeon @ 2.1GHz: fast",
            ("amx_tile", "avx512_vnni", "sse2"),
        ),
        (
            "processor\t: 0\nBogoMIPS\t: 50\nFeatures\t: fp asimd crc32 sve bf16 sme i8mm\n",
            None,
            ("asimd", "bf16", "i8mm", "sme", "sve"),
        ),
        (None, None, ()),
    ],
)
def test_a_machine_is_told_by_its_processor(
    tmp_path: Path, told: str | None, cpu: str | None, flags: tuple[str, ...]
) -> None:
    path = tmp_path / "cpuinfo"
    if told is not None:
        path.write_text(told)
    machine = this_machine(path)
    assert machine.cpu == (cpu or platform.processor() or platform.machine()) and machine.flags == flags
    assert 1 <= machine.usable_cores <= machine.cores
    other = replace(machine, cores=999, flags=("avx2", "fma"))
    assert machine.differences(machine) == []
    assert machine.differences(other) == [
        f"cores: {machine.cores}, 999",
        f"flags: {','.join(flags)}, avx2,fma",
    ]


def test_versions_are_of_what_is_installed() -> None:
    found = installed()
    assert found["python"] == platform.python_version() and found["numpy"] == np.__version__
    assert "tensorflow" not in found


@pytest.mark.parametrize(("suffix", "kind"), [("png", "PNG"), ("jpg", "JPEG"), ("bmp", "PNG")])
def test_a_image_is_resized_in_its_own_format(tmp_path: Path, suffix: str, kind: str) -> None:
    source, out = tmp_path / f"a.{suffix}", tmp_path / "out"
    out.mkdir()
    Image.fromarray(np.zeros((30, 40, 3), np.uint8)).save(source)
    path, facts = prepare_image(source, (48, 64), out)
    with Image.open(path) as image:
        assert (image.format, image.size) == (kind, (64, 48))
    assert (facts.height, facts.width, facts.format, facts.resized) == (48, 64, kind, True)
    assert facts.bytes == path.stat().st_size
    for size in (None, (30, 40)):
        path, facts = prepare_image(source, size, out)
        assert path == source and not facts.resized and (facts.height, facts.width) == (30, 40)


def test_no_image(tmp_path: Path) -> None:
    with pytest.raises(ImageError):
        prepare_image(tmp_path / "none.png", None, tmp_path)


def test_an_accuracy_belongs_to_a_bundle() -> None:
    bundles = ["a", "a=b"]
    assert split_accuracy(["a=b=r.json", "a=r.json"], bundles) == {"a=b": Path("r.json"), "a": Path("r.json")}
    with pytest.raises(UsageError, match="no bundle that is measured"):
        split_accuracy(["c=r.json"], bundles)
    with pytest.raises(UsageError, match="two accuracies"):
        split_accuracy(["a=r.json", "a=s.json"], ["a"])
