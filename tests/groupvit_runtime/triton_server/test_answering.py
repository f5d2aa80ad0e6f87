"""What the model does with requests, without a server."""

from __future__ import annotations

import numpy as np
import pytest

from groupvit_export.data.bundled import DEMO_LABELS, DEMO_SAMPLE
from groupvit_runtime import Segmenter
from groupvit_runtime.errors import EngineError, ImageError, LabelError
from groupvit_runtime.triton_server.answering import Answering
from groupvit_runtime.triton_server.vocabulary_folder import read_vocabularies
from groupvit_runtime.vocabulary import Vocabulary

WORDS = list(DEMO_LABELS[:3])


@pytest.fixture(scope="module")
def segmenter(demo_bundles):
    return Segmenter.load(demo_bundles["openvino"])


def request(image: bytes, words: list[str]) -> dict[str, np.ndarray]:
    return {
        "image": np.array([[image]], np.object_),
        "labels": np.array([[word.encode() for word in words]], np.object_),
    }


def test_one_that_is_refused_does_not_touch_the_others(segmenter):
    sample = DEMO_SAMPLE.read_bytes()
    answering = Answering(segmenter, {}, 8)
    first, broken, unknown, last = answering.answer(
        [
            request(sample, WORDS),
            request(b"none", WORDS),
            request(sample, ["\N{SNOWMAN}"]),
            request(sample, WORDS[1:]),
        ]
    )
    answering.close()
    assert isinstance(broken, ImageError) and isinstance(unknown, LabelError)
    for answer, words in ((first, WORDS), (last, WORDS[1:])):
        expected = segmenter(sample, words)
        assert isinstance(answer, dict)
        # Two images in a batch: the last bits of floats may be others than of one.
        assert (answer["label_map"][0] == expected.labels).mean() > 0.999
        assert answer["names"].tolist() == [[word.encode() for word in words]]


def test_an_engine_that_fails_is_told_to_whom_it_concerns(segmenter, monkeypatch):
    def fail(requests):
        raise EngineError("the engine failed")

    monkeypatch.setattr(segmenter, "compute", fail)
    answering = Answering(segmenter, {}, 8)
    good, broken = answering.answer([request(DEMO_SAMPLE.read_bytes(), WORDS), request(b"none", WORDS)])
    answering.close()
    assert isinstance(good, EngineError) and isinstance(broken, ImageError)


def test_a_folder_of_vocabularies(segmenter, tmp_path):
    assert read_vocabularies(tmp_path / "none", segmenter) == {}
    made = segmenter.vocabulary(WORDS)
    made.save(tmp_path / "scene.safetensors")
    (tmp_path / "notes.txt").write_text("not looked at")
    assert dict(read_vocabularies(tmp_path, segmenter)) == {"scene": made}
    Vocabulary(made.names, made.embeddings, made.templates, "0" * 64).save(tmp_path / "z.safetensors")
    with pytest.raises(LabelError, match=r"made with other weights.*\n.*z\.safetensors"):
        read_vocabularies(tmp_path, segmenter)
    (tmp_path / "z.safetensors").write_bytes(b"none")
    with pytest.raises(LabelError, match=r"cannot be read.*\n.*z\.safetensors"):
        read_vocabularies(tmp_path, segmenter)
