"""What a request is answered with that cannot be served: always JSON of what, got, expected and fix."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from starlette.responses import JSONResponse

from groupvit_runtime.errors import (
    BundleError,
    GroupViTError,
    ImageError,
    ImageSizeError,
    LabelError,
    UsageError,
)

_STATUS: Final = (
    (ImageSizeError, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (ImageError, HTTPStatus.BAD_REQUEST),
    (LabelError, HTTPStatus.BAD_REQUEST),
    (UsageError, HTTPStatus.BAD_REQUEST),
    # A vocabulary that the bundle does not have, or cannot encode.
    (BundleError, HTTPStatus.BAD_REQUEST),
)


class Refusal(Exception):
    """A request that is answered with an error.

    Args:
        status: of HTTP.
        what, got, expected, fix: as a `GroupViTError` has them.
        headers: of the answer.
    """

    def __init__(
        self,
        status: HTTPStatus,
        what: str,
        *,
        got: object = None,
        expected: object = None,
        fix: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(what)
        self.status = status
        self.content = {
            "what": what,
            "got": None if got is None else str(got),
            "expected": None if expected is None else str(expected),
            "fix": fix,
        }
        self.headers = headers

    def answer(self) -> JSONResponse:
        """The response."""
        return JSONResponse(self.content, int(self.status), self.headers)


def refusal_of(error: GroupViTError) -> Refusal:
    """What an error of the runtime is over HTTP: 4xx where the request is at fault, else 500."""
    for kind, status in _STATUS:
        if isinstance(error, kind):
            return Refusal(status, error.what, got=error.got, expected=error.expected, fix=error.fix)
    # What an engine says of itself is for the log.
    return Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "the engine failed", fix="see the server's log")
