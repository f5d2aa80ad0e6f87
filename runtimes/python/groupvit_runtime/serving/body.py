"""The body of a request, up to a limit, and never on the disk."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from http import HTTPStatus
from typing import Final

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from groupvit_runtime.serving.refusal import Refusal

MULTIPART: Final = "multipart/form-data"
IMAGE_FIELD: Final = "image"
_FIELD_BYTES: Final = 1 << 16
_MORE_FIELDS: Final = 16
_FORM: Final = f"one file in the field {IMAGE_FIELD}, and the parameters as fields"


async def limited(request: Request, most: int) -> AsyncGenerator[bytes, None]:
    """The body in pieces.

    Raises:
        Refusal: 413; before anything is kept where the request says its length.
    """
    told = request.headers.get("content-length", "0")
    if not told.isdecimal() or int(told) > most:
        await _drain(request, most)
        raise _too_large(most)
    total = 0
    async for piece in request.stream():
        total += len(piece)
        if total > most:
            raise _too_large(most)
        yield piece


async def whole(request: Request, most: int) -> bytes:
    """The body.

    Raises:
        Refusal: 413.
    """
    return b"".join([piece async for piece in limited(request, most)])


async def form(request: Request, most: int, fields: int) -> tuple[bytes, list[tuple[str, str]]]:
    """The image of a form, and its other fields.

    Args:
        request: with a multipart body.
        most: bytes.
        fields: that it may have, beside a few.

    Raises:
        Refusal: 413; 400 for what is no form, or has no image or several.
    """
    parser = MultiPartParser(
        request.headers,
        limited(request, most),
        max_files=1,
        max_fields=fields + _MORE_FIELDS,
        max_part_size=_FIELD_BYTES,
    )
    # Beyond it Starlette goes on in a temporary file.
    parser.spool_max_size = most + 1
    try:
        parsed: FormData = await parser.parse()
    except (MultiPartException, KeyError, UnicodeError) as error:
        message = getattr(error, "message", str(error))
        raise Refusal(
            HTTPStatus.BAD_REQUEST, "the form cannot be read", got=message, expected=_FORM
        ) from error
    try:
        images = [value for _, value in parsed.multi_items() if isinstance(value, UploadFile)]
        if len(images) != 1 or not isinstance(parsed.get(IMAGE_FIELD), UploadFile):
            raise Refusal(
                HTTPStatus.BAD_REQUEST,
                "the form has no image",
                got=f"the fields {', '.join(sorted({name[:50] for name in parsed})[:10]) or 'none'}",
                expected=_FORM,
            )
        data = await images[0].read()
    finally:
        await parsed.close()
    return data, [(name, value) for name, value in parsed.multi_items() if isinstance(value, str)]


async def _drain(request: Request, most: int) -> None:
    """Read and drop: many callers write to the end before they read, and else find the connection broken."""
    total = 0
    async for piece in request.stream():
        total += len(piece)
        if total > most:
            return


def _too_large(most: int) -> Refusal:
    return Refusal(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "the body is too large",
        expected=f"at most {most:,} bytes",
        fix="compress or shrink the image",
        # What was not read would be taken for the next request.
        headers={"Connection": "close"},
    )
