"""A tokenizer.json that the tokenizers library does not survive is an error of the bundle."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hostile_files import DEMO_TOKENIZER

from groupvit_runtime import tokenizer as module
from groupvit_runtime.errors import BundleError
from groupvit_runtime.tokenizer import Tokenizer
from groupvit_runtime.tokenizer_checks import PATTERNS

SOURCE = Path(__file__).resolve().parents[2] / "runtimes" / "cpp" / "src" / "tokenizer_config.cpp"


def template(*pieces: dict[str, Any], **special: dict[str, Any]) -> dict[str, Any]:
    return {"type": "TemplateProcessing", "single": [*pieces], "pair": [], "special_tokens": special}


def replaced(pattern: dict[str, str], content: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": pattern, "content": content}


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
    "a trie that ends early": {"normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAA"}},
    # Two to the power of the length.
    "a slow pattern": {"normalizer": replaced({"Regex": r"(\w+\w*)*$"}, " ")},
    "a slow pattern to split by": {
        "pre_tokenizer": {
            "type": "Split", "pattern": {"Regex": "(x+x+)+y"}, "behavior": "Removed", "invert": False
        }
    },
    "a pattern that is large once it is compiled": {
        "decoder": {"type": "Replace", "pattern": {"Regex": "(((a{900}){900}){900})"}, "content": ""}
    },
    "64 times twice the text": {
        "normalizer": {"type": "Sequence", "normalizers": [replaced({"String": "a"}, "aa")] * 64}
    },
    "a longer text": {"normalizer": replaced({"String": "a"}, "a" * 1000)},
    "bytes of bytes": {
        "normalizer": {"type": "Sequence", "normalizers": [{"type": "ByteLevel"}] * 40}
    },
}  # fmt: skip


@pytest.mark.parametrize("part", FORESEEN.values(), ids=FORESEEN)
def test_what_would_be_a_panic_is_refused_and_nothing_is_printed(
    part: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(BundleError, match="tokenizer cannot be read"):
        Tokenizer(json.dumps({**DEMO_TOKENIZER, **part}).encode(), max_length=32, pad_id=0)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("name", "other"), [(b"Regex", b"Rege\\u0078"), (b"Precompiled", b"Precompil\\u0065d")]
)
def test_however_it_is_written(name: bytes, other: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    parts = (part for part in FORESEEN.values() if name in json.dumps(part).encode())
    for part in parts:
        data = json.dumps({**DEMO_TOKENIZER, **part}).encode()
        assert name in data
        with pytest.raises(BundleError, match="tokenizer cannot be read"):
            Tokenizer(data.replace(name, other), max_length=32, pad_id=0)
    assert capfd.readouterr() == ("", "")


def test_the_regular_expressions_are_those_of_the_c_plus_plus_runtime() -> None:
    text = SOURCE.read_text(encoding="utf-8")
    constants = dict(re.findall(r'constexpr char (k\w+)\[\] = ("(?:[^"\\]|\\.)*");', text))
    words, tokens = (json.loads(constants[name]) for name in ("kClipPattern", "kWholeTokens"))
    assert frozenset({words, tokens + words, r"\s+"}) == PATTERNS


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
