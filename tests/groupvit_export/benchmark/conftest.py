"""Records that nobody measured, a clock that nobody waits for, and calls that take what they are told to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from groupvit_export.benchmark.bench_target import BundleFacts
from groupvit_export.benchmark.calls import Call, Caller, StageClock
from groupvit_export.benchmark.copies import ON_CPU, Copies
from groupvit_export.benchmark.image import ImageFacts
from groupvit_export.benchmark.machine import Machine
from groupvit_export.benchmark.records import SCHEMA_VERSION, Record
from groupvit_export.benchmark.settings import Setting
from groupvit_export.benchmark.stages import split
from groupvit_export.benchmark.statistics import drift, summarize
from groupvit_export.benchmark.steadiness import cautions, judge

MACHINE = Machine("A processor", "x86_64", 8, 4, ("avx2", "fma"), 16000, "Linux")
NO_COPIES = Copies(None, None, ON_CPU)


@dataclass
class FakeClock:
    """Seconds that pass when somebody says so."""

    now: float = 100.0
    waits: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def caller_of(
    clock: FakeClock, durations: Sequence[float], on_call: Callable[[], None] | None = None
) -> Caller:
    """Calls that take so many seconds, one after the other; the last duration goes on for ever."""
    left = list(durations)

    def call() -> None:
        if on_call is not None:
            on_call()
        clock.advance(left.pop(0) if len(left) > 1 else left[0])

    return Caller(call, StageClock(clock), clock)


def calls_of(milliseconds: Sequence[float]) -> list[Call]:
    return [
        Call(
            ms, 0.0, {"read": 0.2 * ms, "preprocess": 0.1 * ms, "engine": 0.5 * ms, "postprocess": 0.19 * ms}
        )
        for ms in milliseconds
    ]


def record_of(milliseconds: Sequence[float], **changes: Any) -> Record:
    """A record of rounds of one call each."""
    calls = calls_of(milliseconds)
    latency = summarize(milliseconds)
    stages = split(calls, NO_COPIES, scheduled=False)
    steadiness = judge(0.1, MACHINE.usable_cores, latency)
    values: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "run": "run",
        "created": "2026-01-01T00:00:00+00:00",
        "command": "groupvit bench demo",
        "bundle": BundleFacts("demo", "bundles/demo", "onnx", "fp32", (224, 224), "f" * 64, "m" * 64),
        "engine": "An engine 1.0, CPU, fp32",
        "setting": Setting(threads=2, batch=1, streams=1, rate=None),
        "device": None,
        "decode": "hf",
        "classes": 9,
        "image": ImageFacts("sample.png", 480, 640, "PNG", 1000, True),
        "latency": latency,
        "images_per_second": 1000 / latency.mean,
        "drift": drift(milliseconds),
        "stages": stages,
        "late": None,
        "cold": None,
        "accuracy": None,
        "steadiness": steadiness,
        "cautions": cautions(
            steadiness, stages, drift=1.0, calls=len(calls), workers=2, usable_cores=MACHINE.usable_cores
        ),
        "machine": MACHINE,
        "versions": {"python": "3.12.0", "numpy": "2.0.0"},
        "rounds": tuple((float(ms),) for ms in milliseconds),
    }
    return Record(**{**values, **changes})


@pytest.fixture
def make_record() -> Callable[..., Record]:
    return record_of


@pytest.fixture
def make_caller() -> Callable[..., Caller]:
    return caller_of


@pytest.fixture
def make_calls() -> Callable[[Sequence[float]], list[Call]]:
    return calls_of
