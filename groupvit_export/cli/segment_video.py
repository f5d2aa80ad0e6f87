"""Videos and cameras: the overlay of every frame, as a video."""

from __future__ import annotations

import math
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from groupvit_export.cli.progress import StatusBar, duration
from groupvit_export.cli.segment_journal import refused
from groupvit_runtime.errors import GroupViTError, ImageError
from groupvit_runtime.legend import LegendEntry, draw_legend
from groupvit_runtime.optional import optional
from groupvit_runtime.result import Segmentation
from groupvit_runtime.temporary import make_folder, release

MP4: Final = "mp4"
OVERLAY_VIDEO: Final = ".overlay.mp4"

_SUFFIXES: Final = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm", ".wmv"})
_CAMERA: Final = re.compile(r"camera:(\d+)")
_BATCH: Final = 8
_USUAL_RATE: Final = 25.0

Frame = NDArray[np.uint8]
SegmentFrames = Callable[[list[Frame]], Sequence[Segmentation]]


def is_video(path: Path) -> bool:
    """Whether a path has the name of a video, or is `camera:N`."""
    return path.suffix.lower() in _SUFFIXES or _CAMERA.fullmatch(str(path)) is not None


@dataclass
class Film:
    """What came of a video.

    Attributes:
        frames: that were segmented.
        seconds: that this took.
        pixels: of each class, over all frames.
    """

    frames: int = 0
    seconds: float = 0.0
    pixels: dict[str, int] = field(default_factory=dict)

    def count(self, result: Segmentation) -> None:
        """One more frame."""
        self.frames += 1
        for name in result.names:
            self.pixels.setdefault(name, 0)
        for name, share in result.shares().items():
            self.pixels[name] += round(share * result.labels.size)

    @property
    def shares(self) -> dict[str, float]:
        """Of the pixels of all frames, the largest first."""
        total = sum(self.pixels.values())
        ordered = sorted(self.pixels.items(), key=lambda item: -item[1])
        return {name: count / total for name, count in ordered if count}


def video_target(source: Path, output: Path, *, force: bool) -> Path:
    """Where the video of a source goes.

    Raises:
        GroupViTError: it is there already, and not to be overwritten.
    """
    target = output / f"{source.stem.replace(':', '-')}{OVERLAY_VIDEO}"
    if os.path.lexists(target) and not force:
        raise refused(target, "of another origin")
    return target


def segment_video(
    source: Path,
    target: Path,
    segment: SegmentFrames,
    *,
    frames: int | None,
    quiet: bool,
) -> Film:
    """Write the overlay of every frame of a video or camera, with one legend below.

    A camera goes on until it is interrupted; what was filmed until then is kept. Of a file there is the whole
    video or none.

    Args:
        source: a file, or `camera:N`.
        target: an .mp4 file.
        segment: gives the results of some frames, RGB.
        frames: stop after so many; None for all.
        quiet: no progress.

    Raises:
        ImageError: it cannot be opened, or has no frame.
        MissingDependencyError: OpenCV is not installed.
        GroupViTError: the video cannot be written.
    """
    with optional("opencv-python-headless", extra="formats", needed_for="--format mp4"):
        import cv2

    camera = _CAMERA.fullmatch(str(source))
    capture = cv2.VideoCapture(int(camera[1]) if camera else str(source))
    bar = _Progress(_count(capture, cv2), frames, quiet=quiet)
    film, start = Film(), time.perf_counter()
    try:
        if not capture.isOpened():
            raise _unreadable(source, "OpenCV cannot open it")
        with _writer(target, _rate(capture, cv2), cv2) as write:
            stream = islice(_frames(capture, cv2), frames)
            try:
                # A camera is looked at while it films, and until it is interrupted.
                while batch := list(islice(stream, 1 if camera else _BATCH)):
                    for result in segment(batch):
                        write(result)
                        film.count(result)
                    film.seconds = time.perf_counter() - start
                    bar.show(film)
            except KeyboardInterrupt:
                if not camera or not film.frames:
                    raise
            if not film.frames:
                raise _unreadable(source, "it has no frame that OpenCV decodes")
    finally:
        capture.release()
        bar.end()
    return film


