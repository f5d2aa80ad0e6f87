"""Limits, headers and parameters of a server, without one."""

from __future__ import annotations

import pytest

from groupvit_export.cli.serve import TOKEN_VARIABLE, read_token
from groupvit_runtime.errors import UsageError
from groupvit_runtime.serving.admission import Admission
from groupvit_runtime.serving.answers import accepted
from groupvit_runtime.serving.asked import asked_of, words_of
from groupvit_runtime.serving.options import ServingOptions
from groupvit_runtime.serving.refusal import Refusal


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
