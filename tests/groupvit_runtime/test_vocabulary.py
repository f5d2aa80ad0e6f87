"""Prompts, template averages, and vocabularies as files."""

from __future__ import annotations

import copy
import pickle
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
import regex
import torch
from damaged_vocabularies import BAD_LABELS, BAD_TEMPLATES, DAMAGED, GOOD_LABELS, vocabulary
from safetensors import safe_open

from groupvit_runtime.errors import LabelError
from groupvit_runtime.label_key import IGNORABLE
from groupvit_runtime.prompts import TEMPLATES, check_labels, resolve_templates
from groupvit_runtime.vocabulary import Vocabulary, average_templates


def test_templates_are_averaged_before_they_are_normalized() -> None:
    embeddings = torch.randn(6, 5)
    expected = torch.nn.functional.normalize(embeddings.reshape(3, 2, 5).mean(dim=1), dim=-1)
    np.testing.assert_allclose(average_templates(embeddings.numpy(), 3), expected, atol=1e-6)


def test_a_file_keeps_everything(tmp_path: Path) -> None:
    made = vocabulary(("猫", "a dog, or two"))
    made.save(tmp_path / "words.safetensors")
    read = Vocabulary.load(tmp_path / "words.safetensors")
    assert (read.names, read.templates, read.fingerprint) == (made.names, made.templates, made.fingerprint)
    np.testing.assert_array_equal(read.embeddings, made.embeddings)


def test_equal_vocabularies_are_equal_files(tmp_path: Path) -> None:
    """The library hashes metadata with a seed of its own every time."""
    files = [tmp_path / f"{number}.safetensors" for number in range(8)]
    for file in files:
        vocabulary(("猫", "a dog, or two")).save(file)
    assert len({file.read_bytes() for file in files}) == 1
    with safe_open(files[0], framework="numpy") as opened:
        assert list(opened.metadata()) and files[0].stat().st_size % 4 == 0


def test_saving_leaves_nothing_beside_the_file(tmp_path: Path) -> None:
    vocabulary().save(tmp_path / "words.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["words.safetensors"]


@pytest.mark.parametrize(
    "again", [lambda v: v, copy.copy, copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))]
)
def test_embeddings_cannot_be_changed(again: Callable[[Vocabulary], Vocabulary]) -> None:
    made = again(vocabulary())
    with pytest.raises(ValueError, match="read-only"):
        made.embeddings[0] = 0
    assert made == vocabulary() and hash(made) == hash(vocabulary())


def test_the_array_that_was_given_stays_the_callers() -> None:
    given = vocabulary().embeddings.copy()
    made = Vocabulary(("cat", "dog"), given, ("a {}",), "f" * 64)
    given[0] = 0
    assert made == vocabulary()


def test_vocabularies_that_differ_are_not_equal() -> None:
    made = vocabulary()
    changed = (
        vocabulary(("cat", "cow")),
        Vocabulary(made.names, made.embeddings[::-1], made.templates, made.fingerprint),
        Vocabulary(made.names, made.embeddings, ("b {}",), made.fingerprint),
        Vocabulary(made.names, made.embeddings, made.templates, "0"),
    )
    assert all(made != other for other in (*changed, "cat"))


@pytest.mark.parametrize(("data", "message"), DAMAGED.values(), ids=DAMAGED)
def test_files_that_are_no_vocabularies_are_refused(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "words.safetensors"
    path.write_bytes(data)
    with pytest.raises(LabelError, match=message):
        Vocabulary.load(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match="cannot be read"):
        Vocabulary.load(tmp_path / "words.safetensors")


@pytest.mark.parametrize(("labels", "message"), [*BAD_LABELS, ("a cat", "not one string")])
def test_labels_that_cannot_name_classes_are_refused(labels: list[str], message: str) -> None:
    with pytest.raises(LabelError, match=message):
        check_labels(labels)


@pytest.mark.parametrize(("labels", "names"), GOOD_LABELS)
def test_labels_that_can(labels: list[str], names: tuple[str, ...]) -> None:
    assert check_labels(labels) == names


def test_what_shows_nothing_is_what_unicode_says() -> None:
    shown_nothing = {code for first, last in IGNORABLE for code in range(first, last + 1)}
    pattern = regex.compile(r"\p{Default_Ignorable_Code_Point}")
    assert shown_nothing == {code for code in range(sys.maxunicode + 1) if pattern.match(chr(code))}


@pytest.mark.parametrize(
    ("labels", "fix"),
    [
        ({"sky", "tree"}, "sorted("),
        (frozenset({"sky"}), "sorted("),
        ({"sky": 1, "tree": 2}, "list("),
        ("sky,tree", '["sky", "tree"]'),
        (5, "["),
        (np.array("sky"), "["),
        (np.array([["sky"], ["tree"]]), ".tolist()"),
        ([b"sky"], "flat list"),
        (["sky", None], "flat list"),
        ([["sky", "tree"]], "flat list"),
    ],
)
def test_what_is_no_list_of_names_is_refused(labels: object, fix: str) -> None:
    with pytest.raises(LabelError) as caught:
        check_labels(labels)
    assert fix in caught.value.fix


@pytest.mark.parametrize("labels", [np.array(["sky", "tree"]), {"sky": 1, "tree": 2}.keys(), ("sky", "tree")])
def test_any_ordered_collection_of_names_will_do(labels: Iterable[str]) -> None:
    names = check_labels(labels)
    assert names == ("sky", "tree") == check_labels(name for name in labels)
    assert {type(name) for name in names} == {str}
    with pytest.raises(LabelError, match="empty"):
        check_labels(iter(()))


def test_messages_of_long_labels_are_short() -> None:
    for labels in (["x" * 3000] * 2, "x," * 1500, ["x" * 3000 + "\0"], [["x" * 3000]], {"x" * 3000}):
        with pytest.raises(LabelError) as caught:
            check_labels(labels)
        assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("templates", [*BAD_TEMPLATES, [], ["ok {}", "bad"]])
def test_templates_without_exactly_one_place_are_refused(templates: str | list[str]) -> None:
    with pytest.raises(LabelError, match="template"):
        resolve_templates(templates)


def test_templates_can_be_a_set_one_or_several() -> None:
    assert resolve_templates("simple") == TEMPLATES["simple"] == ("a photo of a {}.",)
    assert resolve_templates("my {}") == ("my {}",)
    assert resolve_templates(["a {}", "b {}"]) == ("a {}", "b {}")
