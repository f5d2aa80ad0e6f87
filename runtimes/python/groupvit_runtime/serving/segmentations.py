"""From a request to an answer: reading in threads, computing in batches, encoding in threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import TypeVar

from groupvit_runtime.errors import GroupViTError
from groupvit_runtime.processors import usable_cores
from groupvit_runtime.request import SegmentationRequest
from groupvit_runtime.result import Segmentation
from groupvit_runtime.segmenter import Segmenter
from groupvit_runtime.serving.answers import ANSWERS
from groupvit_runtime.serving.asked import Asked, check_count, words_of
from groupvit_runtime.serving.batcher import Batcher
from groupvit_runtime.serving.logs import LOGGER
from groupvit_runtime.serving.metrics import Metrics
from groupvit_runtime.serving.options import ServingOptions
from groupvit_runtime.serving.refusal import Refusal, refusal_of
from groupvit_runtime.serving.vocabulary_store import VocabularyStore
from groupvit_runtime.vocabulary import Vocabulary

Result = TypeVar("Result")


class Segmentations:
    """What a server does with its segmenter."""

    def __init__(self, segmenter: Segmenter, options: ServingOptions, metrics: Metrics) -> None:
        self._segmenter, self._options, self._metrics = segmenter, options, metrics
        self.vocabularies = VocabularyStore(segmenter, options.vocabularies)
        self._batcher: Batcher[SegmentationRequest, Segmentation] = Batcher(
            self._compute, size=options.batch, wait=options.batch_wait, workers=options.workers
        )
        self._threads = ThreadPoolExecutor(usable_cores() + 1, "groupvit-serving")

    async def segment(self, data: bytes, asked: Asked, media_type: str) -> bytes:
        """Segment the image of a file.

        Raises:
            Refusal: an error of the runtime.
        """
        request = await self.run(lambda: self._prepare(data, asked))
        result = await asyncio.wrap_future(self._batcher.submit(request))
        _, encode = ANSWERS[media_type]
        return await self.run(lambda: encode(result, self._segmenter, asked))

    async def run(self, work: Callable[[], Result]) -> Result:
        """Do something in a thread.

        Raises:
            Refusal: an error of the runtime.
        """
        return await asyncio.get_running_loop().run_in_executor(self._threads, _told, work)

    def put_vocabulary(
        self, name: str, labels: Sequence[str], templates: Sequence[str] | None
    ) -> tuple[Vocabulary, bool]:
        """See `VocabularyStore.put`."""
        check_count(len(labels), self._options.labels)
        return self.vocabularies.put(name, labels, templates)

    def close(self) -> None:
        """Finish what was taken."""
        self._batcher.close()
        self._threads.shutdown()

    def _prepare(self, data: bytes, asked: Asked) -> SegmentationRequest:
        return self._segmenter.prepare(
            data,
            words_of(asked) if asked.vocabulary is None else self.vocabularies.get(asked.vocabulary),
            templates=asked.template or None,
            decode=asked.decode,
            background_threshold=asked.background_threshold,
            threshold=asked.threshold,
            negatives=asked.negative or None,
        )

    def _compute(self, requests: Sequence[SegmentationRequest]) -> Sequence[Segmentation]:
        self._metrics.batch.observe(len(requests))
        return _told(lambda: self._segmenter.compute(requests))


def _told(work: Callable[[], Result]) -> Result:
    """The result, or what the caller is told instead."""
    try:
        return work()
    except GroupViTError as error:
        refusal = refusal_of(error)
        if refusal.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            LOGGER.error("failed", exc_info=error)
        raise refusal from error
    except MemoryError as error:
        raise Refusal(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "there is no memory left for this image",
            fix="try again later, or send a smaller one",
            headers={"Retry-After": "10"},
        ) from error
