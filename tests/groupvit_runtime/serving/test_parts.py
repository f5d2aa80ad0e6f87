"""Limits, headers and parameters of a server, without one."""

from __future__ import annotations

import asyncio
import json
import logging
import warnings
from pathlib import Path
from typing import Any

import pytest

from groupvit_export.cli.serve import TOKEN_VARIABLE, read_token
from groupvit_runtime.errors import (
    BundleError,
    EngineError,
    ImageError,
    ImageSizeError,
    LabelError,
    UsageError,
)
from groupvit_runtime.serving.admission import Admission
from groupvit_runtime.serving.answers import accepted
from groupvit_runtime.serving.asked import asked_of, words_of
from groupvit_runtime.serving.logs import LOGGER, logging_to_stderr
from groupvit_runtime.serving.options import ServingOptions
from groupvit_runtime.serving.page import Page
from groupvit_runtime.serving.refusal import Refusal, refusal_of
from groupvit_runtime.serving.segmentations import _told


@pytest.mark.parametrize(
    ("header", "media_type"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("image/png", "image/png"),
        ("IMAGE/PNG; q=0.5", "image/png"),
        ("text/html, image/*;q=0.8, */*;q=0.1", "image/png"),
        ("image/png;q=0.2, image/jpeg;q=0.9", "image/jpeg"),
        ("image/png;q=0, application/json;q=0.1", "application/json"),
    ],
)
def test_the_media_type_that_is_wanted_most(header, media_type):
    assert accepted(header) == media_type


@pytest.mark.parametrize("header", ["text/html", "image/webp, image/png;q=0", "image/png;q=much", "*"])
def test_media_types_that_there_are_not(header):
    with pytest.raises(Refusal) as caught:
        accepted(header)
    assert caught.value.status == 406


def test_the_door_is_shut_while_so_many_are_inside():
    seen: list[int] = []
    admission = Admission(2, seen.append)
    with admission.enter():
        with admission.enter(), pytest.raises(Refusal) as caught, admission.enter():
            pass
        with admission.enter():
            pass
    assert caught.value.status == 429
    assert caught.value.headers == {"Retry-After": "1"}
    assert seen == [1, 2, 1, 2, 1, 0]


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ([("label", "a,b"), ("label", "c")], ["a,b", "c"]),
        ([("labels", "cat,big dog"), ("threshold", "0.5")], ["cat", "big dog"]),
        ([("vocabulary", "pets")], []),
    ],
)
def test_class_names(parameters, words):
    assert words_of(asked_of(parameters, 4)) == words


@pytest.mark.parametrize(
    "parameters",
    [
        [],
        [("labels", "")],
        [("label", "a"), ("labels", "b")],
        [("label", "a"), ("vocabulary", "b")],
        [("label", str(number)) for number in range(5)],
        [("labels", "a,b,c"), ("negative", "d"), ("negative", "e")],
        [("label", "a" * 201)],
        [("label", "a"), ("threshold", "high")],
        [("label", "a"), ("threshold", "nan")],
        [("label", "a"), ("threshold", "2")],
        [("label", "a"), ("threshold", "0.1"), ("threshold", "0.2")],
        [("label", "a"), ("decode", "other")],
        [("label", "a"), ("unknown", "1")],
        [("label", "a"), *[("template", "a {}")] * 17],
    ],
)
def test_parameters_that_cannot_be_meant(parameters):
    with pytest.raises(Refusal) as caught:
        asked_of(parameters, 4)
    assert caught.value.status == 400 and caught.value.content["what"]


@pytest.mark.parametrize(
    "options",
    [{"port": 70000}, {"queue": 0}, {"batch_wait": 2.0}, {"timeout": 0.0}, {"token": ""}, {"token": "a\nb"}],
)
def test_options_that_no_server_has(options):
    with pytest.raises(UsageError) as caught:
        ServingOptions(**options)
    assert "a\nb" not in str(caught.value)


def test_the_token_is_in_no_representation():
    assert "s3cret" not in repr(ServingOptions(token="s3cret"))


@pytest.mark.parametrize(("host", "local"), [("127.0.0.1", True), ("::1", True), ("0.0.0.0", False)])
def test_who_reaches_an_address(host, local):
    assert ServingOptions(host=host).is_local is local


def test_where_the_token_comes_from(tmp_path, monkeypatch):
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    assert read_token(None) is None
    file = tmp_path / "token"
    file.write_text("abc\n")
    assert read_token(file) == "abc"
    monkeypatch.setenv(TOKEN_VARIABLE, "def")
    assert read_token(None) == "def"
    with pytest.raises(UsageError, match="two tokens"):
        read_token(file)
    monkeypatch.delenv(TOKEN_VARIABLE)
    with pytest.raises(UsageError, match="cannot be read"):
        read_token(tmp_path / "absent")


@pytest.mark.parametrize(
    ("kind", "status"),
    [(ImageError, 400), (ImageSizeError, 413), (LabelError, 400), (UsageError, 400), (BundleError, 400)],
)
def test_errors_that_are_the_callers(kind, status):
    refusal = refusal_of(kind("what", got=1, expected="two", fix="mend"))
    assert refusal.status == status
    assert refusal.content == {"what": "what", "got": "1", "expected": "two", "fix": "mend"}


def test_what_an_engine_says_is_for_the_log_alone(capsys):
    def fail() -> None:
        raise EngineError("secrets of the engine")

    with logging_to_stderr(logging.INFO), pytest.raises(Refusal) as caught:
        _told(fail)
    assert caught.value.status == 500 and "secrets" not in str(caught.value.content)
    (line,) = capsys.readouterr().err.splitlines()
    assert "secrets of the engine" in json.loads(line)["traceback"]


def test_everything_in_the_log_is_a_line_of_json(capsys):
    with logging_to_stderr(logging.WARNING):
        warnings.warn("of a\nlibrary", stacklevel=1)
        logging.getLogger("python_multipart.multipart").warning("quotes the body")
        LOGGER.info("too quiet")
    (line,) = capsys.readouterr().err.splitlines()
    assert "of a\nlibrary" in json.loads(line)["event"]
    assert not LOGGER.handlers


def fetched(page: Page, path: str) -> tuple[int, dict[str, str], bytes]:
    """What the page answers, without a server."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        # Nothing more comes.
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Any) -> None:
        sent.append(message)

    scope: dict[str, object] = {
        "type": "http",
        "method": "GET",
        "path": path,
        "root_path": "",
        "headers": [],
        "app": None,
    }
    asyncio.run(page(scope, receive, send))
    headers = {key.decode(): value.decode() for key, value in sent[0]["headers"]}
    return sent[0]["status"], headers, b"".join(message.get("body", b"") for message in sent)


def test_the_page_is_of_the_first_folder_that_has_a_file(tmp_path: Path):
    for name in ("bundle", "page"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "both").write_text(name)
    (tmp_path / "page" / "index.html").write_text("the page")
    (tmp_path / "secret").write_bytes(b"outside")
    page = Page([tmp_path / "bundle", tmp_path / "page"])
    status, headers, body = fetched(page, "/")
    assert (status, body) == (200, b"the page")
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert fetched(page, "/both")[2] == b"bundle"
    with pytest.raises(Exception, match="404"):
        fetched(page, "/../secret")
