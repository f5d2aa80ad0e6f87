"""Serves a bundle's page to a browser on this machine, and to no other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from threading import Thread
from typing import Final
from urllib.parse import unquote, urlsplit

from groupvit_export.errors import UsageError
from groupvit_export.web.page import INDEX_NAME

_HOST: Final = "127.0.0.1"
_IDLE_SECONDS: Final = 30

_SEPARATORS: Final = frozenset("\\:")

_HEADERS: Final = {
    # Browsers give threads to pages that are isolated from others.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "X-Content-Type-Options": "nosniff",
    # The page checks hashes and keeps what it has; a bundle that was exported anew is seen at once.
    "Cache-Control": "no-cache",
}
_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".css": "text/css",
    ".json": "application/json",
    ".wasm": "application/wasm",
    ".png": "image/png",
    "": "application/octet-stream",
}


class _Handler(SimpleHTTPRequestHandler):
    """Files of the first of some folders that has one; no listings."""

    protocol_version = "HTTP/1.1"
    timeout = _IDLE_SECONDS
    extensions_map = _TYPES

    def __init__(self, *arguments: object, folders: tuple[Path, ...], **options: object) -> None:
        self._folders = folders
        super().__init__(*arguments, **options)  # type: ignore[arg-type]

    def translate_path(self, path: str) -> str:
        """The file of a URL's path; empty, which no file is called, where there is none."""
        parts = PurePosixPath(unquote(urlsplit(path).path)).parts[1:] or (INDEX_NAME,)
        # On Windows a part may be a path of its own.
        if ".." not in parts and not any(set(part) & _SEPARATORS for part in parts):
            for folder in self._folders:
                file = folder.joinpath(*parts)
                if file.is_file():
                    return str(file)
        return ""

    def end_headers(self) -> None:
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing: the browser's own tools show requests."""


@contextmanager
def serving(folders: tuple[Path, ...], port: int = 0) -> Iterator[str]:
    """Serve files to this machine while the context lasts.

    Args:
        folders: the first one that has a file gives it.
        port: of the loopback interface; 0 for a free one.

    Yields:
        The page's address.

    Raises:
        UsageError: the port cannot be had.
    """
    try:
        server = ThreadingHTTPServer((_HOST, port), partial(_Handler, folders=folders))
    except (OSError, OverflowError) as error:
        raise UsageError(
            "the page cannot be served on this port",
            got=f"port {port}: {error}",
            expected="a free one",
            fix="leave --port away, and one is found",
        ) from error
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{_HOST}:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
