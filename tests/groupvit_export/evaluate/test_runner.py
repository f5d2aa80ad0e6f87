"""The runner: the same numbers whatever the workers, after kills, and with broken images."""

from __future__ import annotations

import io
import itertools
import signal
import subprocess
import sys
import threading
import time
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from evaluation_support import CLASSES, FakePrediction, FakeSegmenter, dataset_of, make_dataset, make_identity
from PIL import Image
from sklearn.metrics import confusion_matrix, jaccard_score

from groupvit_export.cli.progress import EvalProgress
from groupvit_export.data.dataset import Dataset, Sample
from groupvit_export.data.sampling import spread
from groupvit_export.errors import EngineError, GroupViTError, LabelError
from groupvit_export.evaluate.journal import JOURNAL_NAME, Journal
from groupvit_export.evaluate.outcome import Failed, Measured
from groupvit_export.evaluate.runner import Outcome, RunOptions, evaluate, run_bounded
from groupvit_export.evaluate.setting import SegmentImage
from groupvit_export.evaluate.tally import Tally

SUPPORT = str(Path(__file__).parents[2] / "support")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("data"), 12)


def go(
    dataset: Dataset,
    output: Path,
    segment: SegmentImage | None = None,
    options: RunOptions | None = None,
    stream: io.StringIO | None = None,
) -> Tally:
    progress = EvalProgress(stream or io.StringIO())
    with Journal.open(output, make_identity(samples=len(dataset.samples)), root=dataset.root) as journal:
        return evaluate(
            dataset, segment or FakeSegmenter(), journal, progress, options or RunOptions(worst=4)
        )


