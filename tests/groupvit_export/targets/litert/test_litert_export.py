"""Converting, where the converter is: `make test-litert`."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from litert_bundle import tiny_model, write_checkpoint
from made import provenance_of

from groupvit_export.pipeline.api import ExportOptions, export_bundle
from groupvit_export.targets.litert.options import LiteRTOptions
from groupvit_runtime.manifest import read_manifest

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
