"""Converting, where the converter is: `make test-litert`."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from litert_bundle import tiny_model, write_checkpoint
from made import provenance_of
from PIL import Image

from groupvit_export.checkpoint.load import build_model, load_checkpoint
from groupvit_export.pipeline.api import ExportOptions, export_bundle
from groupvit_export.targets.litert.options import LiteRTOptions
from groupvit_export.targets.litert.signatures import write_model
from groupvit_runtime import Segmenter
from groupvit_runtime.manifest import read_manifest

REPOSITORY = Path(__file__).resolve().parents[4]

pytestmark = pytest.mark.slow
pytest.importorskip(
    "litert_torch", reason="LiteRT's converter has an environment of its own: make test-litert"
)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint") / "tiny"
    write_checkpoint(tiny_model(), folder)
    return folder


def export(tiny: Path, output: Path, precision: str, batch: int = 1) -> Path:
    options = LiteRTOptions(batch=batch)
    export_bundle(
        ExportOptions(
            target="litert",
            precision=precision,
            checkpoint=str(tiny),
            target_options=options,
            output=output,
        )
    )
    return output


def test_the_whole_model_has_the_entry_points_of_tensorflows_class(tiny: Path, tmp_path: Path) -> None:
    from ai_edge_litert.interpreter import Interpreter

    theirs = tiny_model().double()
    write_model(tmp_path, build_model(load_checkpoint(str(tiny))), (32, 32), "fp32", images=2, sentences=3)
    interpreter = Interpreter(str(tmp_path / "model.tflite"))
    random = np.random.default_rng(0)
    ids = random.integers(2, 29, (3, 12)).astype(np.int32)
    ids[:, 9] = 29
    mask = np.ones((3, 12), np.int32)
    mask[1, 5:8] = 0
    pixels = random.normal(size=(2, 3, 32, 32)).astype(np.float32)
    given = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}
    wide = torch.from_numpy(pixels).double()
    with torch.no_grad():
        wanted = theirs(**given, pixel_values=wide, output_segmentation=True)
        text = theirs.text_projection(theirs.text_model(**given).pooler_output)
        image = theirs.visual_projection(theirs.vision_model(wide).pooler_output)
    found = interpreter.get_signature_runner("serving_default")(
        input_ids=ids, attention_mask=mask, pixel_values=pixels
    )
    names = {"logits_per_image", "logits_per_text", "image_embeds", "text_embeds", "segmentation_logits"}
    assert set(found) == names
    for name, value in found.items():
        np.testing.assert_allclose(value, getattr(wanted, name).numpy(), atol=2e-4, rtol=1e-4)
    run = interpreter.get_signature_runner("get_text_features")
    found = run(input_ids=ids, attention_mask=mask)["text_features"]
    np.testing.assert_allclose(found, text.numpy(), atol=1e-5)
    run = interpreter.get_signature_runner("get_image_features")
    np.testing.assert_allclose(run(pixel_values=pixels)["image_features"], image.numpy(), atol=1e-5)


def test_a_bundle_with_the_whole_model_is_called_without_this_project(tiny: Path, tmp_path: Path) -> None:
    """examples/tensorflow/call.py gives the labels of transformers' own decode, as the runtime has it."""
    options = LiteRTOptions(sentences=4)
    bundle, image, labels = tmp_path / "bundle", tmp_path / "image.png", tmp_path / "labels.png"
    export_bundle(
        ExportOptions(
            target="litert", precision="fp32", checkpoint=str(tiny), target_options=options, output=bundle
        )
    )
    rgb = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    Image.fromarray(rgb).save(image)
    names = ["sky", "water", "tree"]
    script = REPOSITORY / "examples" / "tensorflow" / "call.py"
    command = [sys.executable, script, bundle, image, ",".join(names), labels]
    subprocess.run(command, check=True, env=os.environ | {"PYTHONPATH": ""})
    ours = Segmenter.load(bundle, decode="hf")(rgb, names).labels
    assert np.mean(np.asarray(Image.open(labels)) == ours) > 0.99


def constants(path: Path) -> list[np.ndarray]:
    """Weights of the products of a file."""
    from groupvit_export.targets.litert.flatbuffer import Graph

    graph = Graph(path.read_bytes())
    found = []
    for op in graph.graph.operators:
        if graph.kind(op) != "FULLY_CONNECTED" or not graph.is_weight(int(op.inputs[1])):
            continue
        maker = graph.maker(int(op.inputs[1]))
        stored = int(op.inputs[1]) if maker is None else int(maker.inputs[0])
        data = np.asarray(graph.model.buffers[graph.graph.tensors[stored].buffer].data, np.uint8)
        found.append(data.view(f"V{len(data) // math.prod(graph.shape(stored))}"))
    return found


@pytest.mark.parametrize(("precision", "batch"), [("fp32", 1), ("fp32", 3), ("w16", 1)])
def test_a_file_equals_the_reference_ties_included(
    tiny: Path, tmp_path: Path, precision: str, batch: int
) -> None:
    bundle = export(tiny, tmp_path / "bundle", precision, batch)
    assert {path.name for path in bundle.iterdir()} == {
        "image.tflite",
        "text.tflite",
        "manifest.json",
        "provenance.json",
        "tokenizer.json",
    }
    size = {"fp32": 4, "w16": 2}[precision]
    weights = [tensor for tensor in constants(bundle / "image.tflite") if tensor.size >= 256]
    assert weights and {tensor.itemsize for tensor in weights} == {size}
    parity = provenance_of(bundle).parity
    assert (parity.verdict, parity.first, parity.substitute) == ("PASS", None, None)
    rows = {row.name: row for row in parity.rows}
    for stage in (1, 2):
        assert rows[f"stage_{stage}_safe_flips"].value == 0
        assert rows[f"grouping_{stage}_alone_decisions"].value == 0
    assert read_manifest(bundle).engine("image").max_batch == batch


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_two_exports_differ_in_nothing_but_when_they_were_made(
    tiny: Path, tmp_path: Path, precision: str
) -> None:
    first, second = (export(tiny, tmp_path / name / "bundle", precision) for name in ("a", "b"))
    ours, theirs = ({path.name: path.read_bytes() for path in folder.iterdir()} for folder in (first, second))
    assert ours.keys() == theirs.keys()
    assert {name for name in ours if ours[name] != theirs[name]} == {"provenance.json"}


def test_the_verbs_know_it(tiny: Path, tmp_path: Path) -> None:
    """`verify --targets` puts another target beside it, `bench` times both, `inspect` says what it is."""

    def groupvit(*arguments: object) -> str:
        command = [sys.executable, "-m", "groupvit_export.cli", *map(str, arguments)]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout

    bundle, times = export(tiny, tmp_path / "bundle", "fp32"), tmp_path / "times.json"
    report = json.loads(groupvit("verify", bundle, "--targets", "onnx", "--limit", 1, "--json"))
    assert report["verdict"] == "PASS"
    columns = [column["target"] for column in report["report"]["columns"] if column["target"]]
    assert columns == ["litert", "onnx"]
    groupvit("bench", bundle, "--labels", "sky,tree", "--rounds", 3, "--cold", 1, "--json", times)
    (record,) = map(json.loads, times.read_text().splitlines())
    assert record["engine"].startswith("LiteRT")
    assert "image engine: litert fp32" in groupvit("inspect", bundle)
