"""Sentences to ids: equal to transformers' CLIP tokenizer, and nothing cut off in silence."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import CLIPTokenizer

from groupvit_export.checkpoint.tokenizer import find_tokenizer, from_clip_table
from groupvit_runtime.errors import BundleError, LabelError
from groupvit_runtime.tokenizer import Tokenizer

SENTENCES = [
    "a photo of a cat.",
    "  Two   spaces\tand\nlines ",
    "I'm they're it's we've I'll he'd",
    "naïve café Ångström ＦＵＬＬ",
    "猫と犬 고양이 кошка",
    "emoji 😀👨‍👩‍👧 and 🇩🇪",
    "1234567890 3.14 -- !!! ???",
    "<|endoftext|> inside",
    "",
]


@pytest.fixture(scope="module")
def clip_file(clip_merges: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "tokenizer.json"
    from_clip_table(clip_merges).save(str(path))
    return path


@pytest.fixture(scope="module")
def ours(clip_file: Path) -> Tokenizer:
    return Tokenizer(clip_file, max_length=77, pad_id=49407)


@pytest.fixture(scope="module")
def theirs(clip_file: Path) -> CLIPTokenizer:
    model = json.loads(clip_file.read_text())["model"]
    merges = [tuple(merge) if isinstance(merge, list) else tuple(merge.split()) for merge in model["merges"]]
    return CLIPTokenizer(vocab=model["vocab"], merges=merges)


@pytest.mark.parametrize("sentence", SENTENCES)
def test_it_equals_transformers(ours: Tokenizer, theirs: CLIPTokenizer, sentence: str) -> None:
    assert ours.encode([sentence])[0].tolist() == theirs(sentence)["input_ids"]


@settings(max_examples=80, deadline=None)
@given(sentence=st.text(max_size=20))
def test_it_equals_transformers_on_any_text(ours: Tokenizer, theirs: CLIPTokenizer, sentence: str) -> None:
    expected = theirs(sentence)["input_ids"]
    if len(expected) <= 77:
        assert ours.encode([sentence])[0].tolist() == expected


def test_the_published_size(ours: Tokenizer) -> None:
    assert ours.vocab_size == 49408
    assert ours.encode(["a photo of a cat."])[0].tolist() == [49406, 320, 1125, 539, 320, 2368, 269, 49407]


def test_shorter_sentences_are_filled_up(ours: Tokenizer) -> None:
    ids = ours.encode(["cat", "a photo of a cat"])
    assert ids.dtype == np.int64
    assert ids.shape == (2, 7)
    assert ids[0].tolist() == [49406, 2368, *[49407] * 5]


def test_a_folder_with_vocab_and_merges_is_the_same_tokenizer(
    clip_file: Path, ours: Tokenizer, tmp_path: Path
) -> None:
    model = json.loads(clip_file.read_text())["model"]
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    (tmp_path / "vocab.json").write_text(json.dumps(model["vocab"]))
    (tmp_path / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    for again in (
        find_tokenizer(tmp_path),
        find_tokenizer(_with_mark(clip_file, tmp_path / "tokenizer.json")),
    ):
        for sentence in SENTENCES:
            assert again.encode(sentence).ids == ours.encode([sentence])[0].tolist()
    for name in ("tokenizer.json", "vocab.json", "merges.txt"):
        _with_mark(tmp_path / name, tmp_path / name)
    assert find_tokenizer(tmp_path).encode("a cat").ids == ours.encode(["a cat"])[0].tolist()
    (tmp_path / "tokenizer.json").unlink()
    assert find_tokenizer(tmp_path).encode("a cat").ids == ours.encode(["a cat"])[0].tolist()


def _with_mark(source: Path, path: Path) -> Path:
    """The same text after a byte order mark."""
    path.write_text(source.read_text(encoding="utf-8-sig"), encoding="utf-8-sig")
    return path


def test_500_words_are_an_error_not_a_cut(ours: Tokenizer) -> None:
    with pytest.raises(LabelError, match="too long(.|\n)*502 tokens(.|\n)*at most 77"):
        ours.encode(["cat " * 500])


def test_an_unknown_word_of_a_word_level_tokenizer_is_named(demo_bundle: Path) -> None:
    tokenizer = Tokenizer(demo_bundle / "tokenizer.json", max_length=32, pad_id=29)
    with pytest.raises(LabelError, match="a photo of a dog(.|\n)*house"):
        tokenizer.encode(["a photo of a dog"])


@pytest.mark.parametrize("text", ["", "{}", "not json"])
def test_a_file_that_is_no_tokenizer_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "tokenizer.json").write_text(text)
    with pytest.raises(BundleError, match="tokenizer"):
        Tokenizer(tmp_path / "tokenizer.json", max_length=20, pad_id=0)
