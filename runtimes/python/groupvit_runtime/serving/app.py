"""The routes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from http import HTTPStatus
from importlib.metadata import version
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from fastapi_offline import FastAPIOffline
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from groupvit_runtime.segmenter import Segmenter
from groupvit_runtime.serving import body
from groupvit_runtime.serving.admission import Admission
from groupvit_runtime.serving.answers import ANSWERS, accepted
from groupvit_runtime.serving.asked import Asked, NewVocabulary, asked_of, invalid
from groupvit_runtime.serving.guard import Guard
from groupvit_runtime.serving.metrics import Metrics
from groupvit_runtime.serving.options import ServingOptions
from groupvit_runtime.serving.page import Page
from groupvit_runtime.serving.refusal import Refusal
from groupvit_runtime.serving.segmentations import Segmentations

ROUTES: Final = frozenset({"/segment", "/vocabularies", "/healthz", "/readyz", "/metrics"})
_VOCABULARY_BYTES: Final = 1 << 20
_BINARY: Final = {"type": "string", "format": "binary"}


def make_app(segmenter: Segmenter, options: ServingOptions, metrics: Metrics) -> FastAPI:
    """The application of a segmenter that is loaded.

    Args:
        segmenter: of the bundle.
        options: limits.
        metrics: that count; the segmenter's observer is theirs.
    """
    work = Segmentations(segmenter, options, metrics)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None, None]:
        yield
        await asyncio.to_thread(work.close)

    app = FastAPIOffline(
        redoc_url=None,
        title="GroupViT",
        version=version("groupvit-runtime"),
        summary="Segments images into any words.",
        lifespan=lifespan,
    )
    app.add_middleware(Guard, token=options.token, metrics=metrics, routes=ROUTES)
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(HTTPException, _refused_by_starlette)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Exception, _failed)
    admission = Admission(options.queue, metrics.inside.set)
    _add_segment(app, work, options, admission)
    _add_vocabularies(app, work, options, admission)
    _add_watched(app, metrics)
    if options.page:
        app.mount("/", Page(options.page))
    return app


def _add_segment(app: FastAPI, work: Segmentations, options: ServingOptions, admission: Admission) -> None:
    async def segment(request: Request) -> Response:
        """Segment an image into the words that are asked for."""
        media_type = accepted(request.headers.get("accept", ""))
        with admission.enter():
            async with _arriving(options):
                data, parameters = await _read(request, options)
            asked = asked_of(parameters, options.labels)
            try:
                async with asyncio.timeout(options.timeout):
                    answer = await work.segment(data, asked, media_type)
            except TimeoutError as error:
                raise _too_slow(HTTPStatus.GATEWAY_TIMEOUT, "the image took too long", options) from error
        return Response(answer, media_type=media_type)

    app.add_api_route(
        "/segment",
        segment,
        methods=["POST"],
        response_class=Response,
        responses={
            200: {
                "description": "By the header Accept",
                "content": {kind: {"description": what} for kind, (what, _) in ANSWERS.items()},
            }
        },
        openapi_extra=_segment_schema(),
    )


async def _read(request: Request, options: ServingOptions) -> tuple[bytes, list[tuple[str, str]]]:
    kind = request.headers.get("content-type", "application/octet-stream").partition(";")[0].strip().lower()
    query = list(request.query_params.multi_items())
    if kind == body.MULTIPART:
        data, fields = await body.form(request, options.body_bytes, options.labels)
        return data, query + fields
    if kind != "application/octet-stream" and not kind.startswith("image/"):
        raise Refusal(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "an image cannot be in a body of this type",
            got=kind[:100],
            expected=f"image/*, application/octet-stream or {body.MULTIPART}",
            fix="say what it is, for instance Content-Type: image/png",
        )
    return await body.whole(request, options.body_bytes), query


def _add_vocabularies(
    app: FastAPI, work: Segmentations, options: ServingOptions, admission: Admission
) -> None:
    async def list_vocabularies() -> dict[str, list[str]]:
        """Names that `vocabulary` takes."""
        return {"vocabularies": work.vocabularies.names()}

    async def put_vocabulary(request: Request) -> JSONResponse:
        """Encode class names once, and give them a name; a name that was posted before is replaced."""
        with admission.enter():
            async with _arriving(options):
                data = await body.whole(request, _VOCABULARY_BYTES)
            try:
                new = NewVocabulary.model_validate_json(data)
            except ValidationError as error:
                raise invalid(error) from error
            made, is_new = await work.run(lambda: work.put_vocabulary(new.name, new.labels, new.templates))
        status = HTTPStatus.CREATED if is_new else HTTPStatus.OK
        return JSONResponse(
            {"name": new.name, "labels": list(made.names), "templates": list(made.templates)}, int(status)
        )

    async def remove_vocabulary(name: str) -> Response:
        """Forget a vocabulary that was posted."""
        work.vocabularies.remove(name)
        return Response(status_code=int(HTTPStatus.NO_CONTENT))

    content = {"application/json": {"schema": NewVocabulary.model_json_schema()}}
    app.add_api_route("/vocabularies", list_vocabularies, methods=["GET"])
    app.add_api_route(
        "/vocabularies",
        put_vocabulary,
        methods=["POST"],
        status_code=int(HTTPStatus.CREATED),
        openapi_extra={"requestBody": {"required": True, "content": content}},
    )
    app.add_api_route(
        "/vocabularies/{name}", remove_vocabulary, methods=["DELETE"], status_code=int(HTTPStatus.NO_CONTENT)
    )


def _add_watched(app: FastAPI, metrics: Metrics) -> None:
    async def health() -> dict[str, str]:
        """Whether the process answers."""
        return {"status": "alive"}

    async def ready() -> dict[str, str]:
        """Whether requests are taken: the bundle is loaded before the server listens."""
        return {"status": "ready"}

    async def metrics_text() -> Response:
        """Counters as Prometheus reads them."""
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    app.add_api_route("/healthz", health, methods=["GET"])
    app.add_api_route("/readyz", ready, methods=["GET"])
    app.add_api_route("/metrics", metrics_text, methods=["GET"], response_class=Response)


def _segment_schema() -> dict[str, Any]:
    """Parameters for OpenAPI, which may as well be fields of the form."""
    properties: dict[str, Any] = Asked.model_json_schema()["properties"]
    fields = {body.IMAGE_FIELD: _BINARY, **properties}
    return {
        "parameters": [
            {
                "name": name,
                "in": "query",
                "required": False,
                "description": schema.get("description", ""),
                "schema": schema,
            }
            for name, schema in properties.items()
        ],
        "requestBody": {
            "required": True,
            "content": {
                "image/*": {"schema": _BINARY},
                "application/octet-stream": {"schema": _BINARY},
                body.MULTIPART: {
                    "schema": {"type": "object", "required": [body.IMAGE_FIELD], "properties": fields}
                },
            },
        },
    }


@asynccontextmanager
async def _arriving(options: ServingOptions) -> AsyncGenerator[None, None]:
    try:
        async with asyncio.timeout(options.timeout):
            yield
    except TimeoutError as error:
        raise _too_slow(HTTPStatus.REQUEST_TIMEOUT, "the request came too slowly", options) from error


def _too_slow(status: HTTPStatus, what: str, options: ServingOptions) -> Refusal:
    return Refusal(status, what, expected=f"at most {options.timeout:g} s", headers={"Connection": "close"})


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return error.answer()


async def _refused_by_starlette(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    return Refusal(status, status.phrase.lower(), fix="see /docs", headers=error.headers).answer()


async def _failed(request: Request, error: Exception) -> Response:
    return Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "the server failed", fix="see its log").answer()


async def _gone(request: Request, error: Exception) -> Response:
    # Nobody reads it; it is for the counters.
    return Refusal(HTTPStatus.BAD_REQUEST, "the caller went away").answer()
