"""Which tokenizer files the C++ runtime reads, and which it refuses."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bad_bundles import edit_manifest
from cpp_runtime import CppError, CppSegmenter, Library
from hypothesis import given, settings
from hypothesis import strategies as st
from sentences import sentences
from text_probe import TextProbe
from tokenizer_pair import Edit, Pair, saved
from tokenizers import Tokenizer

from groupvit_export.data.bundled import DEMO_CHECKPOINT
from groupvit_runtime.errors import BundleError
from groupvit_runtime.manifest import FileInfo
from groupvit_runtime.serialize import to_json

SPLIT = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


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


def _all(*edits: Edit) -> Edit:
    def edit(value: dict[str, Any]) -> None:
        for each in edits:
            each(value)

    return edit


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
    "letters missing, and no unknown token": _all(_without_letters, _model(unk_token=None)),
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
    "an unknown token that is unknown": _all(_without_letters, _model(unk_token="<unk>")),
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
    with pytest.raises(BundleError, match="tokenizer cannot be read") as caught:
        text_probe.tokenizer(path)
    # To export again would give the same file.
    assert "fix: where Python is: groupvit vocab BUNDLE" in str(caught.value)


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[]", b"not json", b"\xff", b"[" * 100_000, b'{"version": "1.0"}']
)
def test_a_file_that_is_no_tokenizer_is_refused(text_probe: TextProbe, tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_bytes(data)
    with pytest.raises(BundleError, match="tokenizer cannot be read"):
        text_probe.tokenizer(path)


def test_a_tokenizer_that_is_refused_is_gone_around_as_the_message_says(
    cpp_library: Library, demo_bundles: Mapping[str, Path], tmp_path: Path
) -> None:
    from groupvit_export.cli import main

    bundle = Path(shutil.copytree(demo_bundles["openvino"], tmp_path / "bundle"))
    tokenizer = bundle / "tokenizer.json"
    value = json.loads(tokenizer.read_text())
    value["normalizer"] = {"type": "NFKC"}
    tokenizer.write_text(json.dumps(value))
    described = to_json(FileInfo.of(bundle, "tokenizer.json"))
    edit_manifest(bundle, lambda manifest: manifest.update(tokenizer=described))
    pixels = np.zeros((32, 48, 3), np.uint8)
    segmenter = CppSegmenter(cpp_library, bundle)
    with pytest.raises(CppError, match=r"NFKC(.|\n)*--add NAME; then open the vocabulary NAME"):
        segmenter.encode(["sky"])
    assert main(["vocab", str(bundle), "--labels", "sky,tree", "--add", "NAME"]) == 0
    again = CppSegmenter(cpp_library, bundle)
    assert again.segment(pixels, again.open("NAME")).names == ("sky", "tree")


MISTAKES = [None, True, False, 0, 1, 2.5, "", "a", "<eos>", "NFC", [], {}, [0], {"type": "NFC"}]
# Without meaning for one sentence; the library checks their types all the same.
IGNORED = {"truncation", "padding", "decoder", "pair", "type_id", "id", "tokens"}


@settings(max_examples=80)
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
