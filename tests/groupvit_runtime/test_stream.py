"""Many images through threads: to the bit what they are alone, in order, with bounded memory."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from groupvit_runtime import ImageError, LabelError, Segmenter, UsageError, segment_stream
from groupvit_runtime.stream import in_order


@pytest.mark.parametrize("target", ["onnx", "openvino"])
def test_results_are_those_of_each_image_alone_in_order(
    target: str, demo_bundles: Mapping[str, Path], scenes: Any, demo_labels: list[str]
) -> None:
    segmenter = Segmenter.load(demo_bundles[target])
    images = [scenes.image(index % 5) for index in range(12)]
    done = list(segment_stream(segmenter, images, demo_labels))
    assert [one.item for one in done] == images
    alone = [segmenter(image, demo_labels) for image in images[:5]]
    assert all(one.get() == alone[index % 5] for index, one in enumerate(done))


def test_an_image_that_cannot_be_read_costs_none_of_the_others(
    demo_bundles: Mapping[str, Path], scenes: Any, demo_labels: list[str], tmp_path: Path
) -> None:
    segmenter = Segmenter.load(demo_bundles["openvino"])
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no image")
    done = list(segment_stream(segmenter, [scenes.image(0), bad, scenes.image(1)], demo_labels))
    assert [one.error is None for one in done] == [True, False, True]
    with pytest.raises(ImageError, match=r"bad\.png"):
        done[1].get()


def test_what_is_wrong_for_all_images_is_raised(demo_bundles: Mapping[str, Path], scenes: Any) -> None:
    segmenter = Segmenter.load(demo_bundles["openvino"])
    with pytest.raises(LabelError):
        segment_stream(segmenter, [scenes.image(0)], [])
    with pytest.raises(UsageError, match="hf decode has no background"):
        list(segment_stream(segmenter, [scenes.image(0)], ["sky"], decode="hf", background_threshold=0.5))
    with pytest.raises(UsageError, match="workers"):
        segment_stream(segmenter, [], ["sky"], workers=0)


def test_no_more_items_are_taken_than_there_are_workers_and_one() -> None:
    taken = itertools.count()
    results = in_order(lambda item: item, taken, workers=3)
    assert [next(results).get() for _ in range(5)] == [0, 1, 2, 3, 4]
    # Three at the start, and one for each result.
    assert next(taken) == 3 + 5
    results.close()


def test_items_are_worked_on_at_once() -> None:
    both = threading.Barrier(2, timeout=60)
    assert [one.get() >= 0 for one in in_order(lambda _: both.wait(), range(4), workers=2)] == [True] * 4


@pytest.mark.parametrize("stop", [KeyboardInterrupt, None])
def test_who_stops_leaves_no_thread_and_begins_nothing_more(stop: type[BaseException] | None) -> None:
    begun: list[int] = []

    def items() -> Iterator[int]:
        for number in itertools.count():
            if stop is not None and number == 4:
                raise stop
            yield number

    results = in_order(begun.append, items(), workers=2)
    next(results)
    if stop is None:
        results.close()
    else:
        with pytest.raises(stop):
            list(results)
    assert len(begun) <= 4
    assert not any(thread.name.startswith("groupvit-stream") for thread in threading.enumerate())
