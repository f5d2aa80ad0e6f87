"""`Segmenter` on the demo: equal to transformers, whole through threads, batches, and both decodes."""

from __future__ import annotations

import pickle
import re
import shutil
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tokenizers import Tokenizer
from transformers import GroupViTModel as HFGroupViTModel

from groupvit_export.cli import main
from groupvit_export.data.bundled import DEMO_CHECKPOINT
from groupvit_runtime import BundleError, LabelError, Segmentation, Segmenter, UsageError, Vocabulary
from groupvit_runtime.engines import load_engine
from groupvit_runtime.errors import ImageError
from groupvit_runtime.preprocess import prepare_whole
from groupvit_runtime.read_image import read_image


@pytest.fixture(scope="module")
def segmenters(demo_bundles: Mapping[str, Path]) -> dict[str, Segmenter]:
    return {target: Segmenter.load(path) for target, path in demo_bundles.items()}


@pytest.fixture(params=["onnx", "openvino"])
def segmenter(request: pytest.FixtureRequest, segmenters: dict[str, Segmenter]) -> Segmenter:
    return segmenters[request.param]


@pytest.fixture(scope="module")
def hugging_face() -> HFGroupViTModel:
    return HFGroupViTModel.from_pretrained(DEMO_CHECKPOINT, dtype=torch.float32).eval()


def same(first: Segmentation, second: Segmentation) -> bool:
    return np.array_equal(first.labels, second.labels) and first.names == second.names


@pytest.mark.parametrize("size", [(224, 224), (97, 203)])
def test_hf_decode_equals_transformers(
    segmenter: Segmenter,
    hugging_face: HFGroupViTModel,
    scenes: Any,
    demo_labels: list[str],
    size: tuple[int, int],
) -> None:
    rgb = read_image(Image.open(scenes.image(1)).resize(size[::-1]))
    result = segmenter(rgb, demo_labels)

    manifest = segmenter.manifest
    pixels = prepare_whole(rgb, manifest.model.image_size, manifest.preprocessing.hf)
    ids = _ids([f"a photo of a {label}." for label in demo_labels])
    with torch.no_grad():
        out = hugging_face(
            input_ids=ids, pixel_values=torch.from_numpy(pixels)[None], output_segmentation=True
        )
        logits = torch.nn.functional.interpolate(out.segmentation_logits, size=size, mode="bilinear")[0]
    best = logits.topk(2, dim=0)
    certain = (best.values[0] - best.values[1] > 1e-3 * logits.abs().max()).numpy()
    assert certain.mean() > 0.9
    np.testing.assert_array_equal(result.labels[certain], best.indices[0].numpy()[certain])
    np.testing.assert_allclose(list(result.scores.values()), out.logits_per_image[0].softmax(-1), atol=1e-5)


def _ids(sentences: list[str]) -> torch.Tensor:
    tokenizer = Tokenizer.from_file(str(DEMO_CHECKPOINT / "tokenizer.json"))
    end = tokenizer.token_to_id("<eos>")
    tokenizer.enable_padding(pad_id=end, pad_token="<eos>")
    return torch.tensor([encoding.ids for encoding in tokenizer.encode_batch(sentences)])


def test_the_result_covers_the_image(segmenter: Segmenter, scenes: Any, demo_labels: list[str]) -> None:
    image = Image.open(scenes.image(2)).resize((301, 97))
    result = segmenter(image, demo_labels)
    assert result.labels.shape == result.groups().shape == (97, 301)
    assert result.labels.dtype == result.groups().dtype == np.uint16
    assert result.groups().max() < segmenter.manifest.model.groups[-1]
    assert list(result.scores) == list(result.names) == demo_labels
    assert sum(result.scores.values()) == pytest.approx(1, abs=1e-5)
    assert sum(result.shares().values()) == pytest.approx(1)
    assert result.mask(demo_labels[0]).dtype == bool
    assert min(result.overlay().size) >= 480
    with pytest.raises(KeyError, match="a dog"):
        result.mask("a dog")


def test_a_result_is_shown_in_a_line(segmenter: Segmenter, scenes: Any, demo_labels: list[str]) -> None:
    names = [*demo_labels, "sky " * 5 + "\nblue"]
    shown = repr(segmenter(scenes.image(0), names, decode="hf"))
    assert "\n" not in shown and len(shown) < 200
    assert re.fullmatch(r"Segmentation\(\d+x\d+, hf: '[a-z ]+' \d+\.\d%, .*\)", shown)


@pytest.mark.parametrize("decode", ["hf", "paper"])
def test_images_beyond_the_limit_are_refused(
    decode: Any, demo_bundles: Mapping[str, Path], demo_labels: list[str]
) -> None:
    limited = Segmenter.load(demo_bundles["onnx"], max_pixels=12)
    assert limited(np.zeros((3, 4), np.uint8), demo_labels, decode=decode).labels.shape == (3, 4)
    with pytest.raises(ImageError, match="at most 12 pixels"):
        limited(np.zeros((13, 1), np.uint8), demo_labels, decode=decode)
    with pytest.raises(UsageError, match="at least 1"):
        Segmenter.load(demo_bundles["onnx"], max_pixels=0)


