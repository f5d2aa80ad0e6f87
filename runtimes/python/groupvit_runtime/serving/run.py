"""Runs a server until it is asked to end."""

from __future__ import annotations

import logging
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

import numpy as np
import uvicorn

from groupvit_runtime.errors import UsageError
from groupvit_runtime.segmenter import Segmenter
from groupvit_runtime.serving.app import make_app
from groupvit_runtime.serving.connections import ConnectionBounds, bounded
from groupvit_runtime.serving.logs import FIELDS, LOGGER, logging_to_stderr
from groupvit_runtime.serving.metrics import Metrics
from groupvit_runtime.serving.options import ServingOptions
from groupvit_runtime.vocabulary import Vocabulary

_BACKLOG: Final = 128
_HEAD_BYTES: Final = 1 << 18
"""Of a request's address and headers: ten thousand words in an address are answered, not cut off."""
_SENDING_SECONDS: Final = 60
_MORE_SECONDS: Final = 10


def serve(
    load: Callable[[Metrics], Segmenter],
    options: ServingOptions,
    announce: Callable[[str], None],
    *,
    level: int = logging.INFO,
) -> None:
    """Serve until SIGTERM or SIGINT; what was accepted by then is finished and answered.

    Args:
        load: gives the segmenter, whose observer is to be `Metrics.stage`.
        options: address and limits.
        announce: is told the address as soon as requests are taken.
        level: of what is logged.

    Raises:
        UsageError: the address cannot be had.
        BundleError, EngineError: from `load`.
    """
    metrics = Metrics()
    with _listener(options) as listener, logging_to_stderr(level), _ending_quietly():
        segmenter = load(metrics)
        _warm_up(segmenter)
        bounds = ConnectionBounds(request_seconds=2 * options.timeout + _SENDING_SECONDS)
        config = uvicorn.Config(
            make_app(segmenter, options, metrics),
            http=bounded(bounds),
            # Nothing here speaks it, and the guard would not see it.
            ws="none",
            h11_max_incomplete_event_size=_HEAD_BYTES,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=int(bounds.head_seconds),
            timeout_graceful_shutdown=int(options.timeout) + _MORE_SECONDS,
            lifespan="on",
        )
        host, port = listener.getsockname()[:2]
        fields = {"engine": segmenter.engine_description, "host": host, "port": port}
        LOGGER.info("listening", extra={FIELDS: fields})
        listener.listen(_BACKLOG)
        announce(f"http://{f'[{host}]' if ':' in host else host}:{port}/")
        uvicorn.Server(config).run(sockets=[listener])
        LOGGER.info("ended")


@contextmanager
def _listener(options: ServingOptions) -> Iterator[socket.socket]:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            options.host, options.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _no_address(options, error) from error
    with listener:
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except OSError as error:
            raise _no_address(options, error) from error
        yield listener


def _no_address(options: ServingOptions, error: OSError) -> UsageError:
    return UsageError(
        "the address cannot be listened on",
        got=f"{options.host} port {options.port}: {error.strerror or error}",
        expected="an address of this machine and a free port",
        fix="--port 0 finds a free one",
    )


def _warm_up(segmenter: Segmenter) -> None:
    """What the image engine makes at its first call is made before the first request, whatever the words."""
    manifest = segmenter.manifest
    any_two = np.eye(2, manifest.model.projection_dim, dtype=np.float32)
    segmenter(np.zeros((32, 32, 3), np.uint8), Vocabulary(("a", "b"), any_two, ("{}",), manifest.fingerprint))


@contextmanager
def _ending_quietly() -> Iterator[None]:
    """Within, the signals that end the server do not end the process as well, which uvicorn raises again."""
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.signal(number, _ignored) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ignored(number: int, frame: FrameType | None) -> None: ...
