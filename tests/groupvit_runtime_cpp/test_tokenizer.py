"""Sentences to ids in C++: what the tokenizers library makes of them, and nothing ignored in silence."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from golden_tokens import BLOCK, COUNT, GOLDEN, block_hashes
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sentences import sentences
from text_probe import TextProbe
from tokenizers import Tokenizer, trainers
from tokenizers.pre_tokenizers import ByteLevel
from transformers import CLIPTokenizer

from groupvit_export.checkpoint.tokenizer import clip_tokenizer, from_clip_table
from groupvit_export.data.bundled import DEMO_CHECKPOINT
from groupvit_runtime.errors import BundleError, LabelError

Edit = Callable[[dict[str, Any]], object]
SPLIT = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
CHARACTERS = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
TEXTS = st.one_of(
    st.text(CHARACTERS, max_size=20),
    st.text("ab İΣßé\u0301\u0323\u0308'sdl<|>endoftxt 가각12٣\t\u3000", max_size=20),
    st.lists(st.sampled_from(["<|endoftext|>", "<|startoftext|>", "'ll", "'", "A", " ", "1", "!"])).map(
        "".join
    ),
)


class Pair:
    """The same tokenizer.json in the library and here."""

    def __init__(self, probe: TextProbe, path: Path) -> None:
        self.library = Tokenizer.from_file(str(path))
        self.library.no_truncation()
        self.ours = probe.tokenizer(path)

    def check(self, text: str) -> None:
        try:
            expected = self.library.encode(text).ids
        except Exception:  # noqa: BLE001 - the library raises nothing narrower
            with pytest.raises(LabelError):
                self.ours.encode(text)
        else:
            assert self.ours.encode(text) == expected, ascii(text)

    def check_all(self, texts: list[str]) -> None:
        expected = [encoding.ids for encoding in self.library.encode_batch(texts)]
        for text, ids, wanted in zip(texts, self.ours.encode_all(texts), expected, strict=True):
            assert ids == wanted, ascii(text)


def saved(tokenizer: Any, path: Path, edit: Edit | None = None) -> Path:
    value = json.loads(tokenizer.to_str())
    if edit is not None:
        edit(value)
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def clip(text_probe: TextProbe, clip_merges: Path, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return Pair(
        text_probe, saved(from_clip_table(clip_merges), tmp_path_factory.mktemp("clip") / "tokenizer.json")
    )


@pytest.fixture(scope="module")
def small_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CLIP's tokenizer with merges trained here."""
    tokens = ["<|startoftext|>", "<|endoftext|>"]
    made = clip_tokenizer({token: index for index, token in enumerate(tokens)}, [])
    alphabet = sorted(ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=2000, special_tokens=tokens, initial_alphabet=alphabet, end_of_word_suffix="</w>"
    )
    made.train_from_iterator(sentences(3000, seed=1), trainer)
    model = json.loads(made.to_str())["model"]
    vocab = dict(model["vocab"])
    # Training adds no letter at a word's end that it did not see.
    for letter in alphabet:
        vocab.setdefault(letter + "</w>", len(vocab))
    whole = clip_tokenizer(vocab, [tuple(merge) for merge in model["merges"]])
    return saved(whole, tmp_path_factory.mktemp("small") / "tokenizer.json")


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


@settings(max_examples=300)
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


@settings(max_examples=300)
@given(TEXTS)
def test_a_small_bpe_equals_the_library(small: Pair, text: str) -> None:
    small.check(text)


def test_a_small_bpe_equals_the_library_on_many(small: Pair) -> None:
    small.check_all(list(sentences(3000, seed=2)))


@settings(max_examples=200)
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


def _added(index: int, **values: Any) -> Edit:
    return lambda value: value["added_tokens"][index].update(values)


def _model(**values: Any) -> Edit:
    return lambda value: value["model"].update(values)


def _step(index: int, **values: Any) -> Edit:
    return lambda value: value["pre_tokenizer"]["pretokenizers"][index].update(values)


def _normalizers(change: Callable[[list[Any]], object]) -> Edit:
    return lambda value: change(value["normalizer"]["normalizers"])


def _template(change: Callable[[list[Any]], object]) -> Edit:
    return lambda value: change(value["post_processor"]["single"])


