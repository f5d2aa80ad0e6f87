"""The tables of src/unicode_tables.inc, over all code points, against whom they were asked of."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from text_probe import TextProbe
from tokenizers import Regex, normalizers, pre_tokenizers

CODES = [chr(code) for code in range(1, 0x110000) if not 0xD800 <= code < 0xE000]
BLOCKS = ["".join(CODES[start : start + 4096]) for start in range(0, len(CODES), 4096)]
TABLES = Path(__file__).resolve().parents[2] / "runtimes" / "cpp" / "src" / "unicode_tables.inc"


@pytest.mark.parametrize(("kind", "pattern"), [("letter", r"\p{L}"), ("number", r"\p{N}"), ("space", r"\s")])
def test_kinds_are_what_patterns_of_the_library_match(text_probe: TextProbe, kind: str, pattern: str) -> None:
    remove = normalizers.Replace(Regex(pattern), "")
    for block in BLOCKS:
        left = set(remove.normalize_str(block))
        ours = text_probe.kinds(block)[kind]
        assert "".join(np.array(list(block))[ours]) == "".join(code for code in block if code not in left)


def test_words_are_those_of_the_librarys_whitespace(text_probe: TextProbe) -> None:
    split = pre_tokenizers.Whitespace()
    # All of the first two planes; the rest is ideographs, private use and nothing.
    codes = [code for code in CODES if ord(code) < 0x20000] + CODES[0x20000::61]
    kinds = text_probe.kinds("".join(codes))
    pieces = {piece for piece, _ in split.pre_tokenize_str("".join(f"a{code} " for code in codes))}
    others = pieces - {"a"}
    for code, is_word, is_space in zip(codes, kinds["word"], kinds["space"], strict=True):
        assert (f"a{code}" in pieces) == is_word, ascii(code)
        assert (code in others) == (not is_word and not is_space), ascii(code)


@pytest.mark.parametrize("between", ["a", "\u0301", "\u0334", "\u1100", ""])
def test_composition_is_the_librarys(text_probe: TextProbe, between: str) -> None:
    nfc = normalizers.NFC()
    for block in BLOCKS:
        text = between.join(block)
        assert text_probe.nfc(text) == nfc.normalize_str(text)


def test_lower_case_is_the_librarys(text_probe: TextProbe) -> None:
    lower = normalizers.Lowercase()
    for block in BLOCKS:
        assert text_probe.lower(block) == lower.normalize_str(block)


def test_white_space_and_case_folding_are_pythons(text_probe: TextProbe) -> None:
    made_with = re.search(r'kPythonUnicode\[\] = "([\d.]+)"', TABLES.read_text())
    assert made_with is not None
    # A newer Python knows more letters; those that this table knows fold as they always did.
    known: Callable[[str], bool] = (
        (lambda code: True)
        if made_with[1] == unicodedata.unidata_version
        else (lambda code: ord(code) < 0x1C80)
    )
    codes = "".join(filter(known, CODES))
    assert text_probe.fold(codes) == codes.casefold()
    np.testing.assert_array_equal(text_probe.kinds(codes)["python space"], [code.isspace() for code in codes])
