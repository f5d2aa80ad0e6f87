"""Connections that are held open: how many there are, and for how long one may send or take nothing."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol


@dataclass(frozen=True)
class ConnectionBounds:
    """What uvicorn does not bound.

    Attributes:
        request_seconds: from the head of a request until its answer was taken.
        head_seconds: from the connection, or the end of an answer, until the head of a request is complete.
        connections: further ones are closed at once: each may hold the head of a request, and a descriptor.
    """

    request_seconds: float
    head_seconds: float = 15.0
    connections: int = 512


def bounded(bounds: ConnectionBounds) -> type[H11Protocol]:
    """uvicorn's protocol, for `uvicorn.Config(http=...)`, within bounds."""

    class Bounded(H11Protocol):
        _timer: asyncio.TimerHandle | None = None
        _timed: Any = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            if len(self.connections) > bounds.connections:
                transport.abort()
            self._watch()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._watch()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self._watch()

        def connection_lost(self, exc: Exception | None) -> None:
            if self._timer is not None:
                self._timer.cancel()
            super().connection_lost(exc)

        def _watch(self) -> None:
            """A byte now and then sets nothing back: the time is that of the request, or of none."""
            request = None if self.cycle is None or self.cycle.response_complete else self.cycle
            if self._timer is not None:
                if request is self._timed:
                    return
                self._timer.cancel()
            self._timed = request
            seconds = bounds.head_seconds if request is None else bounds.request_seconds
            # Aborted, not closed: what the other side does not take would be waited for.
            self._timer = self.loop.call_later(seconds, self.transport.abort)

    return Bounded
