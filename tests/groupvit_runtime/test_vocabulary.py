"""Prompts, template averages, and vocabularies as files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from damaged_vocabularies import BAD_LABELS, BAD_TEMPLATES, DAMAGED, vocabulary

from groupvit_runtime.errors import LabelError
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


def test_saving_leaves_nothing_beside_the_file(tmp_path: Path) -> None:
    vocabulary().save(tmp_path / "words.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["words.safetensors"]


def test_embeddings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        vocabulary().embeddings[0] = 0


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


def test_labels_are_trimmed() -> None:
    assert check_labels([" a  cat ", "dog"]) == ("a cat", "dog")


@pytest.mark.parametrize("templates", [*BAD_TEMPLATES, [], ["ok {}", "bad"]])
def test_templates_without_exactly_one_place_are_refused(templates: str | list[str]) -> None:
    with pytest.raises(LabelError, match="template"):
        resolve_templates(templates)


def test_templates_can_be_a_set_one_or_several() -> None:
    assert resolve_templates("simple") == TEMPLATES["simple"] == ("a photo of a {}.",)
    assert resolve_templates("my {}") == ("my {}",)
    assert resolve_templates(["a {}", "b {}"]) == ("a {}", "b {}")
