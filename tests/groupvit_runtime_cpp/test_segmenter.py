"""The C++ runtime on the demo: the label maps of the Python runtime, and its refusals."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bad_bundles import edit_manifest
from cpp_runtime import POISON, CppError, CppSegmenter, CppVocabulary, Library, Status
from fresh_process import in_fresh_process
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from streams import both_with_streams

from groupvit_runtime import Segmenter, Vocabulary
from groupvit_runtime.read_image import read_image


@pytest.fixture(scope="module")
def bundle(demo_bundles: Mapping[str, Path]) -> Path:
    return demo_bundles["openvino"]


@pytest.fixture(scope="module")
def python(bundle: Path) -> Segmenter:
    return Segmenter.load(bundle)


@pytest.fixture(scope="module")
def cpp(cpp_library: Library, bundle: Path) -> CppSegmenter:
    return CppSegmenter(cpp_library, bundle)


@pytest.fixture(scope="module")
def words(cpp: CppSegmenter, demo_labels: list[str]) -> CppVocabulary:
    return cpp.encode(demo_labels)


@pytest.fixture(scope="module")
def image(scenes: Any) -> np.ndarray:
    return read_image(Image.open(scenes.image(1)).resize((320, 240)))


SIZES = [(224, 224), (97, 203), (480, 640), (200, 1100), (1, 1), (1, 300), (300, 1), (3, 5)]


@pytest.mark.parametrize(("decode", "threshold"), [("hf", None), ("paper", None), ("paper", 0.9)])
@pytest.mark.parametrize("size", SIZES)
def test_the_label_map_is_the_python_runtimes(
    cpp: CppSegmenter, python: Segmenter, scenes: Any, size: tuple[int, int], decode: Any, threshold: Any
) -> None:
    names = ["house", "car", "tent", "boat", "balloon"]
    rgb = read_image(Image.open(scenes.image(1)).resize(size[::-1]))
    mine = cpp.segment(rgb, cpp.encode(names), decode=decode, background_threshold=threshold or -1.0)
    theirs = python(rgb, names, decode=decode, background_threshold=threshold)
    np.testing.assert_array_equal(mine.labels, theirs.labels)
    np.testing.assert_array_equal(mine.groups, theirs.groups())
    assert mine.names == theirs.names
    np.testing.assert_allclose(mine.scores, list(theirs.scores.values()), rtol=0, atol=1e-12)


def test_many_scenes_are_the_python_runtimes(
    cpp: CppSegmenter, python: Segmenter, words: CppVocabulary, scenes: Any, demo_labels: list[str]
) -> None:
    for index in range(6):
        rgb = read_image(scenes.image(index))
        np.testing.assert_array_equal(cpp.segment(rgb, words).labels, python(rgb, demo_labels).labels)


def test_it_says_what_is_really_in_use(cpp: CppSegmenter, python: Segmenter) -> None:
    assert cpp.engine == python.engine_description
    assert cpp.warning == ""


@pytest.mark.parametrize("batch_size", [1, 3])
def test_windows_run_in_batches(
    cpp_library: Library, bundle: Path, python: Segmenter, scenes: Any, batch_size: int
) -> None:
    rgb = read_image(Image.open(scenes.image(3)).resize((900, 224)))
    segmenter = CppSegmenter(cpp_library, bundle, batch_size=batch_size, decode="paper")
    mine = segmenter.segment(rgb, segmenter.encode(["house", "sky"]))
    theirs = Segmenter.load(bundle, batch_size=batch_size)(rgb, ["house", "sky"], decode="paper")
    np.testing.assert_array_equal(mine.labels, theirs.labels)


@pytest.mark.parametrize(("form", "order"), [("BGR", (2, 1, 0)), ("RGBX", (0, 1, 2)), ("BGRX", (2, 1, 0))])
def test_channels_come_in_any_order(
    cpp: CppSegmenter, words: CppVocabulary, image: np.ndarray, form: str, order: tuple[int, ...]
) -> None:
    channels = [image[:, :, channel] for channel in order]
    if len(form) == 4:
        channels.append(np.random.default_rng(0).integers(0, 256, image.shape[:2], np.uint8))
    other = np.ascontiguousarray(np.stack(channels, axis=2))
    expected = cpp.segment(image, words).labels
    np.testing.assert_array_equal(cpp.segment(other, words, form=form).labels, expected)


@pytest.mark.parametrize(("form", "order"), [("RGBA", (0, 1, 2, 3)), ("BGRA", (2, 1, 0, 3))])
def test_alpha_is_laid_over_white_as_in_python(
    cpp: CppSegmenter, words: CppVocabulary, image: np.ndarray, form: str, order: tuple[int, ...]
) -> None:
    alpha = np.random.default_rng(0).integers(0, 256, image.shape[:2], np.uint8)
    rgba = np.dstack([image, alpha])
    expected = cpp.segment(read_image(rgba), words).labels
    other = np.ascontiguousarray(rgba[:, :, order])
    np.testing.assert_array_equal(cpp.segment(other, words, form=form).labels, expected)


@settings(max_examples=10)
@given(left=st.integers(0, 40), gap=st.integers(0, 70), out_gap=st.integers(0, 9))
def test_rows_may_have_gaps(
    cpp: CppSegmenter, words: CppVocabulary, image: np.ndarray, left: int, gap: int, out_gap: int
) -> None:
    height, width = 60, 80
    wide = np.random.default_rng(1).integers(0, 256, (height, left + width + gap, 3), np.uint8)
    part = wide[:, left : left + width]
    part[...] = image[:height, :width]
    room = np.full((height + 2, width + out_gap), POISON, np.uint16)
    cpp.segment_into(part, words, room[1:-1, :width])
    expected = cpp.segment(np.ascontiguousarray(part), words).labels
    np.testing.assert_array_equal(room[1:-1, :width], expected)
    room[1:-1, :width] = POISON
    assert (room == POISON).all(), "nothing else was written"


@pytest.mark.slow
@pytest.mark.usefixtures("cpp_library")
@pytest.mark.parametrize("streams", [2, None])
def test_streams_are_as_in_python(
    cpp_build: Callable[[str], Path],
    bundle: Path,
    image: np.ndarray,
    demo_labels: list[str],
    streams: int | None,
) -> None:
    library = cpp_build("groupvit") / "libgroupvit.so"
    (mine, labels), (theirs, expected) = in_fresh_process(
        both_with_streams, library, bundle, image, demo_labels, streams
    )
    assert mine == theirs and (streams is None or mine.endswith("2 streams"))
    np.testing.assert_array_equal(labels, expected)


def test_many_threads_use_one_object(
    cpp_library: Library, bundle: Path, python: Segmenter, scenes: Any, demo_labels: list[str]
) -> None:
    images = [read_image(scenes.image(index)) for index in range(8)]
    expected = [python(rgb, demo_labels).labels for rgb in images]
    # A fresh object, so that the text engine is loaded and the words encoded under contention, too.
    fresh = CppSegmenter(cpp_library, bundle)

    def call(index: int) -> np.ndarray:
        return fresh.segment(images[index % 8], fresh.encode(demo_labels)).labels

    with ThreadPoolExecutor(8) as pool:
        for index, labels in enumerate(pool.map(call, range(32))):
            np.testing.assert_array_equal(labels, expected[index % 8])


def test_a_cached_vocabulary_is_opened_by_name_and_by_file(
    cpp_library: Library, bundle: Path, python: Segmenter, image: np.ndarray, tmp_path: Path
) -> None:
    from groupvit_export.cli import main

    copy = Path(shutil.copytree(bundle, tmp_path / "bundle"))
    assert main(["vocab", str(copy), "--labels", "red house,background", "--add", "two"]) == 0
    segmenter = CppSegmenter(cpp_library, copy)
    named = segmenter.open("two")
    assert named.names == ("red house", "background")
    filed = segmenter.open_file(next((copy / "vocabularies").iterdir()))
    expected = python(image, ["red house", "background"]).labels
    for vocabulary in (named, filed):
        np.testing.assert_array_equal(segmenter.segment(image, vocabulary).labels, expected)
    with pytest.raises(CppError, match=r"no vocabulary of this name(.|\n)*two") as caught:
        segmenter.open("three")
    assert caught.value.status == Status.LABEL


def test_templates_change_the_result_as_in_python(
    cpp: CppSegmenter, python: Segmenter, image: np.ndarray
) -> None:
    names, templates = ["red house", "sky", "water"], ["a picture of a {}", "the {}"]
    mine = cpp.segment(image, cpp.encode(names, templates))
    theirs = python(image, names, templates=templates)
    np.testing.assert_array_equal(mine.labels, theirs.labels)
    np.testing.assert_allclose(mine.scores, list(theirs.scores.values()), rtol=0, atol=1e-12)


def test_a_vocabulary_of_other_weights_is_refused(
    cpp: CppSegmenter, python: Segmenter, tmp_path: Path
) -> None:
    known = python.vocabulary(["background"])
    path = tmp_path / "foreign.safetensors"
    Vocabulary(known.names, known.embeddings.copy(), known.templates, "0" * 64).save(path)
    with pytest.raises(CppError, match="other weights") as caught:
        cpp.open_file(path)
    assert caught.value.status == Status.LABEL


def test_a_bundle_that_failed_its_comparison_says_so(
    cpp_library: Library, bundle: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(bundle, tmp_path / "bundle"))
    edit_manifest(copy, lambda value: value.update(verdict="FAIL"))
    assert "does not equal the reference. Look into it" in CppSegmenter(cpp_library, copy).warning


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([], "list of labels is empty"),
        (["house", " "], "label is empty"),
        (["house", "House"], "given twice"),
        (["house", "xylophone"], "does not know"),
        (["house " * 80], "too long"),
    ],
)
def test_labels_that_cannot_be_used_are_refused(cpp: CppSegmenter, labels: list[str], message: str) -> None:
    with pytest.raises(CppError, match=message) as caught:
        cpp.encode(labels)
    assert caught.value.status == Status.LABEL


def test_a_bundle_says_that_words_are_cleaned(
    cpp_library: Library, cpp: CppSegmenter, bundle: Path, image: np.ndarray, tmp_path: Path
) -> None:
    with pytest.raises(CppError, match="does not know"):
        cpp.encode(["red&#x20;house", "water"])
    copy = Path(shutil.copytree(bundle, tmp_path / "bundle"))
    edit_manifest(copy, lambda value: value.update(requires=["nvlabs_text_cleaning"]))
    cleaning = CppSegmenter(cpp_library, copy)
    words = cleaning.encode(["red&#x20;ＨＯＵＳＥ", "water"])
    expected = cpp.segment(image, cpp.encode(["red house", "water"]))
    np.testing.assert_array_equal(cleaning.segment(image, words).labels, expected.labels)
    with pytest.raises(CppError, match="two labels are the same to the tokenizer"):
        cleaning.encode(["red house", "water", "red&nbsp;house"])


@pytest.mark.parametrize("templates", [[], ["no place"], ["{} and {}"], ["{name}"], ["{}{"], ["{}}"]])
def test_templates_that_cannot_be_used_are_refused(cpp: CppSegmenter, templates: list[str]) -> None:
    with pytest.raises(CppError, match="template") as caught:
        cpp.encode(["house"], templates)
    assert caught.value.status in (Status.LABEL, Status.USAGE)


def test_combinations_that_mean_nothing_are_refused(
    cpp: CppSegmenter, words: CppVocabulary, image: np.ndarray
) -> None:
    with pytest.raises(CppError, match="hf decode has no background"):
        cpp.segment(image, words, background_threshold=0.5)
    with pytest.raises(CppError, match="both a label and"):
        cpp.segment(image, cpp.encode(["background", "house"]), decode="paper", background_threshold=0.5)
    for threshold in (1.5, float("nan"), float("inf")):
        with pytest.raises(CppError, match="out of range") as caught:
            cpp.segment(image, words, decode="paper", background_threshold=threshold)
        assert caught.value.status == Status.USAGE


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        ({"device": "tpu"}, Status.USAGE, "unknown device"),
        ({"device": "cuda"}, Status.ENGINE, "does not run on this device"),
        ({"threads": -1}, Status.USAGE, "threads"),
        ({"streams": -2}, Status.USAGE, "streams"),
        ({"batch_size": -1}, Status.USAGE, "batches of this size"),
    ],
)
def test_options_that_mean_nothing_are_refused(
    cpp_library: Library, bundle: Path, options: dict[str, Any], status: Status, message: str
) -> None:
    with pytest.raises(CppError, match=message) as caught:
        CppSegmenter(cpp_library, bundle, **options)
    assert caught.value.status == status


def test_a_target_that_was_left_out_is_named_with_what_to_do(
    cpp_library: Library, bundle: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(bundle, tmp_path / "bundle"))
    edit_manifest(copy, lambda value: [engine.update(target="torch") for engine in value["engines"]])
    with pytest.raises(CppError, match=r"without the torch engine(.|\n)*GROUPVIT_WITH_TORCH") as caught:
        CppSegmenter(cpp_library, copy)
    assert caught.value.status == Status.UNSUPPORTED


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda engine: engine["versions"].update(openvino="2099.1.0"), r"newer OpenVINO(.|\n)*2099.1.0"),
        (lambda engine: engine.update(target="abacus"), "does not know"),
        (lambda engine: engine.update(precision="fp4"), "precision"),
        (lambda engine: engine.update(outputs=engine["outputs"][:1]), "contradicts"),
        (lambda engine: engine["inputs"][0].update(dtype="int64"), "contradicts"),
        (lambda engine: engine["inputs"][0].update(shape=[-1, 3, 96, 224]), "contradicts"),
    ],
)
def test_an_engine_that_is_not_what_the_manifest_says_is_refused(
    cpp_library: Library, bundle: Path, image: np.ndarray, tmp_path: Path, change: Any, message: str
) -> None:
    copy = Path(shutil.copytree(bundle, tmp_path / "bundle"))
    edit_manifest(copy, lambda value: [change(e) for e in value["engines"] if e["role"] == "image"])
    with pytest.raises(CppError, match=message) as caught:
        segmenter = CppSegmenter(cpp_library, copy)
        segmenter.segment(image, segmenter.encode(["house"]))
    assert caught.value.status == (Status.BUNDLE if message == "contradicts" else Status.ENGINE)


def test_a_file_that_is_no_engine_is_refused(cpp_library: Library, bundle: Path, tmp_path: Path) -> None:
    from groupvit_runtime.manifest import FileInfo
    from groupvit_runtime.serialize import to_json

    copy = Path(shutil.copytree(bundle, tmp_path / "bundle"))
    (copy / "image.xml").write_text("garbage")
    described = to_json(FileInfo.of(copy, "image.xml"))
    edit_manifest(copy, lambda value: value["engines"][0]["files"].__setitem__(0, described))
    with pytest.raises(CppError, match="refused the engine") as caught:
        CppSegmenter(cpp_library, copy)
    assert caught.value.status == Status.ENGINE
