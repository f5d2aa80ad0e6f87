"""Progress: what it says, and how seldom."""

from __future__ import annotations

import contextlib
import io
import re
import sys
import threading

import pytest

from groupvit_export.cli.progress import BenchProgress, EvalProgress, ShareProgress, StatusBar
from groupvit_export.cli.step_progress import StepProgress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def seen(stream: io.StringIO) -> str:
    """What a terminal shows in the end: escapes are for colors, and to clear or leave a line."""
    lines = [""]
    for part in re.split(r"(\x1b\[[0-9?]*[A-Za-z]|\r|\n)", stream.getvalue()):
        if part in ("\x1b[2K", "\x1b[K"):
            lines[-1] = ""
        elif part == "\x1b[1A":
            lines.pop()
        elif part == "\n":
            lines.append("")
        elif part == "\r":
            lines[-1] = "" if not lines[-1] else lines[-1]
        elif not part.startswith("\x1b"):
            lines[-1] += part
    return "\n".join(lines)


def run(stream: io.StringIO, *, images: int, seconds: float, quiet: bool = False) -> EvalProgress:
    """A run of `images`, an image every `seconds`."""
    clock = Clock()
    progress = EvalProgress(stream, quiet=quiet, clock=clock)
    progress.begin(0, images)
    for index in range(images):
        clock.now += seconds
        progress.update(index + 1, 0, lambda: 0.5)
    return progress


def test_a_log_gets_a_line_every_ten_seconds() -> None:
    stream = io.StringIO()
    run(stream, images=330, seconds=0.125)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 4
    assert lines[0] == "80 of 330, 8.0 images/s, 0:31 left, mIoU 50.00 so far"
    assert "\x1b" not in stream.getvalue()


def test_a_terminal_gets_one_bar_four_times_a_second() -> None:
    stream = Terminal()
    progress = run(stream, images=1000, seconds=0.01)
    progress.end()
    # Rich draws a bar once more when it begins and when it ends, and goes back to the start of its line.
    drawn = stream.getvalue().count("images/s")
    assert 36 <= drawn <= 42
    assert "500 of 1000" not in seen(stream) and "images/s" not in seen(stream)


def test_quiet_says_nothing_but_notes() -> None:
    for stream in (io.StringIO(), Terminal()):
        progress = run(stream, images=1000, seconds=1, quiet=True)
        progress.note("error")
        progress.end()
        assert stream.getvalue() == "error\n"


def test_a_note_stays_and_the_bar_goes() -> None:
    stream = Terminal()
    progress = run(stream, images=3, seconds=1)
    progress.note("error of [b]an image[/b]")
    assert "3 of 3, 1.0 images/s, 0:00 left, mIoU 50.00 so far" in seen(stream)
    progress.end()
    assert seen(stream).split() == ["error", "of", "[b]an", "image[/b]"]


def test_the_speed_is_that_of_the_last_minute() -> None:
    clock, stream = Clock(), io.StringIO()
    progress = EvalProgress(stream, clock=clock)
    progress.begin(0, 1000)
    finished = 0
    for seconds, images in ((1.0, 60), (0.25, 160)):
        for _ in range(images):
            clock.now += seconds
            finished += 1
            progress.update(finished, 0, lambda: None)
    speeds = [line.split(", ")[1] for line in stream.getvalue().splitlines()]
    # Every ten seconds after the change another sixth of the minute is fast.
    assert speeds == ["1.0 images/s"] * 6 + [f"{speed:.1f} images/s" for speed in (1.5, 2.0, 2.5, 3.0)]


def test_images_of_an_earlier_run_are_told_and_do_not_count_as_speed() -> None:
    clock, stream = Clock(), io.StringIO()
    progress = EvalProgress(stream, clock=clock)
    progress.begin(120, 200)
    clock.now += 20
    progress.update(138, 2, lambda: None)
    assert stream.getvalue().splitlines() == [
        "resuming: 120 of 200 done",
        "140 of 200, 1.0 images/s, 1:00 left, 2 failed",
    ]


@pytest.mark.parametrize(("done", "total"), [(0, 5), (5, 5)])
def test_nothing_to_resume(done: int, total: int) -> None:
    stream = io.StringIO()
    EvalProgress(stream).begin(done, total)
    assert stream.getvalue() == ""


def test_a_long_line_is_cut_to_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    stream = Terminal()
    run(stream, images=1, seconds=3600 * 3)
    assert "\n" not in seen(stream).strip() and len(seen(stream).strip()) <= 40


def test_hours() -> None:
    stream = io.StringIO()
    clock = Clock()
    progress = EvalProgress(stream, clock=clock)
    progress.begin(0, 20020)
    clock.now += 10
    progress.update(20, 0, lambda: None)
    assert "2:46:40 left" in stream.getvalue()


@pytest.mark.parametrize(("total", "enough"), [(4, 1), (100, 5), (10000, 20)])
def test_the_first_images_foretell_nothing(total: int, enough: int) -> None:
    clock, stream = Clock(), io.StringIO()
    progress = EvalProgress(stream, clock=clock)
    progress.begin(0, total)
    for finished in range(1, enough + 1):
        clock.now += 10
        progress.update(finished, 0, lambda: None)
    assert ["left" in line for line in stream.getvalue().splitlines()] == [False] * (enough - 1) + [True]


