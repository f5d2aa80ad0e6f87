"""Around every request: the token, the log, the counters."""

from __future__ import annotations

import hmac
import itertools
import time
from http import HTTPStatus
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from groupvit_runtime.serving.logs import FIELDS, LOGGER
from groupvit_runtime.serving.metrics import Metrics
from groupvit_runtime.serving.refusal import Refusal

_OPEN: Final = frozenset({"/healthz", "/readyz"})
"""Asked by what watches the process and knows no token."""

_OTHER: Final = "other"


class Guard:
    """ASGI middleware.

    Args:
        app: what is guarded.
        token: that a request must bear, or None.
        metrics: that count it.
        routes: paths that are counted by their names.
    """

    def __init__(self, app: ASGIApp, token: str | None, metrics: Metrics, routes: frozenset[str]) -> None:
        self._app, self._metrics, self._routes = app, metrics, routes
        self._expected = None if token is None else f"Bearer {token}".encode("ascii")
        self._numbers = itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, number, status, size = time.perf_counter(), next(self._numbers), 0, 0

        async def observed(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-Id"] = str(number)
            elif message["type"] == "http.response.body":
                size += len(message.get("body", b""))
            await send(message)

        try:
            if self._may(scope):
                await self._app(scope, receive, observed)
            else:
                await _refused().answer()(scope, receive, observed)
        finally:
            seconds = time.perf_counter() - started
            route = scope["path"] if scope["path"] in self._routes else _OTHER
            self._metrics.requests.labels(route, str(status)).inc()
            self._metrics.seconds.labels(route).observe(seconds)
            fields = {
                "request": number,
                "method": scope["method"],
                "route": route,
                "status": status,
                "seconds": round(seconds, 6),
                "bytes": size,
            }
            LOGGER.info("answered", extra={FIELDS: fields})

    def _may(self, scope: Scope) -> bool:
        if self._expected is None or scope["path"] in _OPEN:
            return True
        given = Headers(scope=scope).get("authorization", "").encode("latin-1")
        return hmac.compare_digest(given, self._expected)


def _refused() -> Refusal:
    return Refusal(
        HTTPStatus.UNAUTHORIZED,
        "the request bears no token of this server",
        expected="the header Authorization: Bearer TOKEN",
        headers={"WWW-Authenticate": "Bearer"},
    )
