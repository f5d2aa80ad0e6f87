"""The split adds up, says what does not exist, and copies are timed on a device that is imagined."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from fake_gpu import FakeCuda

from groupvit_export.benchmark.bench_target import engine_batches, load, open_subjects
from groupvit_export.benchmark.calls import Call
from groupvit_export.benchmark.copies import ON_CPU, Copies, measure_copies
from groupvit_export.benchmark.settings import RunConfig, Setting
from groupvit_export.benchmark.stages import LIBRARY, REST, STAGES, WAIT, split, unexplained
from groupvit_export.benchmark.statistics import summarize
from groupvit_export.data.bundled import DEMO_SAMPLE
from groupvit_runtime.engines import ENGINES
from groupvit_runtime.engines.cuda import Cuda
from groupvit_runtime.manifest import EngineInfo, read_manifest

NO_COPIES = Copies(None, None, ON_CPU)


@pytest.fixture
def info(demo_bundles: Mapping[str, Path]) -> EngineInfo:
    return dataclasses.replace(read_manifest(demo_bundles["onnx"]).engine("image"), target="trt")


def test_the_stages_and_the_rest_are_the_whole(make_calls: Callable[..., list[Call]]) -> None:
    rows = split(make_calls([10.0, 20.0]), NO_COPIES, scheduled=False)
    assert [row.name for row in rows] == [name for name in STAGES if name != LIBRARY]
    outer = [row.mean for row in rows if row.mean is not None and STAGES[row.name].inside is None]
    assert sum(outer) == pytest.approx(15.0)
    assert sum(row.share or 0 for row in rows) == pytest.approx(1.0)
    assert unexplained(rows) == pytest.approx(0.01)
    for row in rows:
        assert (row.mean is None) == (row.median is None) == (row.share is None) == (row.reason is not None)


def test_waiting_is_a_stage_where_calls_are_scheduled() -> None:
    rows = {r.name: r for r in split([Call(30.0, 20.0, {"engine": 9.0})], NO_COPIES, scheduled=True)}
    assert (rows[WAIT].mean, rows["engine"].mean, rows[REST].mean) == pytest.approx((20, 9, 1))


def test_what_is_inside_the_cpp_library_has_no_numbers() -> None:
    rows = {
        r.name: r for r in split([Call(30.0, 0.0, {"read": 9.0, LIBRARY: 20.0})], NO_COPIES, scheduled=False)
    }
    assert (rows["read"].mean, rows[LIBRARY].mean, rows[REST].mean) == pytest.approx((9, 20, 1))
    for name in ("preprocess", "engine", "postprocess"):
        assert rows[name].mean is None and "inside the C++ library" in str(rows[name].reason)


def test_copies_do_not_exist_on_a_cpu(info: EngineInfo) -> None:
    copies = measure_copies(info, "cpu", [1])
    assert (copies.to_device, copies.to_host) == (None, None)
    assert copies.reason is not None and "not applicable on CPU" in copies.reason


@pytest.mark.parametrize("target", ["onnx", "torch"])
def test_copies_that_cannot_be_told_apart_say_so(info: EngineInfo, target: str) -> None:
    copies = measure_copies(dataclasses.replace(info, target=target), "cuda", [1])
    assert (copies.to_device, copies.to_host) == (None, None)
    assert copies.reason == f"part of the engine's time: {ENGINES[target].own_copies}"


def test_copies_are_of_the_engines_own_bytes_and_nothing_is_kept(info: EngineInfo, clock: Any) -> None:
    copied: list[tuple[int, int]] = []

    class Watched(FakeCuda):
        def cudaMemcpyAsync(self, target: int, source: int, size: int, kind: int, stream: int) -> Any:
            copied.append((kind, size))
            clock.advance(size * 1e-9)
            return super().cudaMemcpyAsync(target, source, size, kind, stream)

    api = Watched()
    copies = measure_copies(info, "cuda", [2, 1], open_device=lambda: Cuda(api), clock=clock)
    up = 4 * 3 * 224 * 224
    assert {size for kind, size in copied if kind == 1} == {2 * up, up}
    assert copies.to_device is not None and copies.to_host is not None and copies.reason is None
    assert copies.to_device.p50 == pytest.approx(3 * up * 1e-6)
    assert copies.to_host.p50 > 0
    assert not api.live and not api.streams


def test_copies_are_inside_the_engine_and_not_added_twice(make_calls: Callable[..., list[Call]]) -> None:
    rows = {
        r.name: r
        for r in split(make_calls([10.0]), Copies(summarize([1.0]), summarize([0.5]), None), scheduled=False)
    }
    assert rows["host_to_device"].mean == 1.0 and rows["device_to_host"].share == pytest.approx(0.05)
    outer = [r.mean for name, r in rows.items() if STAGES[name].inside is None and r.mean is not None]
    assert sum(outer) == pytest.approx(10.0)


@pytest.mark.parametrize("decode", ["hf", "paper"])
def test_the_runtime_says_what_each_stage_took(demo_bundles: Mapping[str, Path], decode: Any) -> None:
    (subject,) = open_subjects([str(demo_bundles["onnx"])], None, None)
    loaded = load(subject, Setting(1, 2, 1, None), RunConfig(None, decode), DEMO_SAMPLE, (224, 224))
    call, begin, end = loaded.caller()
    assert set(call.stages) == {"read", "preprocess", "engine", "postprocess"}
    assert all(ms > 0 for ms in call.stages.values())
    assert sum(call.stages.values()) <= call.milliseconds == (end - begin) * 1000
    assert loaded.copies.reason == ON_CPU


def test_batches_of_the_engine(demo_bundles: Mapping[str, Path]) -> None:
    manifest = read_manifest(demo_bundles["onnx"])
    setting = Setting(None, 2, 1, None)
    assert engine_batches(manifest, "hf", setting, (480, 640)) == [2]
    assert engine_batches(manifest, "paper", setting, (224, 224)) == [1, 1]
    # Short side 224: 299 wide, two windows.
    assert engine_batches(manifest, "paper", setting, (480, 640)) == [2, 2]
