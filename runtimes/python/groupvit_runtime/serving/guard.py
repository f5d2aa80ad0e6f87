"""Around every request: who may ask, the log, the counters."""

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

_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})

_CLOSE: Final = {"Connection": "close"}
"""A body that nobody reads would be taken for the next request."""


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

        refusal = self._refusal(Headers(scope=scope), scope["method"], scope["path"])
        try:
            if refusal is None:
                await self._app(scope, receive, observed)
            else:
                await refusal.answer()(scope, receive, observed)
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

    def _refusal(self, headers: Headers, method: str, path: str) -> Refusal | None:
        if self._expected is None:
            # Any page that the user of a browser looks at may send requests to her own machine, unasked.
            return _elsewhere() if method not in _READING and _is_of_another_site(headers) else None
        given = headers.get("authorization", "").encode("latin-1")
        return None if path in _OPEN or hmac.compare_digest(given, self._expected) else _no_token()


def _is_of_another_site(headers: Headers) -> bool:
    origin = headers.get("origin")
    return origin is not None and origin.partition("://")[2] != headers.get("host")


def _elsewhere() -> Refusal:
    return Refusal(
        HTTPStatus.FORBIDDEN,
        "the request comes from a page of another site",
        expected="an Origin that is the Host, or none",
        fix="set a token; or let the proxy keep the header Host",
        headers=_CLOSE,
    )


def _no_token() -> Refusal:
    return Refusal(
        HTTPStatus.UNAUTHORIZED,
        "the request bears no token of this server",
        expected="the header Authorization: Bearer TOKEN",
        headers={"WWW-Authenticate": "Bearer", **_CLOSE},
    )
