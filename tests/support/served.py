"""A server in a process of its own, and a client that knows only HTTP."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urlsplit

END_SECONDS = 60


@dataclass(frozen=True)
class Answer:
    """Of a server."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict:
        return json.loads(self.body)


@dataclass(frozen=True)
class Server:
    """One that runs."""

    host: str
    port: int
    process: subprocess.Popen[str]
    log: Path

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        query: Sequence[tuple[str, str]] = (),
    ) -> Answer:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=END_SECONDS)
        try:
            connection.request(method, f"{path}?{urlencode(query)}" if query else path, body, headers or {})
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def segment(
        self, image: bytes, query: Sequence[tuple[str, str]], accept: str = "*/*", **headers: str
    ) -> Answer:
        return self.ask(
            "POST", "/segment", image, {"Content-Type": "image/png", "Accept": accept, **headers}, query
        )

    def end(self) -> int:
        """SIGTERM, and the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(END_SECONDS)

    def events(self) -> list[dict]:
        """The log."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]


@contextmanager
def serving(bundle: Path, folder: Path, *options: str, **environment: str) -> Iterator[Server]:
    """`groupvit serve` on a free port until the block ends."""
    log = folder / "serve.log"
    command = [
        sys.executable,
        "-m",
        "groupvit_export",
        "serve",
        str(bundle),
        "--port",
        "0",
        "--json",
        *options,
    ]
    with log.open("w") as file:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        )
    try:
        line = process.stdout.readline()
        assert line, log.read_text()
        while not line.rstrip().endswith("}"):
            line += process.stdout.readline()
        parts = urlsplit(json.loads(line)["address"])
        yield Server(parts.hostname, parts.port, process, log)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
