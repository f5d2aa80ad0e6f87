"""Segments the images of a data set and compares them with their truth, many at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Protocol

from groupvit_export.data.dataset import IGNORE, Dataset, Sample
from groupvit_export.data.sampling import spread
from groupvit_export.data.truth import read_pair
from groupvit_export.errors import GroupViTError, ImageError
from groupvit_export.evaluate.journal import Journal
from groupvit_export.evaluate.outcome import Failed, Measured, Run
from groupvit_export.evaluate.setting import SegmentImage, check_names
from groupvit_export.evaluate.tally import Tally
from groupvit_export.metrics.confusion import ConfusionMatrix

Outcome = Measured | Failed


class Progress(Protocol):
    """Is told how far an evaluation is."""

    def begin(self, done: int, total: int) -> None:
        """`done` of `total` images were finished by earlier runs."""
        ...

    def update(self, measured: int, failed: int, miou: Callable[[], float | None]) -> None:
        """An image was finished; `miou` is dear, and to be asked for only where it is shown."""
        ...

    def note(self, line: str) -> None:
        """Something to say that stays."""
        ...

    def end(self) -> None:
        """No more will come."""
        ...


@dataclass(frozen=True)
class RunOptions:
    """How a run is carried out; none of it changes a number.

    Attributes:
        workers: images at once, each in a thread of its own.
        threads: of the engine, for the record.
        limit: only so many images, spread evenly (`groupvit_export.data.sampling`); None for all.
        worst: how many of the worst images to remember.
        strict: stop at the first image that fails.
    """

    workers: int = 1
    threads: int | None = None
    limit: int | None = None
    worst: int = 0
    strict: bool = False


def evaluate(
    dataset: Dataset, segment: SegmentImage, journal: Journal, progress: Progress, options: RunOptions
) -> Tally:
    """Measure every image that the journal does not have yet, and add all up.

    Memory does not grow with the images' number, but for their keys: at most twice as many as there are
    workers are waiting, in work or not yet written down.

    Args:
        dataset: what to evaluate on.
        segment: called by `options.workers` threads at once, with one image each.
        journal: is read first, then gets a line for every image.
        progress: is told what happens.
        options: of the run.

    Returns:
        The totals, those of earlier runs included.

    Raises:
        GroupViTError: the journal is damaged or cannot be written; with `strict`, an image failed.
        EngineError: the engine failed, which is no image's fault.
        LabelError: predicted label k is not class k.
        KeyboardInterrupt: passed on, after the images in work were finished and written down.
    """
    samples = spread(dataset.samples, options.limit)
    tally = Tally(len(dataset.classes), {sample.key for sample in samples}, options.worst)
    for entry in journal.entries():
        tally.add(entry)
    tally.forget_failures()
    before = tally.measured
    started = time.perf_counter()
    progress.begin(before, len(samples))
    said: set[str] = set()

    def record(outcome: Outcome) -> None:
        journal.append(outcome)
        tally.add(outcome)
        if isinstance(outcome, Failed):
            _tell(outcome, progress, said)
        progress.update(tally.measured, len(tally.failed), lambda: tally.scores().miou)

    try:
        run_bounded(
            (sample for sample in samples if not tally.is_done(sample.key)),
            lambda sample: measure(sample, dataset, segment),
            record,
            options,
        )
    finally:
        progress.end()
    if tally.measured > before:
        seconds = time.perf_counter() - started
        run = Run(tally.measured - before, seconds, options.workers, options.threads)
        journal.append(run)
        tally.add(run)
    return tally


def _tell(failed: Failed, progress: Progress, said: set[str]) -> None:
    """Name the image, and its fix unless it was `said` of another."""
    progress.note(f"groupvit: error: {failed.line}")
    if failed.fix is not None and failed.fix not in said:
        said.add(failed.fix)
        progress.note(f"  fix: {failed.fix}")


def measure(sample: Sample, dataset: Dataset, segment: SegmentImage) -> Outcome:
    """Segment one image and count its pixels by true and predicted class.

    Raises:
        GroupViTError: of `segment`, unless it is about the image; a prediction that is no class.
    """
    try:
        pair = read_pair(sample, dataset)
        start = time.perf_counter()
        result = segment(pair.rgb)
        milliseconds = (time.perf_counter() - start) * 1000
    except ImageError as error:
        return Failed.of(sample.key, error)
    check_names(result.names, dataset.classes)
    matrix = ConfusionMatrix.of(pair.truth, result.labels, len(dataset.classes))
    ignored = int((pair.truth == IGNORE).sum())
    return Measured(sample.key, matrix.cells, ignored, pair.turned, round(milliseconds, 3))


def run_bounded(
    samples: Iterable[Sample],
    work: Callable[[Sample], Outcome],
    record: Callable[[Outcome], None],
    options: RunOptions,
) -> None:
    """Apply `work` to every sample in threads, and `record` to every outcome in this one.

    Outcomes are recorded in the order in which they are finished. Samples are taken from the iterable as
    work goes on. When something stops it, work that has begun is finished and recorded, and no more is begun.

    Raises:
        GroupViTError: with `options.strict`, an outcome is a failure.
        Exception: whatever `work` or `record` raises.
    """
    waiting = iter(samples)
    pending: set[Future[Outcome]] = set()
    with ThreadPoolExecutor(options.workers, thread_name_prefix="groupvit-eval") as pool:
        try:
            while True:
                while len(pending) < 2 * options.workers and (sample := next(waiting, None)) is not None:
                    pending.add(pool.submit(work, sample))
                if not pending:
                    return
                finished, _ = wait(pending, return_when=FIRST_COMPLETED)
                for future in finished:
                    pending.remove(future)
                    outcome = future.result()
                    record(outcome)
                    if options.strict and isinstance(outcome, Failed):
                        raise _stopped(outcome)
        except BaseException:
            for future in [future for future in pending if not future.cancel()]:
                # The first error is the one to be told; a second of the same run would say the same.
                if future.exception() is None:
                    record(future.result())
            raise


def _stopped(failed: Failed) -> GroupViTError:
    return GroupViTError(
        f"stopped at {failed.key}: {failed.what}", got=failed.got, expected=failed.expected, fix=failed.fix
    )