def truth_and_guess(dataset: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Every pixel that counts, read without the code under test."""
    truth = np.concatenate([np.asarray(Image.open(s.mask)).ravel() for s in dataset.samples])
    guess = np.concatenate([np.asarray(Image.open(s.image))[..., 0].ravel() for s in dataset.samples])
    return truth[truth != 255], guess[truth != 255]


def same(a: Tally, b: Tally) -> bool:
    return (
        np.array_equal(a.matrix.counts, b.matrix.counts)
        and a.scores() == b.scores()
        and a.worst == b.worst
        and a.failed == b.failed
    )


def broken(dataset: Dataset, root: Path) -> Dataset:
    """Four samples of `dataset` whose files are wrong in four ways, among the others."""
    samples = list(dataset.samples)
    missing, unreadable, resized, illegal = 1, 4, 5, 9
    samples[missing] = replace(samples[missing], image=root / "missing.png")
    (root / "noise.png").write_bytes(b"no image")
    samples[unreadable] = replace(samples[unreadable], image=root / "noise.png")
    Image.fromarray(np.zeros((3, 3), np.uint8)).save(root / "small.png")
    samples[resized] = replace(samples[resized], mask=root / "small.png")
    Image.fromarray(np.full((6, 5), 77, np.uint8)).save(root / "values.png")
    samples[illegal] = replace(samples[illegal], mask=root / "values.png")
    return dataset_of(samples, dataset.root)


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_the_numbers_are_scikit_learns_whatever_the_workers(
    dataset: Dataset, tmp_path: Path, workers: int
) -> None:
    tally = go(dataset, tmp_path, options=RunOptions(workers=workers, worst=4))
    truth, guess = truth_and_guess(dataset)
    np.testing.assert_array_equal(tally.matrix.counts, confusion_matrix(truth, guess))
    assert tally.scores().miou == pytest.approx(jaccard_score(truth, guess, average="macro"))
    assert same(tally, go(dataset, tmp_path / "one"))
    assert tally.measured == 12 and not tally.failed


def test_the_worst_are_the_lowest_by_their_own_miou(dataset: Dataset, tmp_path: Path) -> None:
    own = []
    for sample in dataset.samples:
        truth, guess = truth_and_guess(dataset_of([sample], dataset.root))
        own.append((jaccard_score(truth, guess, average="macro"), sample.key))
    worst = go(dataset, tmp_path).worst
    assert [item.key for item in worst] == [key for _, key in sorted(own)[:4]]
    assert [item.miou for item in worst] == pytest.approx([miou for miou, _ in sorted(own)[:4]])


def test_equally_bad_images_are_ordered_by_key() -> None:
    for order in itertools.permutations("abcd"):
        tally = Tally(2, set("abcd"), worst=2)
        for key in order:
            tally.add(Measured(key, ((0, 1, 5),) if key != "a" else ((0, 0, 5),), 0, False, 1.0))
        assert [item.key for item in tally.worst] == ["b", "c"]


def test_a_image_without_pixels_that_count_is_not_among_the_worst() -> None:
    tally = Tally(2, {"a", "b"}, worst=2)
    tally.add(Measured("a", (), 0, False, 1.0))
    tally.add(Measured("b", ((0, 0, 1),), 0, False, 1.0))
    assert [item.key for item in tally.worst] == ["b"]
    assert tally.measured == 2


def test_a_complete_run_is_not_run_again(dataset: Dataset, tmp_path: Path) -> None:
    first = go(dataset, tmp_path)
    segment = FakeSegmenter()
    assert same(go(dataset, tmp_path, segment), first)
    assert segment.seen == []


def test_raising_the_limit_goes_on_and_lowering_it_leaves_out(dataset: Dataset, tmp_path: Path) -> None:
    segment, stream = FakeSegmenter(), io.StringIO()
    five = go(dataset, tmp_path, segment, RunOptions(limit=5, worst=4))
    taken = segment.seen.copy()
    assert taken == spread(range(12), 5)
    some = dataset_of([dataset.samples[index] for index in taken], dataset.root)
    np.testing.assert_array_equal(five.matrix.counts, confusion_matrix(*truth_and_guess(some)))
    whole = go(dataset, tmp_path, segment, stream=stream)
    assert segment.seen == [*taken, *(index for index in range(12) if index not in taken)]
    assert "resuming: 5 of 12 done" in stream.getvalue()
    assert same(whole, go(dataset, tmp_path / "fresh"))
    assert same(go(dataset, tmp_path, segment, RunOptions(limit=5, worst=4)), five)
    assert len(segment.seen) == 12


@pytest.mark.slow
def test_cut_at_any_byte_the_journal_gives_the_same_numbers(dataset: Dataset, tmp_path: Path) -> None:
    few = dataset_of(dataset.samples[:3], dataset.root)
    expected = go(few, tmp_path)
    path = tmp_path / JOURNAL_NAME
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        assert same(go(few, tmp_path), expected), size


def test_killed_in_the_middle_it_goes_on(dataset: Dataset, tmp_path: Path) -> None:
    done = killed(dataset, tmp_path, signal.SIGKILL)
    lines = (tmp_path / JOURNAL_NAME).read_bytes().count(b"\n") - 1
    assert done.returncode == -signal.SIGKILL
    assert 5 <= lines < 12
    segment = FakeSegmenter()
    tally = go(dataset, tmp_path, segment)
    assert len(segment.seen) == 12 - lines
    assert same(tally, go(dataset, tmp_path / "fresh"))


def test_interrupted_it_writes_down_what_was_in_work(dataset: Dataset, tmp_path: Path) -> None:
    done = killed(dataset, tmp_path, signal.SIGINT)
    assert "KeyboardInterrupt" in done.stderr
    with (tmp_path / JOURNAL_NAME).open() as file:
        lines = len(file.readlines()) - 1
    # Five before, and the two that the workers were at; nothing of the queue was begun.
    assert lines == 7
    assert same(go(dataset, tmp_path), go(dataset, tmp_path / "fresh"))


def killed(dataset: Dataset, output: Path, number: signal.Signals) -> subprocess.CompletedProcess[str]:
    """Evaluate in a process that sends itself a signal once five images are finished and two in work."""
    code = f"""
import os, signal, sys, threading, time
from pathlib import Path
# A process started in the background inherits that it ignores the interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.path.insert(0, {SUPPORT!r})
from evaluation_support import FakeSegmenter, make_dataset, make_identity
from groupvit_export.evaluate.journal import Journal
from groupvit_export.cli.progress import EvalProgress
from groupvit_export.evaluate.runner import RunOptions, evaluate

path = Path({str(output)!r})
inner, turn, gate = FakeSegmenter(), threading.Semaphore(5), threading.Event()
held = threading.Semaphore(0)

def segment(rgb):
    if not turn.acquire(blocking=False):
        held.release()
        gate.wait(60)
    return inner(rgb)

def strike():
    while not (path / "journal.jsonl").exists() or (path / "journal.jsonl").read_bytes().count(b"\\n") < 6:
        time.sleep(0.01)
    held.acquire()
    held.acquire()
    time.sleep(0.2)
    os.kill(os.getpid(), {int(number)})
    time.sleep(0.5)
    gate.set()

dataset = make_dataset(path / "data", 12)
threading.Thread(target=strike, daemon=True).start()
with Journal.open(path, make_identity(samples=12), root=dataset.root) as journal:
    evaluate(dataset, segment, journal, EvalProgress(sys.stderr), RunOptions(workers=2))
"""
    (output / "data").mkdir()
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)


def test_broken_images_are_named_and_cost_nothing_else(dataset: Dataset, tmp_path: Path) -> None:
    bad, stream = broken(dataset, tmp_path), io.StringIO()
    tally = go(bad, tmp_path / "out", options=RunOptions(workers=3, worst=4), stream=stream)
    good = [s for s in bad.samples if s.key not in tally.failed]
    assert sorted(tally.failed) == ["001", "004", "005", "009"]
    alone = go(dataset_of(good, bad.root), tmp_path / "good")
    np.testing.assert_array_equal(tally.matrix.counts, alone.matrix.counts)
    assert tally.worst == alone.worst
    lines = [line for line in stream.getvalue().splitlines() if line.startswith("groupvit: error: ")]
    assert len(lines) == 4
    for name in ("missing.png", "noise.png", "small.png", "values.png"):
        assert sum(str(tmp_path / name) in line for line in lines) == 1


def test_failed_images_are_tried_again(dataset: Dataset, tmp_path: Path) -> None:
    bad = broken(dataset, tmp_path)
    assert len(go(bad, tmp_path / "out").failed) == 4
    segment = FakeSegmenter()
    # The keys are the same: the files were mended.
    mended = go(dataset, tmp_path / "out", segment)
    assert sorted(segment.seen) == [1, 4, 5, 9]
    assert same(mended, go(dataset, tmp_path / "fresh"))


@pytest.mark.parametrize("workers", [1, 3])
def test_strict_stops_at_the_first_failure_and_keeps_what_was_finished(
    dataset: Dataset, tmp_path: Path, workers: int
) -> None:
    bad = broken(dataset, tmp_path)
    first, second = FakeSegmenter(), FakeSegmenter()
    with pytest.raises(GroupViTError, match="stopped at 00"):
        go(bad, tmp_path / "out", first, RunOptions(workers=workers, strict=True))
    tally = go(bad, tmp_path / "out", second)
    assert len(first.seen) < 8
    assert sorted(first.seen + second.seen) == [0, 2, 3, 6, 7, 8, 10, 11]
    assert tally.measured == 8


def test_an_engine_that_fails_stops_everything(dataset: Dataset, tmp_path: Path) -> None:
    inner = FakeSegmenter()

    def segment(rgb: np.ndarray) -> FakePrediction:
        if rgb[0, 0, 1] == 6:
            raise EngineError("the engine is gone")
        return inner(rgb)

    for workers in (1, 4):
        with pytest.raises(EngineError, match="the engine is gone"):
            go(dataset, tmp_path, segment, RunOptions(workers=workers))
    assert same(go(dataset, tmp_path), go(dataset, tmp_path / "fresh"))


def test_labels_in_another_order_are_never_counted(dataset: Dataset, tmp_path: Path) -> None:
    swapped = FakeSegmenter(("background", "dog", "cat", "owl"))
    with pytest.raises(LabelError, match="not the data set's classes") as caught:
        go(dataset, tmp_path, swapped)
    assert "label 1 is 'dog' and not 'cat'" in str(caught.value)
    with pytest.raises(LabelError, match="not the data set's classes"):
        go(dataset, tmp_path, FakeSegmenter(CLASSES[:3]))


def test_a_label_beyond_the_classes_stops_everything(dataset: Dataset, tmp_path: Path) -> None:
    def segment(rgb: np.ndarray) -> FakePrediction:
        return FakePrediction(np.full(rgb.shape[:2], 4, np.uint16), CLASSES)

    with pytest.raises(GroupViTError, match="the prediction has a value that is no class"):
        go(dataset, tmp_path, segment)


class TestQueue:
    """`run_bounded` with work that is counted while it is alive."""

    @pytest.mark.parametrize("workers", [1, 2, 5])
    def test_at_most_twice_the_workers_are_on_their_way(self, workers: int) -> None:
        lock = threading.Lock()
        taken, recorded, most, at_once, busy = 0, 0, 0, 0, 0

        def samples():
            nonlocal taken, most
            for index in range(200):
                taken += 1
                most = max(most, taken - recorded)
                yield Sample(str(index), Path(), Path())

        def work(sample: Sample) -> Outcome:
            nonlocal busy, at_once
            with lock:
                busy += 1
                at_once = max(at_once, busy)
            time.sleep(0.0005)
            with lock:
                busy -= 1
            return Measured(sample.key, (), 0, False, 0.0)

        def record(outcome: Outcome) -> None:
            nonlocal recorded
            recorded += 1

        run_bounded(samples(), work, record, RunOptions(workers=workers))
        assert recorded == taken == 200
        assert most == 2 * workers
        assert at_once <= workers

    def test_outcomes_are_recorded_once_and_in_this_thread(self) -> None:
        seen: list[tuple[str, int]] = []
        run_bounded(
            (Sample(str(index), Path(), Path()) for index in range(50)),
            lambda sample: Measured(sample.key, (), 0, False, 0.0),
            lambda outcome: seen.append((outcome.key, threading.get_ident())),
            RunOptions(workers=4),
        )
        assert sorted(int(key) for key, _ in seen) == list(range(50))
        assert {thread for _, thread in seen} == {threading.get_ident()}

    @pytest.mark.parametrize("raising", ["record", "work"])
    def test_an_error_begins_nothing_more(self, raising: str) -> None:
        begun: list[str] = []

        def fail(key: str) -> None:
            if key == "3":
                raise GroupViTError("full")

        def work(sample: Sample) -> Outcome:
            begun.append(sample.key)
            if raising == "work":
                fail(sample.key)
            return Failed(sample.key, "", None, None, None)

        def record(outcome: Outcome) -> None:
            if raising == "record":
                fail(outcome.key)

        with pytest.raises(GroupViTError, match="full"):
            run_bounded(
                (Sample(str(index), Path(), Path()) for index in range(100)),
                work,
                record,
                RunOptions(workers=2),
            )
        assert len(begun) < 100


def test_pixels_are_let_go(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path, 40)
    alive, most, lock = 0, 0, threading.Lock()
    inner = FakeSegmenter()

    def gone() -> None:
        nonlocal alive
        with lock:
            alive -= 1

    def segment(rgb: np.ndarray) -> FakePrediction:
        nonlocal alive, most
        prediction = inner(rgb)
        weakref.finalize(prediction.labels, gone)
        with lock:
            alive += 1
            most = max(most, alive)
        return prediction

    go(dataset, tmp_path / "out", segment, RunOptions(workers=3))
    assert len(inner.seen) == 40
    # A worker may still hold its last image while it begins the next.
    assert 1 <= most <= 2 * 3
    assert alive == 0


def test_a_data_set_can_be_added_up_in_parts(dataset: Dataset, tmp_path: Path) -> None:
    halves = [dataset_of(dataset.samples[:7], dataset.root), dataset_of(dataset.samples[7:], dataset.root)]
    parts = [go(half, tmp_path / str(index)).matrix for index, half in enumerate(halves)]
    total = parts[0] + parts[1]
    np.testing.assert_array_equal(total.counts, go(dataset, tmp_path / "whole").matrix.counts)
