"""Many images: some are read, resized and decoded in threads while the engine works on another."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from groupvit_runtime.errors import BundleError, GroupViTError, LabelError, UsageError
from groupvit_runtime.processors import usable_cores
from groupvit_runtime.result import Segmentation

if TYPE_CHECKING:
    from groupvit_runtime.segmenter import Image, Labels, Segmenter

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Done(Generic[Item, Result]):
    """What became of one item.

    Attributes:
        item: as it was given.
        result: None where there is an error.
        error: a `GroupViTError` of this item, or `MemoryError`; None where there is a result.
    """

    item: Item
    result: Result | None
    error: GroupViTError | MemoryError | None

    def get(self) -> Result:
        """The result.

        Raises:
            GroupViTError, MemoryError: the error, where there is one.
        """
        if self.error is not None:
            raise self.error
        # None is a result, too, where the work gives it.
        return self.result  # type: ignore[return-value]


def segment_stream(
    segmenter: Segmenter,
    images: Iterable[Image],
    labels: Labels | str,
    *,
    templates: str | Sequence[str] | None = None,
    workers: int | None = None,
    **options: Any,
) -> Generator[Done[Image, Segmentation], None, None]:
    """Segment images one by one, in their order, while others are read and decoded.

    An image that cannot be segmented costs none of the others. `images` may be endless, as the frames of a
    camera are: no more than `workers` + 1 of them are in memory. Results are to the bit what
    ``segmenter(image, labels, ...)`` gives for each.

    Args:
        segmenter: whose engine computes as many images at once as it has streams.
        images: each as a `Segmenter` takes it; asked for in the thread that asks for results.
        labels: class names, a `Vocabulary`, or the name of a vocabulary inside the bundle.
        templates: prompt templates for names; None for the bundle's own.
        workers: images that are worked on at once; None for one more than there are processors.
        options: further ones of `Segmenter.__call__`, such as `decode`.

    Yields:
        A `Done` for each image.

    Raises:
        LabelError, UsageError, BundleError: labels or options cannot be used; no image could be segmented
            with them.
    """
    vocabulary = segmenter.vocabulary(labels, templates=templates)
    return in_order(partial(segmenter, labels=vocabulary, **options), images, workers)


def in_order(
    work: Callable[[Item], Result], items: Iterable[Item], workers: int | None = None
) -> Generator[Done[Item, Result], None, None]:
    """Do the same for every item, some at once, and give the results in the items' order.

    `close()` of the generator, and an exception in it such as Ctrl-C, begin nothing more and wait for what is
    being worked on.

    Args:
        work: is called from several threads.
        items: may be endless; asked for in the thread that asks for results.
        workers: threads; None for one more than there are processors.

    Raises:
        UsageError: less than one worker.
        LabelError, UsageError, BundleError: from `work`, for those are of all items.
    """
    count = usable_cores() + 1 if workers is None else workers
    if count < 1:
        raise UsageError("a number of workers must be positive", got=count, expected="1 or more")
    return _in_order(work, iter(items), count)


def _in_order(
    work: Callable[[Item], Result], items: Iterator[Item], workers: int
) -> Generator[Done[Item, Result], None, None]:
    running: deque[tuple[Item, Future[Result]]] = deque()
    with ThreadPoolExecutor(workers, "groupvit-stream") as pool:
        try:
            for item in islice(items, workers):
                running.append((item, pool.submit(work, item)))
            while running:
                item, future = running.popleft()
                done = _done(item, future)
                del future
                # Before the result is handed over, so that the threads have work while it is looked at.
                for following in islice(items, 1):
                    running.append((following, pool.submit(work, following)))
                yield done
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _done(item: Item, future: Future[Result]) -> Done[Item, Result]:
    try:
        return Done(item, future.result(), None)
    except (UsageError, LabelError, BundleError):
        # Of the call, not of this item.
        raise
    except (GroupViTError, MemoryError) as error:
        return Done(item, None, error)