def _frames(capture: Any, cv2: Any) -> Iterator[Frame]:
    while True:
        there, frame = capture.read()
        if not there:
            return
        yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)


@contextmanager
def _writer(target: Path, rate: float, cv2: Any) -> Iterator[Callable[[Segmentation], None]]:
    """Writes results as frames; the file is there when the block ends without an error."""
    target.parent.mkdir(parents=True, exist_ok=True)
    owned, folder = make_folder(target.parent)
    unfinished = folder / f"video.{MP4}"
    opened: list[Any] = []
    canvas: list[Image.Image] = []

    def write(result: Segmentation) -> None:
        picture = result.overlay(legend=False)
        if not canvas:
            canvas.append(_canvas(result, picture))
            code = cv2.VideoWriter.fourcc(*"mp4v")
            opened.append(cv2.VideoWriter(str(unfinished), code, rate, canvas[0].size))
            if not opened[0].isOpened():
                raise GroupViTError(
                    "the video cannot be written",
                    got=f"{target}, {canvas[0].width}x{canvas[0].height}",
                    expected="an OpenCV that encodes MPEG-4",
                    fix="pip install opencv-python-headless",
                )
        canvas[0].paste(picture, ((canvas[0].width - picture.width) // 2, 0))
        opened[0].write(cv2.cvtColor(np.asarray(canvas[0]), cv2.COLOR_RGB2BGR))

    try:
        try:
            yield write
        finally:
            for writer in opened:
                writer.release()
        if opened:
            unfinished.replace(target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        release(owned)


def _canvas(result: Segmentation, picture: Image.Image) -> Image.Image:
    """A frame with the legend of all names; encoders want even sides."""
    entries = [
        LegendEntry(
            index=index,
            name=name,
            share=None,
            color=None if index in (result.background, result.unlabeled) else color,
        )
        for index, (name, color) in enumerate(result.colors().items())
    ]
    whole = draw_legend(Image.new("RGB", picture.size), entries)
    even = Image.new("RGB", (whole.width + whole.width % 2, whole.height + whole.height % 2), "white")
    even.paste(whole, (0, 0))
    return even


def _rate(capture: Any, cv2: Any) -> float:
    rate = float(capture.get(cv2.CAP_PROP_FPS))
    return rate if math.isfinite(rate) and rate > 0 else _USUAL_RATE


def _count(capture: Any, cv2: Any) -> int | None:
    count = float(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    return int(count) if math.isfinite(count) and count > 0 else None


def _unreadable(source: Path, why: str) -> ImageError:
    there = source.exists() or _CAMERA.fullmatch(str(source))
    return ImageError(
        "the video cannot be read",
        got=f"{source}: {why if there else 'no such file'}",
        expected="a video that OpenCV decodes, or camera:0 for the first camera",
        fix="check the path; ffmpeg -i VIDEO -c:v libx264 NEW.mp4 makes one that is decoded everywhere",
    )


class _Progress:
    """How many frames are done, how fast, and how long the rest will take where that is known."""

    def __init__(self, count: int | None, limit: int | None, *, quiet: bool) -> None:
        known = [number for number in (count, limit) if number is not None]
        self._total = min(known) if known else None
        self._bar = StatusBar(sys.stderr)
        self._quiet = quiet

    def show(self, film: Film) -> None:
        if self._quiet or not self._bar.due():
            return
        rate = film.frames / film.seconds
        if self._total is None:
            self._bar.show(None, f"{film.frames} frames, {rate:.1f} frames/s")
            return
        left = duration(max(self._total - film.frames, 0) / rate)
        words = f"{film.frames} of {self._total} frames, {rate:.1f} frames/s, {left} left"
        self._bar.show(min(film.frames / self._total, 1.0), words)

    def end(self) -> None:
        self._bar.end()
