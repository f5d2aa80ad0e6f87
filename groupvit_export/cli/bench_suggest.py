"""`groupvit bench --suggest`."""

from __future__ import annotations

import sys

from groupvit_export.benchmark.image import prepare_image
from groupvit_export.benchmark.measure import Plan
from groupvit_export.benchmark.suggest import ALONE, Suggestion, suggest_for
from groupvit_export.cli.progress import BenchProgress
from groupvit_export.cli.tables import Block, show, table
from groupvit_export.errors import UsageError
from groupvit_runtime.temporary import scratch_folder


def suggest_settings(plan: Plan, *, quiet: bool) -> int:
    """Find and print the fastest setting of every bundle.

    Raises:
        GroupViTError: a bundle, image or label cannot be used.
    """
    threads = {setting.threads for setting in plan.settings}
    if len(threads) > 1:
        raise UsageError(
            "what is suggested is for one number of threads",
            got=", ".join(str(number) for number in sorted(threads, key=str)),
            expected="--threads N, or none",
        )
    for subject in plan.subjects:
        progress = BenchProgress(sys.stderr, quiet=quiet)
        progress.begin(f"streams and batches of {subject.facts.name}", 0, 1)
        try:
            with scratch_folder("bench") as folder:
                image, _ = prepare_image(plan.image, plan.size, folder)
                found = suggest_for(
                    subject, plan.fixed, next(iter(threads)), image, plan.effort.rounds, progress
                )
        finally:
            progress.end()
        show(_blocks(subject.facts.name, found))
    return 0


def _blocks(name: str, found: Suggestion) -> list[Block]:
    rows = [
        [str(one.batch), str(one.streams), f"{rate:.1f}", f"{rate / found.rates[ALONE]:.2f}"]
        for one, rate in found.rates.items()
    ]
    gain = found.gain
    best = f"{name}: {found.best} is the fastest"
    if found.best == ALONE:
        return [table(["batch", "streams", "images/s", "over one by one"], rows, numbers_from=0), "", best]
    return [
        table(["batch", "streams", "images/s", "over one by one"], rows, numbers_from=0),
        "",
        f"{best}, {gain.ratio:.2f} times the images a second of one by one ({gain.low:.2f} to "
        f"{gain.high:.2f}, measured anew, in turn)",
        f"  Segmenter.load(..., streams={found.best.streams}, batch_size={found.best.batch}), called by "
        f"{found.best.streams} threads with {found.best.batch} images each",
    ]
