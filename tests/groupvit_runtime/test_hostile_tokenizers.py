"""A tokenizer.json that the tokenizers library does not survive is an error of the bundle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hostile_files import DEMO_TOKENIZER

from groupvit_runtime import tokenizer as module
from groupvit_runtime.errors import BundleError
from groupvit_runtime.tokenizer import Tokenizer


def test_a_panic_of_the_library_is_an_error_of_the_bundle() -> None:
    panics = {"normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAA"}}
    with pytest.raises(BundleError, match="tokenizer cannot be read"):
        Tokenizer(json.dumps({**DEMO_TOKENIZER, **panics}).encode(), max_length=32, pad_id=0)


def template(*pieces: dict[str, Any], **special: dict[str, Any]) -> dict[str, Any]:
    return {"type": "TemplateProcessing", "single": [*pieces], "pair": [], "special_tokens": special}


SENTENCE = {"Sequence": {"id": "A", "type_id": 0}}
FORESEEN: dict[str, dict[str, Any]] = {
    "no length": {"pre_tokenizer": {"type": "FixedLength", "length": 0}},
    "no length, inside": {
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "FixedLength", "length": 0}]}
    },
    "an unknown token": {
        "post_processor": template(SENTENCE, {"SpecialToken": {"id": "<end>", "type_id": 0}})
    },
    "a second sentence": {"post_processor": template({"Sequence": {"id": "B", "type_id": 0}})},
}


@pytest.mark.parametrize("part", FORESEEN.values(), ids=FORESEEN)
def test_what_would_be_a_panic_is_refused_and_nothing_is_printed(
    part: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(BundleError, match="tokenizer cannot be read"):
        Tokenizer(json.dumps({**DEMO_TOKENIZER, **part}).encode(), max_length=32, pad_id=0)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"[]", b"null", b"{" * 100_000, b"[" * 100_000])
def test_what_is_no_tokenizer_is_refused(data: bytes) -> None:
    with pytest.raises(BundleError, match="tokenizer cannot be read"):
        Tokenizer(data, max_length=32, pad_id=0)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_ends_a_program_is_no_error_of_the_bundle(
    monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    def interrupted(path: Path) -> bytes:
        raise error

    monkeypatch.setattr(module, "_contents", interrupted)
    with pytest.raises(error):
        Tokenizer(Path("tokenizer.json"), max_length=32, pad_id=0)
