"""Words as NVlabs' tokenizer reads them, where a bundle says so."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nvlabs_words import MOJIBAKE, TEXTS, NvlabsTokenizer
from tokenizers import Tokenizer as RawTokenizer

from groupvit_export.checkpoint.tokenizer import from_clip_table
from groupvit_runtime import LabelError, Segmenter
from groupvit_runtime.manifest import MANIFEST_NAME
from groupvit_runtime.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def theirs(clip_merges: Path) -> NvlabsTokenizer:
    return NvlabsTokenizer(clip_merges)


@pytest.fixture(scope="module")
def clip_file(clip_merges: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "tokenizer.json"
    from_clip_table(clip_merges).save(str(path))
    return path


@pytest.fixture(scope="module")
def ours(clip_file: Path) -> Tokenizer:
    return Tokenizer(clip_file, max_length=300, pad_id=49407, nvlabs_cleaning=True)


@pytest.mark.parametrize("text", [*TEXTS, *MOJIBAKE])
def test_ids_are_those_of_nvlabs(ours: Tokenizer, theirs: NvlabsTokenizer, text: str) -> None:
    ids = ours.encode([text])[0].tolist()
    assert ids == theirs.encode(text)
    equal = {**TEXTS, **MOJIBAKE}[text]
    if equal is not None:
        assert ids == ours.encode([equal])[0].tolist()


# Beyond Latin, Unicode's versions differ between Python, ftfy's `unicodedata` and the tokenizers library.
@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.text("ab'’“&;#x<ﬁéÃ©Σ\u0301 ＣAt1", max_size=6), st.sampled_from(["&amp;", "&EACUTE;", "'ll"])
        )
    ).map("".join)
)
def test_any_text_has_the_ids_of_nvlabs(ours: Tokenizer, theirs: NvlabsTokenizer, text: str) -> None:
    assert ours.encode([text])[0].tolist() == theirs.encode(text)


@pytest.mark.parametrize("text", TEXTS)
def test_without_it_ids_are_those_of_the_file(clip_file: Path, text: str) -> None:
    plain = Tokenizer(clip_file, max_length=300, pad_id=49407)
    assert plain.encode([text])[0].tolist() == RawTokenizer.from_file(str(clip_file)).encode(text).ids


@pytest.mark.parametrize(
    ("text", "token"),
    [
        ("red <|endoftext|> house", "<|endoftext|>"),
        ("red &lt;|ENDOFTEXT|&gt; house", "<|endoftext|>"),
        ("<|startoftext|>", "<|startoftext|>"),
        ("red endoftext | house", None),
    ],
)
def test_tokens_that_are_no_words_are_found(ours: Tokenizer, text: str, token: str | None) -> None:
    assert ours.special_token_in(text) == token


def test_a_character_of_5000_digits_is_refused(ours: Tokenizer) -> None:
    with pytest.raises(LabelError, match="entity") as caught:
        ours.encode([f"&#{'1' * 5000}"])
    assert len(str(caught.value)) < 1000


@pytest.fixture(scope="module")
def cleaning_bundle(demo_bundles: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo, as if its words were NVlabs'."""
    folder = tmp_path_factory.mktemp("cleaning") / "bundle"
    shutil.copytree(demo_bundles["onnx"], folder)
    value = json.loads((folder / MANIFEST_NAME).read_text())
    (folder / MANIFEST_NAME).write_text(json.dumps({**value, "requires": ["nvlabs_text_cleaning"]}))
    return folder


def test_a_bundle_says_that_words_are_cleaned(
    cleaning_bundle: Path, demo_bundles: Mapping[str, Path]
) -> None:
    plain = Segmenter.load(demo_bundles["onnx"])
    with pytest.raises(LabelError, match="does not know"):
        plain.vocabulary(["red&#x20;house", "water"])
    cleaning = Segmenter.load(cleaning_bundle)
    np.testing.assert_array_equal(
        cleaning.vocabulary(["red&#x20;ＨＯＵＳＥ", "water"]).embeddings,
        plain.vocabulary(["red house", "water"]).embeddings,
    )


def test_names_that_become_the_same_are_refused(cleaning_bundle: Path) -> None:
    with pytest.raises(LabelError, match="two labels are the same to the tokenizer"):
        Segmenter.load(cleaning_bundle).vocabulary(["red house", "water", "red&nbsp;house"])
