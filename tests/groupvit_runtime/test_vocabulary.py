"""Prompts, template averages, and vocabularies as files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from groupvit_runtime.errors import LabelError
from groupvit_runtime.prompts import TEMPLATES, check_labels, resolve_templates
from groupvit_runtime.vocabulary import Vocabulary, average_templates


def vocabulary(names: tuple[str, ...] = ("cat", "dog")) -> Vocabulary:
    random = np.random.default_rng(0).normal(size=(len(names), 8))
    embeddings = (random / np.linalg.norm(random, axis=1, keepdims=True)).astype(np.float32)
    return Vocabulary(names, embeddings, ("a {}",), "f" * 64)


def test_templates_are_averaged_before_they_are_normalised() -> None:
    embeddings = torch.randn(6, 5)
    expected = torch.nn.functional.normalize(embeddings.reshape(3, 2, 5).mean(dim=1), dim=-1)
    np.testing.assert_allclose(average_templates(embeddings.numpy(), 3), expected, atol=1e-6)


def test_a_file_keeps_everything(tmp_path: Path) -> None:
    made = vocabulary(("猫", "a dog, or two"))
    made.save(tmp_path / "words.safetensors")
    read = Vocabulary.load(tmp_path / "words.safetensors")
    assert (read.names, read.templates, read.fingerprint) == (made.names, made.templates, made.fingerprint)
    np.testing.assert_array_equal(read.embeddings, made.embeddings)


def test_saving_leaves_nothing_beside_the_file(tmp_path: Path) -> None:
    vocabulary().save(tmp_path / "words.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["words.safetensors"]


def test_embeddings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        vocabulary().embeddings[0] = 0


def test_files_that_are_no_vocabularies_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "words.safetensors"
    with pytest.raises(LabelError, match="cannot be read"):
        Vocabulary.load(path)
    path.write_bytes(b"not safetensors")
    with pytest.raises(LabelError, match="cannot be read"):
        Vocabulary.load(path)
    save_file({"embeddings": np.zeros((1, 2), np.float32)}, path)
    with pytest.raises(LabelError, match="not a vocabulary"):
        Vocabulary.load(path)


def test_embeddings_that_are_not_unit_vectors_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "words.safetensors"
    made = vocabulary()
    Vocabulary(made.names, made.embeddings * 2, made.templates, made.fingerprint).save(path)
    with pytest.raises(LabelError, match="unit vectors"):
        Vocabulary.load(path)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([], "empty"),
        (["cat", ""], "label 2 of 2"),
        (["cat", "  "], "empty"),
        (["cat", "dog", "Cat"], "given twice"),
        (["a  cat", "a cat"], "given twice"),
        ("a cat", "not one string"),
    ],
)
def test_labels_that_cannot_name_classes_are_refused(labels: list[str], message: str) -> None:
    with pytest.raises(LabelError, match=message):
        check_labels(labels)


def test_labels_are_trimmed() -> None:
    assert check_labels([" a  cat ", "dog"]) == ("a cat", "dog")


@pytest.mark.parametrize("templates", ["no place", "{} and {}", "{0}", "{name} {}", [], ["ok {}", "bad"]])
def test_templates_without_exactly_one_place_are_refused(templates: str | list[str]) -> None:
    with pytest.raises(LabelError, match="template"):
        resolve_templates(templates)


def test_templates_can_be_a_set_one_or_several() -> None:
    assert resolve_templates("simple") == TEMPLATES["simple"] == ("a photo of a {}.",)
    assert resolve_templates("my {}") == ("my {}",)
    assert resolve_templates(["a {}", "b {}"]) == ("a {}", "b {}")
