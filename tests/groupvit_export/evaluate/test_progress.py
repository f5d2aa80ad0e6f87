"""Progress: what it says, and how seldom."""

from __future__ import annotations

import io

import pytest

from groupvit_export.evaluate.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def run(stream: io.StringIO, *, images: int, seconds: float, quiet: bool = False) -> Progress:
    """A run of `images`, an image every `seconds`."""
    clock = Clock()
    progress = Progress(stream, quiet=quiet, clock=clock)
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


def test_a_terminal_gets_one_line_four_times_a_second() -> None:
    stream = Terminal()
    progress = run(stream, images=1000, seconds=0.01)
    progress.end()
    assert "\n" not in stream.getvalue()
    shown = stream.getvalue().split("\r\x1b[K")
    assert 36 <= len(shown) - 2 <= 40
    assert shown[-1] == ""


def test_quiet_says_nothing_but_notes() -> None:
    for stream in (io.StringIO(), Terminal()):
        progress = run(stream, images=1000, seconds=1, quiet=True)
        progress.note("error")
        progress.end()
        assert stream.getvalue() == "error\n"


def test_a_note_stays_above_the_rewritten_line() -> None:
    stream = Terminal()
    progress = run(stream, images=3, seconds=1)
    progress.note("error")
    progress.end()
    line = "3 of 3, 1.0 images/s, 0:00 left, mIoU 50.00 so far"
    assert stream.getvalue().endswith(f"{line}\r\x1b[Kerror\n{line}\r\x1b[K")


def test_the_speed_is_that_of_the_last_half_minute() -> None:
    clock, stream = Clock(), io.StringIO()
    progress = Progress(stream, clock=clock)
    progress.begin(0, 1000)
    finished = 0
    for seconds, images in ((1.0, 60), (0.25, 160)):
        for _ in range(images):
            clock.now += seconds
            finished += 1
            progress.update(finished, 0, lambda: None)
    speeds = [line.split(", ")[1] for line in stream.getvalue().splitlines()]
    # Ten and twenty seconds after the change, a third and two thirds of the window are fast.
    assert speeds == ["1.0 images/s"] * 6 + ["2.0 images/s", "3.0 images/s"] + ["4.0 images/s"] * 2


def test_images_of_an_earlier_run_are_told_and_do_not_count_as_speed() -> None:
    clock, stream = Clock(), io.StringIO()
    progress = Progress(stream, clock=clock)
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
    Progress(stream).begin(done, total)
    assert stream.getvalue() == ""


def test_a_long_line_is_cut_to_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    stream = Terminal()
    run(stream, images=1, seconds=3600 * 3)
    assert stream.getvalue() == "\r\x1b[K1 of 1, 0.0 images/"


def test_hours() -> None:
    stream = io.StringIO()
    clock = Clock()
    progress = Progress(stream, clock=clock)
    progress.begin(0, 1001)
    clock.now += 10
    progress.update(1, 0, lambda: None)
    assert "2:46:40 left" in stream.getvalue()
