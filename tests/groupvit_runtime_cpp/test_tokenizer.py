"""Sentences to ids in C++: what the tokenizers library makes of them, and nothing ignored in silence."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from golden_tokens import BLOCK, COUNT, GOLDEN, block_hashes
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sentences import sentences
from text_probe import TextProbe
from tokenizer_pair import Pair, saved
from transformers import CLIPTokenizer

from groupvit_export.checkpoint.tokenizer import from_clip_table
from groupvit_export.data.bundled import DEMO_CHECKPOINT
from groupvit_runtime.errors import LabelError

CHARACTERS = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
TEXTS = st.one_of(
    st.text(CHARACTERS, max_size=20),
    st.text("ab İΣßé\u0301\u0323\u0308'sdl<|>endoftxt 가각12٣\t\u3000", max_size=20),
    st.lists(st.sampled_from(["<|endoftext|>", "<|startoftext|>", "'ll", "'", "A", " ", "1", "!"])).map(
        "".join
    ),
)


@pytest.fixture(scope="module")
def clip(text_probe: TextProbe, clip_merges: Path, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return Pair(
        text_probe, saved(from_clip_table(clip_merges), tmp_path_factory.mktemp("clip") / "tokenizer.json")
    )


@pytest.fixture(scope="module")
def small(text_probe: TextProbe, small_file: Path) -> Pair:
    return Pair(text_probe, small_file)


@pytest.fixture(scope="module")
def demo(text_probe: TextProbe) -> Pair:
    return Pair(text_probe, DEMO_CHECKPOINT / "tokenizer.json")


def test_the_generator_of_sentences_is_the_one_of_the_golden_file() -> None:
    texts = "\0".join(sentences(COUNT)).encode()
    assert json.loads(GOLDEN.read_text())["sentences"] == hashlib.sha256(texts).hexdigest()


def test_ten_thousand_sentences_are_those_of_the_golden_file(clip: Pair) -> None:
    hashes = block_hashes(clip.ours.encode_all(list(sentences(COUNT))))
    golden = json.loads(GOLDEN.read_text())["ids"]
    wrong = [
        block * BLOCK
        for block, (ours, theirs) in enumerate(zip(hashes, golden, strict=True))
        if ours != theirs
    ]
    assert not wrong, f"of {BLOCK} sentences each, the blocks that begin at {wrong} differ"


@settings(max_examples=100)
@given(TEXTS)
@example("")
@example(" ")
@example("I'm they're it's we've I'll he'd 'Twas")
@example("<|endoftext|> inside <|startoftext|><|EndOfText|>")
@example("İstanbul ΟΔΟΣ ΣΑΣ Straße ﬁ Å")
@example("\u1100\u1161\u11a8 \u0344 \u0f73 \u2126")
@example("\U00011935\U00011930 \u0a3c\u0334 \ud7b0")
def test_clip_equals_the_library(clip: Pair, text: str) -> None:
    clip.check(text)


@settings(max_examples=100)
@given(TEXTS)
def test_a_small_bpe_equals_the_library(small: Pair, text: str) -> None:
    small.check(text)


def test_a_small_bpe_equals_the_library_on_many(small: Pair) -> None:
    small.check_all(list(sentences(3000, seed=2)))


@settings(max_examples=80)
@given(
    st.lists(st.sampled_from([*"a.\t \u3000\x1cİ\u0301", "photo", "of", "RED", "Car", "dog", "..."])).map(
        "".join
    )
)
@example("")
@example("a photo of a red car.")
def test_words_equal_the_library(demo: Pair, text: str) -> None:
    demo.check(text)


def test_an_unknown_word_is_named(demo: Pair) -> None:
    with pytest.raises(LabelError, match=r"does not know(.|\n)*a photo of a dog(.|\n)*dog(.|\n)*house"):
        demo.ours.encode("a photo of a dog")


def test_zeros_are_characters(small: Pair) -> None:
    small.check("a\0b \0\0")


@pytest.mark.parametrize(
    "text", [b"\xff", b"caf\xe9", b"\xed\xa0\x80", b"\xc0\xaf", b"a\xf0\x9f\x98", b"\xf4\x90\x80\x80"]
)
def test_text_that_is_not_utf8_is_refused(small: Pair, text: bytes) -> None:
    with pytest.raises(LabelError, match="not text"):
        small.ours.encode(text)


def test_500_words_are_not_cut(small: Pair) -> None:
    assert len(small.ours.encode("a " * 500)) == 502


def test_a_word_of_100000_letters(small: Pair) -> None:
    small.check("photograph" * 10_000)


@pytest.mark.slow
def test_every_code_point(small: Pair) -> None:
    codes = [chr(code) for code in range(1, 0x110000) if not 0xD800 <= code < 0xE000]
    blocks = [codes[start : start + 64] for start in range(0, len(codes), 64)]
    # Apart from each other, and one after the other.
    small.check_all(["a ".join(block) for block in blocks] + ["".join(block) for block in blocks])


def test_the_file_of_transformers_is_read(text_probe: TextProbe, small_file: Path, tmp_path: Path) -> None:
    model = json.loads(small_file.read_text())["model"]
    theirs = CLIPTokenizer(vocab=model["vocab"], merges=[tuple(merge) for merge in model["merges"]])
    theirs.save_pretrained(tmp_path)
    assert (
        json.loads((tmp_path / "tokenizer.json").read_text())["post_processor"]["type"] == "RobertaProcessing"
    )
    Pair(text_probe, tmp_path / "tokenizer.json").check_all(list(sentences(500, seed=3)))
