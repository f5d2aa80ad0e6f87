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

PANICS: dict[str, dict[str, Any]] = {
    "when it is loaded": {"normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAA"}},
    "when it encodes": {"pre_tokenizer": {"type": "FixedLength", "length": 0}},
}


@pytest.mark.parametrize("when", PANICS)
def test_a_panic_of_the_library_is_an_error_of_the_bundle(when: str) -> None:
    data = json.dumps({**DEMO_TOKENIZER, **PANICS[when]}).encode()
    with pytest.raises(BundleError, match="tokenizer cannot be read"):
        Tokenizer(data, max_length=32, pad_id=0).encode(["a red house"])


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
