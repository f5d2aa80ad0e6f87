"""Vocabularies, labels and prompts in C++: the Python runtime's outcome, and its bits."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from damaged_vocabularies import (
    BAD_LABELS,
    BAD_TEMPLATES,
    DAMAGED,
    GOOD_LABELS,
    file_bytes,
    vocabulary,
    with_header,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from text_probe import TextProbe

from groupvit_runtime.errors import LabelError
from groupvit_runtime.prompts import TEMPLATES, check_labels, resolve_templates
from groupvit_runtime.vocabulary import Vocabulary, average_templates

CHARACTERS = st.characters(exclude_characters="\0", exclude_categories=["Cs"])


def check_same(probe: TextProbe, path: Path) -> bool:
    """Both load it and read the same, or both refuse it; which of the two."""
    try:
        expected = Vocabulary.load(path)
    except LabelError:
        with pytest.raises(LabelError):
            probe.load_vocabulary(path)
        return False
    loaded = probe.load_vocabulary(path)
    assert (loaded.names, loaded.templates) == (expected.names, expected.templates)
    assert loaded.fingerprint == expected.fingerprint
    np.testing.assert_array_equal(loaded.embeddings, expected.embeddings, strict=True)
    return True


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("vocabularies")


@pytest.mark.parametrize(
    ("names", "width"), [(("cat", "dog"), 8), (("猫", "a dog, or two", 'q"\\\n'), 1), (("x",) * 300, 64)]
)
def test_what_python_saves_is_loaded(
    text_probe: TextProbe, tmp_path: Path, names: tuple[str, ...], width: int
) -> None:
    vocabulary(names, width).save(tmp_path / "words.safetensors")
    assert check_same(text_probe, tmp_path / "words.safetensors")


@pytest.mark.parametrize(("data", "message"), DAMAGED.values(), ids=DAMAGED)
def test_files_that_are_no_vocabularies_are_refused(
    text_probe: TextProbe, tmp_path: Path, data: bytes, message: str
) -> None:
    path = tmp_path / "words.safetensors"
    path.write_bytes(data)
    with pytest.raises(LabelError, match=message):
        text_probe.load_vocabulary(path)


def test_what_is_no_file_is_refused(text_probe: TextProbe, tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "words.safetensors"):
        with pytest.raises(LabelError, match="cannot be read"):
            text_probe.load_vocabulary(path)


@settings(max_examples=100)
@given(st.data())
def test_any_change_of_the_header_has_the_same_outcome(
    text_probe: TextProbe, folder: Path, data: st.DataObject
) -> None:
    whole = file_bytes()
    (length,) = struct.unpack("<Q", whole[:8])
    header = json.loads(whole[8 : 8 + length])
    part = header[data.draw(st.sampled_from(sorted(header)))]
    key = data.draw(st.sampled_from(sorted(part)))
    kind = data.draw(st.sampled_from(["remove", "replace", "rename"]))
    if kind == "remove":
        del part[key]
    elif kind == "rename":
        part[f"{key}x"] = part.pop(key)
    else:
        part[key] = data.draw(
            st.one_of(
                st.sampled_from(
                    [None, True, "", "F32", "F16", [2, 8], [8, 2], [16], [0, 64], [64, 64], [0, 0], {}]
                ),
                st.lists(st.integers(-1, 2**63 - 1), max_size=3),
                st.text(CHARACTERS, max_size=3),
                st.lists(st.text(CHARACTERS, max_size=2), min_size=2, max_size=2).map(json.dumps),
            )
        )
    path = folder / "changed"
    path.write_bytes(with_header(header, whole[8 + length :]))
    check_same(text_probe, path)


@settings(max_examples=100)
@given(st.integers(0, 500), st.integers(0, 2), st.binary(max_size=3))
def test_a_damaged_file_that_is_accepted_is_accepted_by_python(
    text_probe: TextProbe, folder: Path, start: int, removed: int, inserted: bytes
) -> None:
    whole = file_bytes()
    path = folder / "damaged"
    path.write_bytes(whole[:start] + inserted + whole[start + removed :])
    try:
        text_probe.load_vocabulary(path)
    except LabelError:
        return
    assert check_same(text_probe, path)


@pytest.mark.parametrize("scale", [1 - 1.2e-4, 1 - 1.05e-4, 1 + 1.05e-4, 1 + 1.2e-4])
def test_norms_are_judged_as_allclose_does(text_probe: TextProbe, tmp_path: Path, scale: float) -> None:
    path = tmp_path / "words.safetensors"
    path.write_bytes(file_bytes(vocabulary().embeddings * np.float32(scale)))
    assert check_same(text_probe, path) == (abs(scale - 1) < 1.1e-4)


@settings(max_examples=80)
@given(st.integers(1, 6), st.integers(1, 9), st.integers(2, 300), st.integers(0, 2**32))
def test_averages_are_numpys_to_the_bit(
    text_probe: TextProbe, classes: int, templates: int, width: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    values = random.normal(size=(classes * templates, width)) * 10.0 ** random.integers(-3, 4, width)
    embeddings = values.astype(np.float32)
    expected = average_templates(embeddings, classes)
    np.testing.assert_array_equal(text_probe.average_templates(embeddings, classes), expected, strict=True)


@pytest.mark.parametrize(
    ("classes", "templates", "width"), [(1, 80, 512), (3, 7, 9000), (171, 7, 256), (2, 100, 1), (1, 1, 1)]
)
def test_averages_of_many(text_probe: TextProbe, classes: int, templates: int, width: int) -> None:
    embeddings = np.random.default_rng(0).normal(size=(classes * templates, width)).astype(np.float32)
    expected = average_templates(embeddings, classes)
    np.testing.assert_array_equal(text_probe.average_templates(embeddings, classes), expected, strict=True)


@pytest.mark.parametrize(("labels", "message"), BAD_LABELS)
def test_labels_that_cannot_name_classes_are_refused(
    text_probe: TextProbe, labels: list[str], message: str
) -> None:
    with pytest.raises(LabelError, match=message):
        text_probe.check_labels(labels)


@pytest.mark.parametrize(("labels", "names"), GOOD_LABELS)
def test_labels_that_can(text_probe: TextProbe, labels: list[str], names: tuple[str, ...]) -> None:
    assert text_probe.check_labels(labels) == names


@given(
    st.one_of(
        st.lists(st.text(CHARACTERS, max_size=6), min_size=1),
        st.lists(st.text("ab\u0301á\u200b\u200d\ufe0f\u00ad\U0001f469\u2764ن\x01", max_size=4), min_size=2),
    )
)
def test_labels_are_those_of_python(text_probe: TextProbe, labels: list[str]) -> None:
    try:
        expected = check_labels(labels)
    except LabelError:
        with pytest.raises(LabelError):
            text_probe.check_labels(labels)
    else:
        assert text_probe.check_labels(labels) == expected


@pytest.mark.parametrize("label", [b"\xff", b"caf\xe9", b"\xed\xa0\x80", b"\xc0\xaf", b"a\xf0\x9f\x98"])
def test_labels_that_are_not_utf8_are_refused(text_probe: TextProbe, label: bytes) -> None:
    with pytest.raises(LabelError, match="label 2 of 2"):
        text_probe.check_labels([b"cat", label])


@pytest.mark.parametrize("template", BAD_TEMPLATES)
def test_templates_without_exactly_one_place_are_refused(text_probe: TextProbe, template: str) -> None:
    with pytest.raises(LabelError, match="template"):
        text_probe.fill_prompt(template, "cat")


@settings(max_examples=100)
@given(st.text("{}a ", max_size=8), st.sampled_from(["cat", "", "{}", "}}", "猫 {x}"]))
def test_templates_are_filled_as_in_python(text_probe: TextProbe, template: str, name: str) -> None:
    try:
        (resolved,) = resolve_templates([template])
    except LabelError:
        with pytest.raises(LabelError):
            text_probe.fill_prompt(template, name)
    else:
        assert text_probe.fill_prompt(template, name) == resolved.format(name)


@pytest.mark.parametrize("template", [template for group in TEMPLATES.values() for template in group])
def test_the_sets_of_templates_are_filled(text_probe: TextProbe, template: str) -> None:
    assert text_probe.fill_prompt(template, "猫") == template.format("猫")