def test_a_path_an_image_and_an_array_give_the_same(
    segmenter: Segmenter, scenes: Any, demo_labels: list[str]
) -> None:
    path = scenes.image(3)
    first = segmenter(path, demo_labels)
    assert same(first, segmenter(str(path), demo_labels))
    assert same(first, segmenter(path.read_bytes(), demo_labels))
    assert same(first, segmenter(Image.open(path), demo_labels))
    assert same(first, segmenter(np.asarray(Image.open(path).convert("RGB")), demo_labels))


@pytest.mark.parametrize("decode", ["hf", "paper"])
def test_a_batch_decides_like_its_images_alone(
    segmenter: Segmenter, scenes: Any, demo_labels: list[str], decode: Any
) -> None:
    paths = [scenes.image(i) for i in range(11)]
    together = segmenter(paths, demo_labels, decode=decode)
    assert isinstance(together, list)
    agreement = [
        np.mean(result.labels == segmenter(path, demo_labels, decode=decode).labels)
        for path, result in zip(paths, together, strict=True)
    ]
    # Another batch size may round differently in the last bit of a tie between two pixels' classes.
    assert min(agreement) > 0.999
    assert segmenter([], demo_labels, decode=decode) == []


def test_many_threads_use_one_object(segmenter: Segmenter, scenes: Any, demo_labels: list[str]) -> None:
    paths = [scenes.image(i % 10) for i in range(40)]
    alone = [segmenter(path, demo_labels) for path in paths[:10]]
    fresh = Segmenter.load(segmenter._bundle.root)
    with ThreadPoolExecutor(8) as pool:
        # A fresh object, so that the text engine is loaded and the words encoded under contention too.
        results = list(pool.map(lambda path: fresh(path, demo_labels), paths))
    for index, result in enumerate(results):
        assert same(result, alone[index % 10])


def test_the_targets_agree(segmenters: dict[str, Segmenter], scenes: Any, demo_labels: list[str]) -> None:
    for index in range(10):
        maps = [s(scenes.image(index), demo_labels).labels for s in segmenters.values()]
        assert np.mean(maps[0] == maps[1]) > 0.999


def test_paper_decode_with_background(segmenter: Segmenter, scenes: Any, demo_labels: list[str]) -> None:
    words = ["house", "car", "tent", "boat", "balloon"]
    image = Image.open(scenes.image(1)).resize((520, 224))
    result = segmenter(image, words, decode="paper", background_threshold=0.9)
    assert result.names == ("background", *words)
    assert result.background == 0
    assert (result.labels == 0).any() and (result.labels != 0).any()
    assert list(result.scores) == words
    assert result.groups().shape == (224, 520)
    assert result.groups().max() >= segmenter.manifest.model.groups[-1], "every window has groups of its own"


def test_requests_of_several_callers_are_computed_together(
    segmenter: Segmenter, scenes: Any, demo_labels: list[str]
) -> None:
    """Each has words and options of its own, and gets what its own call gives."""
    asked: list[dict[str, Any]] = [
        {"labels": demo_labels},
        {"labels": demo_labels[:3], "threshold": 0.4},
        {"labels": demo_labels[2:5], "decode": "paper"},
        {"labels": demo_labels[:2], "negatives": demo_labels[4:6]},
        {"labels": demo_labels[3:], "decode": "hf"},
    ]
    requests = [
        segmenter.prepare(Image.open(scenes.image(index)).resize((150 + 20 * index, 180)), **options)
        for index, options in enumerate(asked)
    ]
    for result, request, options in zip(segmenter.compute(requests), requests, asked, strict=True):
        alone = segmenter(request.image, **options)
        assert same(result, alone) and result.decode == alone.decode
        assert result.score_names == alone.score_names


def test_a_threshold_is_for_the_paper_decode_only(
    segmenter: Segmenter, scenes: Any, demo_labels: list[str]
) -> None:
    with pytest.raises(UsageError, match="hf decode has no background"):
        segmenter(scenes.image(0), demo_labels, background_threshold=0.5)
    with pytest.raises(LabelError, match="both a label and"):
        segmenter(scenes.image(0), ["background", "house"], decode="paper", background_threshold=0.5)
    with pytest.raises(UsageError, match="unknown decode"):
        segmenter(scenes.image(0), demo_labels, decode="best")  # type: ignore[call-overload]


def test_templates_change_the_embeddings_and_words_are_remembered(segmenter: Segmenter) -> None:
    plain = segmenter.vocabulary(["red house", "background"])
    assert segmenter.vocabulary(["red house", "background"]) is plain
    other = segmenter.vocabulary(["red house", "background"], templates=["a picture of a {}", "the {}"])
    assert other.templates == ("a picture of a {}", "the {}")
    assert not np.allclose(plain.embeddings, other.embeddings)
    np.testing.assert_allclose(np.linalg.norm(other.embeddings, axis=1), 1, atol=1e-6)


