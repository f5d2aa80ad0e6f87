"""What the server counts, as Prometheus reads it."""

from __future__ import annotations

from contextlib import AbstractContextManager

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

from groupvit_runtime.image_work import Stage


class Metrics:
    """Of one server, in a registry of its own."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self.requests = Counter(
            "groupvit_requests", "Answered requests", ("route", "status"), registry=registry
        )
        self.seconds = Histogram(
            "groupvit_request_seconds", "From a request's head to its answer", ("route",), registry=registry
        )
        self.inside = Gauge(
            "groupvit_requests_inside", "Segmentations that are worked on or wait", registry=registry
        )
        self.batch = Histogram(
            "groupvit_batch_images",
            "Images of an engine call",
            buckets=(1, 2, 4, 8, 16, 32),
            registry=registry,
        )
        self._stages = Histogram("groupvit_stage_seconds", "Stages of a batch", ("stage",), registry=registry)

    def stage(self, stage: Stage) -> AbstractContextManager[object]:
        """Times a stage: an observer of `Segmenter.load`."""
        timed: AbstractContextManager[object] = self._stages.labels(stage).time()
        return timed

    def text(self) -> bytes:
        """In Prometheus' text format."""
        text: bytes = generate_latest(self._registry)
        return text
