"""What `groupvit triton` may be told."""

from __future__ import annotations

from dataclasses import dataclass

from groupvit_export.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class TritonOptions:
    """Of a model repository.

    Attributes:
        device: "cpu" or "cuda", which the instances run on.
        instances: of each model, on the processor or on each GPU.
        threads: of the engine of `groupvit_segment`, of each instance; None for its own choice.
        max_batch: most images, or sentences, of an engine call.
        batch_wait: seconds that a batch waits for further requests.
        queue: requests that wait for a model; further ones are refused.
        timeout: seconds that a request waits at most.
        pixels: most of an image.
        labels: most class names of an image, negatives included.
        precision: of the image engine, where the bundle has several; None for float32 in `groupvit_image`,
            and for the fastest on the server's processor in `groupvit_segment`.
    """

    device: str = "cpu"
    instances: int = 1
    threads: int | None = None
    max_batch: int = 8
    batch_wait: float = 0.0
    queue: int = 256
    timeout: float = 60.0
    pixels: int = 40_000_000
    labels: int = 256
    precision: str | None = None

    def __post_init__(self) -> None:
        if self.device not in ("cpu", "cuda"):
            raise UsageError("unknown device", got=self.device, expected="cpu or cuda")
        for name in ("instances", "max_batch", "queue", "pixels", "labels", "threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise _refusal(name, value, "at least 1")
        if not 0 <= self.batch_wait <= 1:
            raise _refusal("batch_wait", self.batch_wait, "0 to 1 second")
        if not 0 < self.timeout <= 3600:
            raise _refusal("timeout", self.timeout, "more than 0, at most 3600 seconds")


def _refusal(name: str, got: float, expected: str) -> UsageError:
    return UsageError("a model repository cannot be written for this", got=f"{name} {got}", expected=expected)
