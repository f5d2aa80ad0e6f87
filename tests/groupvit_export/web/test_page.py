"""What a person does with the page, in Chromium, beside what the Python runtime makes of the same."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from groupvit_export.cli import main
from groupvit_export.data.bundled import DEMO_LABELS, DEMO_SAMPLE
from groupvit_runtime.manifest import MANIFEST_NAME
from groupvit_runtime.segmenter import Segmenter


def answered(page: Any) -> None:
    page.wait_for_function("/^image/.test(document.getElementById('status').textContent)", timeout=120_000)


def saved(page: Any, button: str) -> bytes:
    with page.expect_download() as download:
        page.click(button)
    return Path(download.value.path()).read_bytes()


def labels_of(page: Any) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(saved(page, "#save-png"))).convert("L"))


def add(page: Any, host: str, text: str) -> None:
    page.evaluate("document.getElementById('status').textContent = ''")
    page.fill(f"{host} input", text)
    page.press(f"{host} input", "Enter")
    answered(page)


def chips(page: Any) -> list[str]:
    return page.eval_on_selector_all(
        "#words .chip", "chips => chips.map(chip => chip.firstChild.textContent)"
    )


def unlike(found: np.ndarray, wanted: np.ndarray) -> float:
    return float((found != wanted).mean())


def test_it_segments_as_the_python_runtime_does(web_folder: Path, open_page) -> None:
    segmenter = Segmenter.load(web_folder)
    words = list(DEMO_LABELS)
    with open_page(web_folder) as page:
        assert page.evaluate("crossOriginIsolated")
        assert unlike(labels_of(page), segmenter(DEMO_SAMPLE, words).labels) <= 1e-4
        add(page, "#words", "  house,  house ")
        words.append("house")
        assert unlike(labels_of(page), segmenter(DEMO_SAMPLE, words).labels) <= 1e-4
        # New words run the text engine and the decode, never the image engine.
        assert page.inner_text("#status").startswith("image 0 ms")
        page.evaluate("document.getElementById('status').textContent = ''")
        page.select_option("#decode", "paper")
        answered(page)
        assert unlike(labels_of(page), segmenter(DEMO_SAMPLE, words, decode="paper").labels) <= 1e-4
        record = json.loads(saved(page, "#save-json"))
        assert record["names"] == words and record["decode"] == "paper"
        assert record["bundle"]["digest"] == segmenter.digest
        assert sum(record["shares"]) == pytest.approx(1)


@pytest.mark.slow
@pytest.mark.parametrize("decode", ["hf", "paper"])
def test_webgpu_segments_as_the_python_runtime_does(web_folder: Path, open_webgpu_page, decode: Any) -> None:
    segmenter = Segmenter.load(web_folder)
    with open_webgpu_page(web_folder) as page:
        assert "WebGPU" in page.text_content("#facts")
        page.evaluate("document.getElementById('status').textContent = ''")
        page.select_option("#decode", decode)
        page.dispatch_event("#decode", "change")
        answered(page)
        found = labels_of(page)
    wanted = segmenter(DEMO_SAMPLE, list(DEMO_LABELS), decode=decode).labels
    assert unlike(found, wanted) <= 1e-4


@pytest.mark.slow
def test_every_view_shows_another_picture(web_folder: Path, open_page) -> None:
    with open_page(web_folder) as page:
        pictures = []
        for view in ("labels", "confidence", "stage-1", "stage-2"):
            page.evaluate("document.getElementById('status').textContent = ''")
            page.click(f"[data-view={view}]")
            answered(page)
            pictures.append(page.evaluate("document.getElementById('canvas').toDataURL()"))
        assert len(set(pictures)) == 4
        assert "group" in page.inner_text("#legend") and "sky" in page.inner_text("#legend")
        # By keyboard as well.
        page.press("[data-view=stage-2]", "ArrowRight")
        assert page.get_attribute("[data-view=labels]", "aria-checked") == "true"
        answered(page)
        page.focus("#legend li")
        page.wait_for_function("document.getElementById('pointed').textContent.startsWith('where')")


def test_a_changed_engine_is_refused_in_words(web_folder: Path, tmp_path: Path, open_page) -> None:
    folder = tmp_path / "changed"
    shutil.copytree(web_folder, folder)
    data = bytearray((folder / "image.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "image.onnx").write_bytes(data)
    with open_page(folder) as page:
        message = page.inner_text("#error")
    assert "image.onnx is not the file that was exported" in message and "Copy the folder again" in message


def test_a_bundle_begins_with_the_words_of_its_vocabulary(
    web_folder: Path, tmp_path: Path, open_page
) -> None:
    folder = tmp_path / "own"
    shutil.copytree(web_folder, folder)
    names = ["tree", "water", "sky"]
    assert main(["vocab", str(folder), "--labels", ",".join(names), "--add", "mine", "--quiet"]) == 0
    with open_page(folder) as page:
        assert chips(page) == names
        assert unlike(labels_of(page), Segmenter.load(folder)(DEMO_SAMPLE, names).labels) <= 1e-4


@pytest.mark.slow
def test_another_model_begins_with_common_words_and_cleans_as_its_tokenizer_does(
    web_folder: Path, tmp_path: Path, open_page
) -> None:
    folder = tmp_path / "other"
    shutil.copytree(web_folder, folder)
    manifest = json.loads((folder / MANIFEST_NAME).read_text())
    manifest |= {"fingerprint": "0" * 64, "requires": ["nvlabs_text_cleaning"]}
    (folder / MANIFEST_NAME).write_text(json.dumps(manifest))
    with open_page(folder) as page:
        assert {"person", "building", "sky"} <= set(chips(page)) and "red car" not in chips(page)
        # The demo's tokenizer does not know them all.
        assert "tokenizer does not know" in page.inner_text("#error")
        for word in ("person", "animal", "vehicle", "building"):
            page.click(f"[aria-label='remove {word}']")
        answered(page)
        wanted = Segmenter.load(folder)(DEMO_SAMPLE, [*chips(page), "HOUSE  "]).labels
        add(page, "#words", "HOUSE  ")
        assert unlike(labels_of(page), wanted) <= 1e-4
        page.fill("#words input", "caf&eacute;")
        page.press("#words input", "Enter")
        page.wait_for_function("document.getElementById('error').textContent.includes('plain letters')")


@pytest.mark.slow
def test_what_is_no_image_and_what_is_two_words_is_said(web_folder: Path, tmp_path: Path, open_page) -> None:
    text = tmp_path / "text.png"
    text.write_text("no image")
    with open_page(web_folder) as page:
        page.set_input_files("#file", str(text))
        page.wait_for_selector("#error:not([hidden])")
        assert "no image that the browser can read" in page.inner_text("#error")
        page.fill("#negatives input", "SKY")
        page.press("#negatives input", "Enter")
        page.wait_for_function("document.getElementById('error').textContent.includes('negative word')")


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_telephone(web_folder: Path, open_page, scheme: str) -> None:
    with open_page(web_folder) as page:
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": 360, "height": 740})
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
