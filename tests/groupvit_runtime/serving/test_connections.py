"""Who sends nothing, or takes nothing, is cut off; whoever is worked for is not."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
import uvicorn

from groupvit_runtime.serving.connections import ConnectionBounds, bounded

SECONDS = 0.4
LARGE = 1 << 26
ASK = b"GET /%s HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200"


async def app(scope, receive, send):
    assert scope["type"] == "http"
    if scope["path"] == "/slow":
        await asyncio.sleep(2 * SECONDS)
    body = bytes(LARGE if scope["path"] == "/large" else 1)
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@contextmanager
def serving(bounds: ConnectionBounds) -> Iterator[int]:
    """The port of a server."""
    config = uvicorn.Config(app, http=bounded(bounds), ws="none", lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(60)
    assert not thread.is_alive()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving(ConnectionBounds(4 * SECONDS, SECONDS)) as found:
        yield found


def connection(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=60)


def seconds_until_closed(connected: socket.socket, dribble: bytes = b"") -> float:
    """How long the other side keeps it open, sent a byte at a time or nothing."""
    start = time.monotonic()
    connected.settimeout(0.05)
    while True:
        try:
            connected.sendall(dribble[:1])
            dribble = dribble[1:]
            if connected.recv(1 << 16) == b"":
                return time.monotonic() - start
        except TimeoutError:
            assert time.monotonic() - start < 30
        except (ConnectionResetError, BrokenPipeError):
            return time.monotonic() - start


@pytest.mark.parametrize("dribble", [b"", b"GET / HTTP/1.1\r\nX: " + b"x" * 999], ids=["silent", "slow"])
def test_a_head_that_does_not_come(dribble, port):
    with connection(port) as connected:
        assert SECONDS / 2 < seconds_until_closed(connected, dribble) < 10


@pytest.mark.parametrize("rest", [b"", b"x" * 999], ids=["idle", "body that nobody reads"])
def test_after_an_answer(rest, port):
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n" if rest else ASK % b""
    with connection(port) as connected:
        connected.sendall(head)
        assert connected.recv(12) == OK
        assert SECONDS / 2 < seconds_until_closed(connected, rest) < 10


def test_what_takes_its_time_is_answered_and_so_is_the_next(port):
    with connection(port) as connected:
        for _ in range(2):
            connected.sendall(ASK % b"slow")
            assert connected.recv(1 << 16).startswith(OK)
        connected.sendall((ASK % b"") * 3)
        answers = b""
        while answers.count(OK) < 3:
            answers += connected.recv(1 << 16)


def test_an_answer_that_nobody_takes(port):
    with connection(port) as connected:
        connected.sendall(ASK % b"large")
        time.sleep(6 * SECONDS)
        size = 0
        with suppress(ConnectionResetError):
            while piece := connected.recv(1 << 20):
                size += len(piece)
        assert size < LARGE


def test_so_many_and_no_more():
    with serving(ConnectionBounds(60, 60, connections=3)) as port:
        held = [connection(port) for _ in range(3)]
        for connected in held:
            connected.sendall(ASK % b"")
            assert connected.recv(12) == OK
        with connection(port) as refused:
            assert seconds_until_closed(refused) < 10
        held.pop().close()
        end = time.monotonic() + 10
        while time.monotonic() < end:
            with connection(port) as connected, suppress(ConnectionError):
                connected.sendall(ASK % b"")
                if connected.recv(12) == OK:
                    break
        else:
            pytest.fail("the place of one that went is not given to another")
        for connected in held:
            connected.close()