def test_a_cached_vocabulary_gives_the_same_and_needs_no_text_engine(
    segmenter: Segmenter, scenes: Any, demo_labels: list[str], tmp_path: Path
) -> None:
    segmenter.vocabulary(demo_labels).save(tmp_path / "v.safetensors")
    fresh = Segmenter.load(segmenter._bundle.root)
    result = fresh(scenes.image(0), Vocabulary.load(tmp_path / "v.safetensors"))
    assert same(result, segmenter(scenes.image(0), demo_labels))
    assert fresh._vocabularies._text is None


def test_a_vocabulary_of_the_bundle_is_read_once(
    demo_bundles: Mapping[str, Path], scenes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = shutil.copytree(demo_bundles["openvino"], tmp_path / "bundle")
    assert main(["vocab", str(bundle), "--labels", "red house,background", "--add", "two"]) == 0
    segmenter = Segmenter.load(bundle)
    first = segmenter(scenes.image(0), "two")
    monkeypatch.setattr(Vocabulary, "load", lambda path: pytest.fail("it was read again"))
    assert same(first, segmenter(scenes.image(0), "two"))


def test_a_vocabulary_of_other_weights_is_refused(segmenter: Segmenter, scenes: Any) -> None:
    known = segmenter.vocabulary(["background"])
    foreign = Vocabulary(known.names, known.embeddings.copy(), known.templates, "0" * 64)
    with pytest.raises(LabelError, match="other weights"):
        segmenter(scenes.image(0), foreign)


def test_a_vocabulary_that_is_not_in_the_bundle_is_refused(segmenter: Segmenter, scenes: Any) -> None:
    with pytest.raises(LabelError, match="no vocabulary of this name"):
        segmenter(scenes.image(0), "pets")


def test_one_label_is_enough(segmenter: Segmenter, scenes: Any) -> None:
    assert (segmenter(scenes.image(0), ["background"]).labels == 0).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (3, 5)])
@pytest.mark.parametrize("decode", ["hf", "paper"])
def test_tiny_and_thin_images_work(
    segmenter: Segmenter, demo_labels: list[str], shape: tuple[int, int], decode: Any
) -> None:
    image = np.full((*shape, 3), 128, np.uint8)
    assert segmenter(image, demo_labels, decode=decode).labels.shape == shape


def test_a_segmenter_goes_to_other_processes_and_its_results_come_back(
    segmenter: Segmenter, scenes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = segmenter(scenes.image(1), ["water", "sky"])
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        result = pool.submit(segmenter, scenes.image(1), ["water", "sky"]).result()
    assert result == expected and expected != segmenter(scenes.image(2), ["water", "sky"])
    np.testing.assert_array_equal(result.groups(), expected.groups())


def test_a_segmenter_is_opened_again_from_any_folder_as_it_was(
    demo_bundles: Mapping[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = shutil.make_archive(str(tmp_path / "bundle"), "zip", demo_bundles["onnx"])
    monkeypatch.chdir(tmp_path)
    first = Segmenter.load("bundle.zip", decode="paper", batch_size=3, threads=1, max_pixels=1_000_000)
    data = pickle.dumps(first)
    monkeypatch.chdir("/")
    again = pickle.loads(data)
    assert (again._decode, again._batch_size, again._options) == ("paper", 3, first._options)
    assert again._max_pixels == 1_000_000
    assert again.manifest == first.manifest
    Path(archive).unlink()
    with pytest.raises(BundleError, match="bundle"):
        pickle.loads(data)


@pytest.mark.parametrize("times", [1, 3])
def test_a_bundle_that_is_replaced_while_it_is_loaded_is_loaded_whole(
    demo_bundles: Mapping[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    bundle, other = (
        Path(shutil.copytree(demo_bundles[name], tmp_path / name)) for name in ("onnx", "openvino")
    )
    left = [None] * times

    def replaced(*arguments: Any) -> Any:
        if left:
            left.pop()
            bundle.rename(tmp_path / "aside")
            other.rename(bundle)
            (tmp_path / "aside").rename(other)
        return load_engine(*arguments)

    monkeypatch.setattr("groupvit_runtime.segmenter.load_engine", replaced)
    loaded = Segmenter.load(bundle)
    assert left == [] and loaded.manifest.engine("image").target == "openvino"
    # What is damaged and stays so is an error at once.
    (bundle / "image.bin").write_bytes(b"")
    with pytest.raises(BundleError, match=r"image\.bin"):
        Segmenter.load(bundle)


def test_words_in_one_string_are_answered_with_a_list(segmenter: Segmenter, scenes: Any) -> None:
    with pytest.raises(LabelError) as caught:
        segmenter(scenes.image(1), "sky,tree")
    assert '["sky", "tree"]' in caught.value.fix
