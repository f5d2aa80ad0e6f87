"""What serves the page: files of its folders and nothing else, isolated, to this machine."""

from __future__ import annotations

import socket
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from groupvit_export.errors import UsageError
from groupvit_export.web import server
from groupvit_export.web.server import serving


def get(address: str, path: str) -> HTTPResponse:
    connection = HTTPConnection(urlsplit(address).netloc, timeout=10)
    connection.request("GET", path)
    return connection.getresponse()


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        (folder / "ort").mkdir(parents=True)
        (folder / "both.json").write_text(f'"{folder.name}"')
    (second / "index.html").write_text("page")
    (second / "ort" / "a.wasm").write_bytes(b"wasm")
    (tmp_path / "secret").write_text("secret")
    return first, second


def test_the_first_folder_that_has_a_file_gives_it(folders: tuple[Path, Path]) -> None:
    with serving(folders) as address:
        assert address.startswith("http://127.0.0.1:")
        assert get(address, "/").read() == get(address, "/index.html?backend=wasm").read() == b"page"
        assert get(address, "/both.json").read() == b'"first"'
        wasm = get(address, "/ort/a.wasm")
        assert wasm.read() == b"wasm" and wasm.headers["Content-Type"] == "application/wasm"


def test_pages_are_isolated_so_that_they_get_threads(folders: tuple[Path, Path]) -> None:
    with serving(folders) as address:
        headers = get(address, "/").headers
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert headers["Cross-Origin-Embedder-Policy"] == "require-corp"


@pytest.mark.parametrize(
    "path", ["/secret", "/../secret", "/%2e%2e/secret", "/ort/%2e%2e/%2e%2e/secret", "/ort/", "/ort"]
)
def test_nothing_else_is_served(folders: tuple[Path, Path], path: str) -> None:
    with serving(folders) as address:
        assert get(address, path).status == 404


@pytest.mark.parametrize("path", ["/ort%5ca.wasm", "/..%5csecret", "/c:/secret"])
def test_what_windows_takes_for_a_path_is_none(folders: tuple[Path, Path], path: str) -> None:
    first, _ = folders
    """Names as others here."""
    (first / "c:").mkdir()
    for name in ("ort\\a.wasm", "..\\secret", "c:/secret"):
        (first / name).write_text("secret")
    with serving(folders) as address:
        assert get(address, path).status == 404


def test_who_sends_nothing_is_cut_off(folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server._Handler, "timeout", 0.2)
    with serving(folders) as address:
        host, port = urlsplit(address).netloc.split(":")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(b"GET / HT")
            assert connection.recv(1) == b""


def test_a_port_that_is_taken_is_said(folders: tuple[Path, Path]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(UsageError, match=rf"port {port}"), serving(folders, port):
            pass
