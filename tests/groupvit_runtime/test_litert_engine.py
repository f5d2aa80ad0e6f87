"""The engine of LiteRT's files, on a small bundle that is stored: tests/support/litert_bundle.py made it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from groupvit_runtime import Segmenter
from groupvit_runtime.engines import Engine, EngineOptions, load_engine
from groupvit_runtime.errors import BundleError, EngineError, UsageError
from groupvit_runtime.manifest import FileInfo, Role, read_manifest

pytest.importorskip("ai_edge_litert", reason="LiteRT is missing, which the extra litert-runtime brings")

BUNDLE = Path(__file__).resolve().parents[1] / "data" / "litert"
WORDS = ("sky", "water", "red car")
RGB = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)


@pytest.fixture(scope="module")
def expected() -> Mapping[str, np.ndarray]:
    """Inputs, and what transformers computes of them in float64."""
    return load_file(BUNDLE / "expected.safetensors")


def engine(role: Role = "image", bundle: Path = BUNDLE, **options: Any) -> Engine:
    return load_engine(read_manifest(bundle).engine(role), bundle, EngineOptions(**options))


def test_it_computes_what_transformers_computes(expected: Mapping[str, np.ndarray]) -> None:
    # Three images and sentences of 7 tokens, where the files have two and one of 12.
    found = engine().run({"pixel_values": expected["pixel_values"]})
    np.testing.assert_allclose(found["image_embeds"], expected["image_embeds"], atol=2e-6)
    text = engine("text").run({"input_ids": expected["input_ids"]})
    np.testing.assert_allclose(text["text_embeds"], expected["text_embeds"], atol=2e-6)


@pytest.mark.parametrize(("precision", "most"), [("w16", 2e-3), ("int8", 3e-2)])
def test_lower_precisions_are_near(precision: str, most: float, expected: Mapping[str, np.ndarray]) -> None:
    loaded = engine(bundle=BUNDLE.with_name(f"litert-{precision}"))
    found = loaded.run({"pixel_values": expected["pixel_values"]})
    error = np.abs(found["image_embeds"] - expected["image_embeds"]).max()
    # Something was rounded, too.
    assert 2e-6 < error < most


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_an_image_is_decided_alike_in_every_batch(batch: int) -> None:
    pixels = np.random.default_rng(batch).normal(size=(batch, 3, 32, 32)).astype(np.float32)
    loaded = engine()
    together = loaded.run({"pixel_values": pixels})
    infos = read_manifest(BUNDLE).engine("image").outputs
    assert list(together) == [info.name for info in infos]
    for info in infos:
        value = together[info.name]
        assert value.dtype.name == info.dtype and value.flags.c_contiguous and value.flags.writeable
        alone = [loaded.run({"pixel_values": pixels[i : i + 1]})[info.name] for i in range(batch)]
        np.testing.assert_array_equal(value, np.concatenate(alone))


def test_calls_of_several_threads_take_turns(expected: Mapping[str, np.ndarray]) -> None:
    loaded = engine(threads=1)
    feeds = [{"pixel_values": np.roll(expected["pixel_values"], n, axis=0)} for n in range(12)]
    wanted = [loaded.run(feed)["masks"] for feed in feeds]
    with ThreadPoolExecutor(4) as pool:
        for value, right in zip(pool.map(loaded.run, feeds), wanted, strict=True):
            np.testing.assert_array_equal(value["masks"], right)


def test_outputs_belong_to_the_caller(expected: Mapping[str, np.ndarray]) -> None:
    loaded = engine()
    first = loaded.run({"pixel_values": expected["pixel_values"][:2]})["masks"]
    kept = first.copy()
    loaded.run({"pixel_values": expected["pixel_values"][1:]})
    np.testing.assert_array_equal(first, kept)


def test_it_says_what_is_really_in_use() -> None:
    assert engine(threads=1).description.endswith("CPU, fp32, 1 thread")
    assert engine(threads=3).description.endswith("3 threads")


def test_the_manifest_says_the_batch() -> None:
    manifest = read_manifest(BUNDLE)
    assert [manifest.engine(role).max_batch for role in ("image", "text")] == [2, 1]
    with pytest.raises(UsageError, match="1 to 2, which the engine was built for"):
        Segmenter.load(BUNDLE, batch_size=3)


SILENT = """
import os, sys, threading
from groupvit_runtime import Segmenter
import numpy as np
descriptors = len(os.listdir("/proc/self/fd"))
for _ in range(2):
    Segmenter.load(sys.argv[1])(np.zeros((40, 40, 3), np.uint8), ["sky", "water"])