def test_a_share_is_told_after_two_seconds() -> None:
    clock, stream = Clock(), io.StringIO()
    progress = BenchProgress(stream, quiet=False, clock=clock)
    progress.begin("cold starts", 0.0, 0.5)
    clock.now += 1.5
    progress(0.5)
    assert stream.getvalue() == ""
    clock.now += 9.0
    progress(0.5)
    assert stream.getvalue() == " 25 % cold starts, about 0:32 left\n"
    progress.end()


def test_a_share_is_a_bar_on_a_terminal_that_a_note_removes() -> None:
    clock, stream = Clock(), Terminal()
    progress = ShareProgress(stream, clock=clock)
    clock.now += 3
    progress("quantize", 0.25, 3.0)
    assert re.search(r"━.* 25 % quantize, about 0:09 left", seen(stream))
    progress.note("done")
    assert seen(stream).strip() == "done"


def test_a_quiet_share_is_not_told() -> None:
    clock, stream = Clock(), Terminal()
    progress = ShareProgress(stream, quiet=True, clock=clock)
    clock.now += 20
    progress("quantize", 0.5, 20.0)
    progress.note("done")
    assert stream.getvalue() == ""


def test_a_small_share_foretells_nothing() -> None:
    clock, stream = Clock(), io.StringIO()
    progress = ShareProgress(stream, clock=clock)
    clock.now += 20
    progress("quantize", 0.01, 20.0)
    assert stream.getvalue() == "  1 % quantize\n"
    clock.now += 20
    progress("quantize", 0.05, 40.0)
    assert stream.getvalue().endswith("  5 % quantize, about 12:40 left\n")


def test_a_step_that_says_nothing_is_told_by_its_time() -> None:
    clock, stream = Clock(), io.StringIO()
    progress = StepProgress(stream, clock=clock)
    progress("compile", 0.0, 0.0)
    for seconds in (1, 8, 1, 5, 5):
        clock.now += seconds
        progress.look()
    progress("compile", 1.0, 20.0)
    clock.now += 20
    progress.look()
    assert stream.getvalue() == "compile, 0:10 so far\ncompile, 0:20 so far\n"


def test_a_share_inside_a_step_says_more_than_its_time() -> None:
    clock, stream = Clock(), io.StringIO()
    progress = StepProgress(stream, clock=clock)
    progress("quantize", 0.0, 0.0)
    for share in (0.25, 0.5, 0.75, 1.0):
        clock.now += 9
        progress("take ranges", share, 36 * share)
        progress.look()
    clock.now += 9
    progress.look()
    clock.now += 9
    progress.look()
    assert stream.getvalue().splitlines() == [
        " 50 % take ranges, about 0:18 left",
        "quantize, 0:54 so far",
    ]


def test_a_silent_step_is_a_bar_without_an_end_on_a_terminal() -> None:
    clock, stream = Clock(), Terminal()
    progress = StepProgress(stream, clock=clock)
    progress("compile", 0.0, 0.0)
    clock.now += 3
    progress.look()
    assert re.search(r"━+ +compile, 0:03 so far", seen(stream)) and "%" not in seen(stream)
    progress.note("done")
    assert seen(stream).strip() == "done"


@pytest.mark.parametrize("encoding", ["cp437", "cp1252", "ascii", "utf-8"])
def test_a_bar_on_a_console_of_another_encoding(encoding: str) -> None:
    class Console(io.TextIOWrapper):
        def isatty(self) -> bool:
            return True

    written = io.BytesIO()
    clock, stream = Clock(), Console(written, encoding, "strict", write_through=True)
    bar = ShareProgress(stream, clock=clock)
    clock.now += 10
    bar("quantize", 0.5, 10.0)
    clock.now += 10
    bar.waits("compile", 20.0)
    bar.end()
    text = written.getvalue().decode(encoding)
    assert "50 % quantize, about 0:10 left" in text and "compile, 0:20 so far" in text


def test_a_thread_looks_meanwhile_and_ends() -> None:
    clock, told = Clock(), threading.Event()

    class Stream(io.StringIO):
        def write(self, text: str) -> int:
            told.set()
            return super().write(text)

    stream = Stream()
    with StepProgress(stream, clock=clock) as progress:
        progress("compile", 0.0, 0.0)
        clock.now += 10
        assert told.wait(60)
    assert stream.getvalue() == "compile, 0:10 so far\n"
    assert "groupvit-progress" not in [thread.name for thread in threading.enumerate()]


def test_a_quiet_step_has_no_thread() -> None:
    stream = io.StringIO()
    with StepProgress(stream, quiet=True, clock=Clock()) as progress:
        progress("compile", 0.0, 0.0)
        progress.note("line")
        assert "groupvit-progress" not in [thread.name for thread in threading.enumerate()]
    assert stream.getvalue() == ""


def test_a_bar_that_begins_while_output_is_redirected_leaves_it_alone() -> None:
    """As while a graph is captured: another thread draws, and output is put back before the bar ends."""
    streams = sys.stdout, sys.stderr
    bar = StatusBar(Terminal())
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        bar.show(0.5, "half")
    bar.end()
    assert (sys.stdout, sys.stderr) == streams
