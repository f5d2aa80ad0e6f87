"""A whole run: every setting in turn, the bundles of each interleaved."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from groupvit_export.benchmark.accuracy import Accuracy
from groupvit_export.benchmark.bench_target import BenchTarget, Loaded, load
from groupvit_export.benchmark.calls import Round
from groupvit_export.benchmark.cold import ColdStart, Start, cold_starts
from groupvit_export.benchmark.image import ImageFacts, prepare_image
from groupvit_export.benchmark.machine import Machine, installed, this_machine
from groupvit_export.benchmark.paced import count_late, sample_paced
from groupvit_export.benchmark.records import SCHEMA_VERSION, Record
from groupvit_export.benchmark.sampling import sample
from groupvit_export.benchmark.settings import RunConfig, SamplingBudget, Setting
from groupvit_export.benchmark.stages import split
from groupvit_export.benchmark.statistics import drift, summarize
from groupvit_export.benchmark.steadiness import cautions, judge
from groupvit_runtime.temporary import scratch_folder

_COLD_WEIGHT = 0.3


class Steps(Protocol):
    """Is told what goes on."""

    def begin(self, step: str, base: float, part: float) -> None:
        """A step begins: `base` of everything is done, and it is `part` of everything."""
        ...

    def __call__(self, share: float) -> None:
        """`share` of the step is done."""
        ...


@dataclass(frozen=True)
class Plan:
    """What is measured.

    Attributes:
        subjects: the bundles.
        settings: in turn.
        fixed: device, decode and runtime.
        effort: how long.
        image: that is segmented.
        size: (height, width) that it is resized to; None for its own.
        accuracies: by the bundle's path as given.
        command: for the records.
        load_before: load average, taken before anything was loaded.
    """

    subjects: tuple[BenchTarget, ...]
    settings: tuple[Setting, ...]
    fixed: RunConfig
    effort: SamplingBudget
    image: Path
    size: tuple[int, int] | None
    accuracies: Mapping[str, Accuracy]
    command: str
    load_before: float | None


def measure(plan: Plan, steps: Steps) -> tuple[Record, ...]:
    """Measure everything.

    Returns:
        A record for every setting and bundle, settings first.

    Raises:
        GroupViTError: an image, bundle, engine or label that cannot be used.
    """
    run, machine = uuid.uuid4().hex, this_machine()
    versions = installed()
    records: list[Record] = []
    threads = tuple(dict.fromkeys(setting.threads for setting in plan.settings))
    weight = _COLD_WEIGHT * len(threads) if plan.effort.cold else 0.0
    part = 1 / (len(plan.settings) + weight)
    with scratch_folder("bench") as folder:
        image, facts = prepare_image(plan.image, plan.size, folder)
        colds: dict[int | None, list[ColdStart | None]] = {}
        done = 0.0
        for setting in plan.settings:
            if setting.threads not in colds:
                cold_part = weight / len(threads) * part
                steps.begin("cold starts", done, cold_part)
                colds[setting.threads] = _cold(plan, setting, image, facts, folder, steps)
                done += cold_part
            steps.begin(setting.words, done, part)
            loaded, rounds = _rounds(plan, setting, image, facts, steps)
            done += part
            for subject, ready, own, cold in zip(
                plan.subjects, loaded, rounds, colds[setting.threads], strict=True
            ):
                records.append(
                    _record(plan, subject, setting, ready, own, cold, facts, machine, versions, run)
                )
    return tuple(records)


def _cold(
    plan: Plan, setting: Setting, image: Path, facts: ImageFacts, folder: Path, steps: Steps
) -> list[ColdStart | None]:
    if not plan.effort.cold:
        return [None] * len(plan.subjects)
    single = Setting(setting.threads, 1, 1, None)
    starts = []
    for subject in plan.subjects:
        ready = load(subject, single, plan.fixed, image, (facts.height, facts.width))
        # The C++ runtime does not unzip.
        path = subject.facts.path if plan.fixed.runtime == "python" else str(subject.bundle.root)
        starts.append(
            Start(
                path, ready.vocabulary, subject.decode(plan.fixed), setting.threads, subject.facts.precision
            )
        )
    return list(cold_starts(starts, plan.fixed, image, plan.effort.cold, folder, steps))


def _rounds(
    plan: Plan, setting: Setting, image: Path, facts: ImageFacts, steps: Steps
) -> tuple[list[Loaded], list[tuple[Round, ...]]]:
    size = (facts.height, facts.width)
    loaded = [load(subject, setting, plan.fixed, image, size) for subject in plan.subjects]
    callers = [ready.caller for ready in loaded]
    if setting.rate is None:
        return loaded, sample(callers, setting.streams, plan.effort, steps)
    return loaded, sample_paced(callers, setting.rate, setting.streams, plan.effort, steps)


def _record(
    plan: Plan,
    subject: BenchTarget,
    setting: Setting,
    ready: Loaded,
    rounds: Sequence[Round],
    cold: ColdStart | None,
    facts: ImageFacts,
    machine: Machine,
    versions: dict[str, str],
    run: str,
) -> Record:
    calls = list(itertools.chain.from_iterable(one.calls for one in rounds))
    latencies = [call.milliseconds for call in calls]
    own = summarize([call.milliseconds - call.waited for call in calls])
    scheduled = setting.rate is not None
    stages = split(calls, ready.copies, scheduled=scheduled)
    steadiness = judge(plan.load_before, machine.usable_cores, own)
    drifted = drift(latencies)
    return Record(
        schema_version=SCHEMA_VERSION,
        run=run,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=plan.command,
        bundle=subject.facts,
        engine=ready.engine,
        setting=setting,
        device=plan.fixed.device,
        decode=subject.decode(plan.fixed),
        classes=len(ready.vocabulary),
        image=facts,
        latency=summarize(latencies),
        images_per_second=len(calls) * setting.batch / sum(one.seconds for one in rounds),
        drift=drifted,
        stages=stages,
        late=count_late(calls) if scheduled else None,
        cold=cold,
        accuracy=plan.accuracies.get(subject.facts.path),
        steadiness=steadiness,
        cautions=cautions(
            steadiness,
            stages,
            drift=drifted,
            calls=len(calls),
            workers=(setting.threads or 1) * setting.streams,
            usable_cores=machine.usable_cores,
        ),
        machine=machine,
        versions={**versions, **ready.versions},
        rounds=tuple(tuple(call.milliseconds for call in one.calls) for one in rounds),
        runtime=plan.fixed.runtime,
    )
