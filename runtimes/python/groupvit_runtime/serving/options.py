"""What a server allows."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from groupvit_runtime.errors import UsageError


@dataclass(frozen=True)
class ServingOptions:
    """Limits and addresses of a server.

    Attributes:
        host: address to listen on; the loopback unless told otherwise.
        port: 0 for a free one.
        token: that requests must bear, or None.
        body_bytes: most bytes of a request's body.
        pixels: most pixels of an image.
        labels: most class names of a request or vocabulary, negatives included.
        vocabularies: most vocabularies that are kept.
        queue: most requests that are worked on or wait; further ones are answered 429.
        batch: most images of one engine call.
        batch_wait: seconds that an engine call waits for further images, from the first one's arrival.
        workers: engine calls at once.
        timeout: seconds until a request is answered 408 or 504.
        page: folders whose files are served at `/`, the first that has one gives it; empty for none.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = field(default=None, repr=False)
    body_bytes: int = 20 << 20
    pixels: int = 40_000_000
    labels: int = 256
    vocabularies: int = 64
    queue: int = 64
    batch: int = 8
    batch_wait: float = 0.0
    workers: int = 2
    timeout: float = 60.0
    page: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        for name in ("body_bytes", "pixels", "labels", "vocabularies", "queue", "batch", "workers"):
            if getattr(self, name) < 1:
                raise _refusal(name, getattr(self, name), "at least 1")
        if not 0 <= self.port < 65536:
            raise _refusal("port", self.port, "0 (a free one) to 65535")
        if not 0 <= self.batch_wait <= 1:
            raise _refusal("batch_wait", self.batch_wait, "0 to 1 second")
        if not 0 < self.timeout <= 3600:
            raise _refusal("timeout", self.timeout, "more than 0, at most 3600 seconds")
        if self.token is not None and not (self.token.isascii() and self.token.isprintable() and self.token):
            raise UsageError(
                "the token cannot be sent in a header",
                got="one that is empty or has other characters",
                expected="visible ASCII characters",
                fix="make one, for instance: openssl rand -hex 32",
            )

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches the server."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def _refusal(name: str, got: float, expected: str) -> UsageError:
    return UsageError("a server cannot run with this", got=f"{name} {got}", expected=expected)
