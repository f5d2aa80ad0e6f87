"""NVlabs' cleaning of text in C++: what ftfy makes of it, or a refusal."""

from __future__ import annotations

import html.entities
from pathlib import Path

import ftfy
import pytest
from ftfy.badness import is_bad
from hypothesis import given, settings
from hypothesis import strategies as st
from nvlabs_words import MOJIBAKE, TEXTS, NvlabsTokenizer
from text_probe import ProbedTokenizer, TextProbe
from tokenizer_pair import saved

from groupvit_export.checkpoint.tokenizer import from_clip_table
from groupvit_runtime.errors import LabelError
from groupvit_runtime.text_cleaning import clean_as_nvlabs

LETTERS = (
    "abXYZ <>&;#x19'\"’“”„‚ÀÉéÂÃâ€™œ\u00a0ﬁﬅŉＣＡＴｶﾞ\u3000\u0301\u0323Σσςß\u0130\u200b\u00adЇД½²\t\r\n\u2028"
    "\u0085\ufeff\x1b[0m가ᄀ\u1161Å\u212b\u00b7º×°ВГ"
)
NAMES = sorted(html.entities.html5)
PIECES = st.one_of(
    st.text(LETTERS, max_size=4),
    st.sampled_from([f"&{name}" for name in NAMES]),
    st.sampled_from([f"&{name.upper()}" for name in NAMES]),
    st.builds(
        "&#{}{}{}".format,
        st.sampled_from(["", "x", "X"]),
        st.integers(0, 0x120000),
        st.sampled_from([";", "", "g;"]),
    ),
)


@pytest.fixture(scope="module")
def clip(
    text_probe: TextProbe, clip_merges: Path, tmp_path_factory: pytest.TempPathFactory
) -> ProbedTokenizer:
    path = saved(from_clip_table(clip_merges), tmp_path_factory.mktemp("clip") / "tokenizer.json")
    return text_probe.tokenizer(path, nvlabs_cleaning=True)


@pytest.mark.parametrize("text", TEXTS)
def test_ids_are_those_of_nvlabs(clip: ProbedTokenizer, clip_merges: Path, text: str) -> None:
    assert clip.encode(text) == NvlabsTokenizer(clip_merges).encode(text)


@pytest.mark.parametrize("text", MOJIBAKE)
def test_what_ftfy_would_decode_anew_is_refused(clip: ProbedTokenizer, text: str) -> None:
    with pytest.raises(LabelError, match="wrong encoding"):
        clip.encode(text)


@pytest.mark.slow
@settings(max_examples=2000)
@given(st.lists(PIECES, max_size=6).map("".join))
def test_any_text_is_cleaned_as_in_python_or_refused(text_probe: TextProbe, text: str) -> None:
    try:
        cleaned = text_probe.clean_as_nvlabs(text)
    except LabelError:
        assert not text.isascii() or "&" in text
    else:
        assert cleaned == clean_as_nvlabs(text), ascii(text)


@settings(max_examples=250)
@given(st.text(LETTERS.replace("&", "").replace("\n", ""), max_size=8))
def test_nothing_else_is_refused(text_probe: TextProbe, text: str) -> None:
    # What else ftfy does may bring suspects together, which it looks for anew.
    if not is_bad(text) and not is_bad(ftfy.fix_text(text, fix_encoding=False)):
        text_probe.clean_as_nvlabs(text)
    elif is_bad(text) and not text.isascii():
        with pytest.raises(LabelError, match="wrong encoding"):
            text_probe.clean_as_nvlabs(text)


@pytest.mark.parametrize(
    ("text", "token"),
    [
        ("red <|endoftext|> house", "<|endoftext|>"),
        ("red &lt;|ENDOFTEXT|&gt; house", "<|endoftext|>"),
        ("<|startoftext|>", "<|startoftext|>"),
        ("red endoftext | house", None),
    ],
)
def test_tokens_that_are_no_words_are_found(clip: ProbedTokenizer, text: str, token: str | None) -> None:
    assert clip.special_token_in(text) == token