os.write(2, b"still there")
assert len(os.listdir("/proc/self/fd")) == descriptors
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has descriptors of a thread")
def test_nothing_is_printed_and_standard_error_is_as_it_was() -> None:
    done = subprocess.run([sys.executable, "-c", SILENT, BUNDLE], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "still there")


def test_files_that_change_under_a_loaded_engine_change_nothing(
    tmp_path: Path, expected: Mapping[str, np.ndarray]
) -> None:
    bundle = Path(shutil.copytree(BUNDLE, tmp_path / "bundle"))
    loaded = engine(bundle=bundle)
    (bundle / "image.tflite").write_bytes(b"\0" * 1000)
    found = loaded.run({"pixel_values": expected["pixel_values"]})
    np.testing.assert_allclose(found["image_embeds"], expected["image_embeds"], atol=2e-6)
    with pytest.raises(BundleError, match="image.tflite"):
        engine(bundle=bundle)


@pytest.mark.parametrize(
    "content", [b"", b"no flatbuffer" * 20, "cut", "other role"], ids=["empty", "text", "cut", "other"]
)
def test_a_file_that_is_no_engine_is_refused(content: bytes | str, tmp_path: Path) -> None:
    if content == "cut":
        content = (BUNDLE / "image.tflite").read_bytes()[:-1000]
    elif content == "other role":
        content = (BUNDLE / "text.tflite").read_bytes()
    assert isinstance(content, bytes)
    (tmp_path / "image.tflite").write_bytes(content)
    info = replace(read_manifest(BUNDLE).engine("image"), files=(FileInfo.of(tmp_path, "image.tflite"),))
    with pytest.raises(EngineError, match="refused the engine|finds other tensors"):
        load_engine(info, tmp_path, EngineOptions())


@pytest.mark.parametrize(
    "inputs",
    [
        {"pixel_values": np.zeros((1, 3, 64, 32), np.float32)},
        {"pixel_values": np.zeros((1, 3, 32, 32), np.float64)},
        {"pixel_values": np.zeros((0, 3, 32, 32), np.float32)},
        {},
    ],
    ids=["size", "dtype", "empty", "none"],
)
def test_inputs_that_it_does_not_take_are_an_error_that_names_both(inputs: dict[str, np.ndarray]) -> None:
    with pytest.raises(EngineError, match=r"could not run the engine(.|\n)*pixel_values"):
        engine().run(inputs)


def test_sentences_that_are_longer_than_the_file_has_are_refused() -> None:
    with pytest.raises(EngineError, match="could not run the engine"):
        engine("text").run({"input_ids": np.zeros((1, 13), np.int64)})


def test_a_precision_that_it_does_not_know_is_refused() -> None:
    info = replace(read_manifest(BUNDLE).engine("image"), precision="fp16")
    with pytest.raises(EngineError, match="fp16(.|\n)*fp32"):
        load_engine(info, BUNDLE, EngineOptions())


def test_it_segments() -> None:
    found = Segmenter.load(BUNDLE)([RGB, RGB[:, ::-1].copy(), RGB], WORDS)
    assert [result.labels.shape for result in found] == [(48, 64)] * 3
    np.testing.assert_array_equal(found[0].labels, found[2].labels)