def _published(value: dict[str, Any]) -> None:
    """As the hub's older files have it."""
    value["added_tokens"][0]["normalized"] = True
    value["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = SPLIT
    value["model"]["merges"] = [" ".join(merge) for merge in value["model"]["merges"]]
    for field in ("byte_fallback", "ignore_merges"):
        del value["model"][field]
    del value["pre_tokenizer"]["pretokenizers"][1]["use_regex"]


def _cut_and_filled_up(value: dict[str, Any]) -> None:
    value["truncation"] = {"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0}
    value["padding"] = {
        "strategy": {"Fixed": 9}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0,
        "pad_type_id": 0, "pad_token": "!",
    }  # fmt: skip


def _more_tokens(value: dict[str, Any]) -> None:
    for content, normalized in (("Cat", False), ("CATS", True), ("cat's", True), ("of a", True)):
        identifier = len(value["model"]["vocab"]) + len(value["added_tokens"]) - 2
        token = {**value["added_tokens"][0], "content": content, "normalized": normalized, "id": identifier}
        value["added_tokens"].append(token)


def _without_letters(value: dict[str, Any]) -> None:
    for letter in ("~", "ÿ", "ÿ</w>"):
        del value["model"]["vocab"][letter]
    value["model"]["merges"] = [
        merge for merge in value["model"]["merges"] if not {"~", "ÿ"} & set("".join(merge))
    ]


READ: dict[str, Edit] = {
    "as the hub has it": _published,
    "cut and filled up": _cut_and_filled_up,
    "no decoder": lambda value: value.update(decoder=None),
    "no post-processor": lambda value: value.update(post_processor=None),
    "no normalizer": lambda value: value.update(normalizer=None),
    "lower case only": lambda value: value.update(normalizer={"type": "Lowercase"}),
    "steps within steps": _normalizers(lambda steps: steps.append({"type": "Sequence", "normalizers": []})),
    "normalized in another order": _normalizers(lambda steps: steps.reverse()),
    "split once": _step(1, use_regex=False),
    "a normalized token": _added(1, normalized=True),
    "a token that is not special": _added(1, special=False),
    "more tokens": _more_tokens,
    "no unknown token": _model(unk_token=None),
    "no prefix": _model(continuing_subword_prefix=None),
    "no suffix": _model(end_of_word_suffix=None),
    "another suffix": _model(end_of_word_suffix="é"),
    "letters missing": _without_letters,
    "letters missing, and no unknown token": lambda value: (
        _without_letters(value),
        _model(unk_token=None)(value),
    ),
    "a merge twice": lambda value: value["model"]["merges"].append(value["model"]["merges"][0]),
    "dropout of nothing": _model(dropout=0.0),
}


@pytest.mark.parametrize("edit", READ.values(), ids=READ)
def test_variants_equal_the_library(
    text_probe: TextProbe, small_file: Path, tmp_path: Path, edit: Edit
) -> None:
    path = saved(Tokenizer.from_file(str(small_file)), tmp_path / "tokenizer.json", edit)
    pair = Pair(text_probe, path)
    pair.library.no_padding()
    pair.check_all(["a cat's cats CATS Cat ~ ÿ cat~ <|endoftext|> <|ENDOFTEXT|>", *sentences(300, seed=4)])


STRIP = {"type": "Strip", "strip_left": True, "strip_right": True}
BYTES = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
SENTENCE = {"Sequence": {"id": "A", "type_id": 0}}
REFUSED: dict[str, Edit] = {
    "another version": lambda value: value.update(version="2.0"),
    "a field too many": lambda value: value.update(surprise=1),
    "a field too few": lambda value: value.pop("pre_tokenizer"),
    "no added tokens": lambda value: value.pop("added_tokens"),
    "a token of whole words": _added(0, single_word=True),
    "a token that takes spaces": _added(0, lstrip=True),
    "a token that takes spaces behind": _added(0, rstrip=True),
    "a token of another id": _added(0, id=7),
    "an id that is no number": _added(0, id="7"),
    "an id below zero": lambda value: value["model"]["vocab"].update({"<|endoftext|>": -1}),
    "an id of 33 bits": lambda value: value["model"]["vocab"].update({"!": 2**32}),
    "a token of nothing": _added(0, content=""),
    "a token twice": lambda value: value["added_tokens"].append(value["added_tokens"][0]),
    "another normalizer": lambda value: value.update(normalizer={"type": "NFKC"}),
    "a normalizer that strips": _normalizers(lambda steps: steps.append(STRIP)),
    "another pattern to replace": _normalizers(lambda steps: steps[1]["pattern"].update(Regex=r"\s")),
    "a string to replace": _normalizers(lambda steps: steps[1].update(pattern={"String": "x"})),
    "another replacement": _normalizers(lambda steps: steps[1].update(content="_")),
    "another pre-tokenizer": lambda value: value.update(pre_tokenizer={"type": "WhitespaceSplit"}),
    "no pre-tokenizer": lambda value: value.update(pre_tokenizer=None),
    "words for byte-pair encoding": lambda value: value.update(pre_tokenizer={"type": "Whitespace"}),
    "another pattern to split": _step(0, pattern={"Regex": SPLIT.replace("|'d", "")}),
    "another behavior": _step(0, behavior="Isolated"),
    "not inverted": _step(0, invert=False),
    "a space in front": _step(1, add_prefix_space=True),
    "a step too many": lambda value: value["pre_tokenizer"]["pretokenizers"].append({"type": "Whitespace"}),
    "another post-processor": lambda value: value.update(post_processor=BYTES),
    "a template without the sentence": _template(lambda pieces: pieces.pop(1)),
    "a template with it twice": _template(lambda pieces: pieces.append(SENTENCE)),
    "a template of another sentence": _template(lambda pieces: pieces[1]["Sequence"].update(id="B")),
    "a template of an unknown token": lambda value: value["post_processor"]["special_tokens"].clear(),
    "another model": _model(type="Unigram"),
    "dropout": _model(dropout=0.5),
    "a prefix": _model(continuing_subword_prefix="##"),
    "fused unknown tokens": _model(fuse_unk=True),
    "bytes for unknown letters": _model(byte_fallback=True),
    "words before merges": _model(ignore_merges=True),
    "an unknown token that is unknown": lambda value: (
        _without_letters(value),
        _model(unk_token="<unk>")(value),
    ),
    "an unknown field of the model": _model(surprise=1),
    "a merge of unknown tokens": lambda value: value["model"]["merges"].append(["q!", "q!"]),
    "a merge of three": lambda value: value["model"]["merges"].append(["a", "b", "c"]),
    "a merge that is a word": lambda value: value["model"]["merges"].append("ab"),
    "merges that are text": _model(merges="a b"),
    "a vocabulary that is a list": _model(vocab=[]),
}


@pytest.mark.parametrize("edit", REFUSED.values(), ids=REFUSED)
def test_what_is_not_implemented_is_refused(
    text_probe: TextProbe, small_file: Path, tmp_path: Path, edit: Edit
) -> None:
    path = saved(Tokenizer.from_file(str(small_file)), tmp_path / "tokenizer.json", edit)
    with pytest.raises(BundleError, match="tokenizer cannot be read"):
        text_probe.tokenizer(path)


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[]", b"not json", b"\xff", b"[" * 100_000, b'{"version": "1.0"}']
)
def test_a_file_that_is_no_tokenizer_is_refused(text_probe: TextProbe, tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_bytes(data)
    with pytest.raises(BundleError, match="tokenizer cannot be read"):
        text_probe.tokenizer(path)
    with pytest.raises(BundleError, match="tokenizer cannot be read"):
        text_probe.tokenizer(tmp_path)


MISTAKES = [None, True, False, 0, 1, 2.5, "", "a", "<eos>", "NFC", [], {}, [0], {"type": "NFC"}]
# Without meaning for one sentence; the library checks their types all the same.
IGNORED = {"truncation", "padding", "decoder", "pair", "type_id", "id", "tokens"}


@settings(max_examples=200)
@given(st.data())
def test_a_damaged_file_that_is_accepted_means_the_same_to_the_library(
    text_probe: TextProbe, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    value = json.loads((DEMO_CHECKPOINT / "tokenizer.json").read_text())
    value["truncation"] = None
    place: list[Any] = []
    parent: Any = value
    while not place or (
        isinstance(parent[place[-1]], (dict, list)) and parent[place[-1]] and data.draw(st.booleans())
    ):
        parent = parent[place[-1]] if place else value
        place.append(
            data.draw(st.sampled_from(sorted(parent) if isinstance(parent, dict) else range(len(parent))))
        )
    if data.draw(st.booleans()):
        del parent[place[-1]]
    else:
        parent[place[-1]] = copy.deepcopy(data.draw(st.sampled_from(MISTAKES)))
    path = tmp_path_factory.getbasetemp() / "damaged.json"
    path.write_text(json.dumps(value))
    try:
        text_probe.tokenizer(path)
    except BundleError:
        return
    if IGNORED & set(place):
        return
    pair = Pair(text_probe, path)
    pair.library.no_padding()
    for text in ("a photo of a red car.", "A  PHOTO", "<eos> <bos>", ""):
        pair.check(text)
