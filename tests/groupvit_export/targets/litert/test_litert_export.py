"""Converting, where the converter is: `make test-litert`."""

from __future__ import annotations

from pathlib import Path

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


@pytest.mark.parametrize("batch", [1, 3])
def test_a_file_equals_the_reference_ties_included(tiny: Path, tmp_path: Path, batch: int) -> None:
    bundle = export(tiny, tmp_path / "bundle", "fp32", batch)
    assert {path.name for path in bundle.iterdir()} == {
        "image.tflite",
        "text.tflite",
        "manifest.json",
        "provenance.json",
        "tokenizer.json",
    }
    parity = provenance_of(bundle).parity
    assert (parity.verdict, parity.first, parity.substitute) == ("PASS", None, None)
    rows = {row.name: row for row in parity.rows}
    for stage in (1, 2):
        assert rows[f"stage_{stage}_safe_flips"].value == 0
        assert rows[f"grouping_{stage}_alone_decisions"].value == 0
    assert read_manifest(bundle).engine("image").max_batch == batch
