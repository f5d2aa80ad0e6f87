"""Faults that half precision does not excuse: its budgets are wider, and must not be too wide."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
from bad_bundles import edit_manifest
from planted import (
    GRAPH_FAULTS,
    MANIFEST_FAULTS,
    Change,
    in_half,
    matrices,
    perturb,
    plant,
)
from verifying import demo_subject, engine_backend, examine_backends

from groupvit_export.verification.checks.contract import manifest_cells
from groupvit_export.verification.inputs import bundled_scenes
from groupvit_export.verification.words import finding_words
from groupvit_runtime.open_bundle import open_bundle

SMALL = {"TF32", "one weight perturbed by 1 %", "one number perturbed by 1 %"}
"""They change less than half precision itself does: TF32 has the mantissa of fp16."""


def _one_matrix_by_half(model) -> None:
    perturb(matrices(model)[2], relative=0.5)(model)


FAULTS: dict[str, Change] = {name: change for name, (change, _) in GRAPH_FAULTS.items() if name not in SMALL}
FAULTS["one weight perturbed by 50 %"] = _one_matrix_by_half


@pytest.fixture(scope="module")
def half_bundles(
    demo_bundles: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("half")
    return {
        precision: in_half(demo_bundles["onnx"], folder / precision, precision)
        for precision in ("fp16", "bf16")
    }


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp16", "bf16"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_graph_fails(
    half_bundles: dict[str, Path], tmp_path: Path, fault: str, precision: str
) -> None:
    bundle = plant(half_bundles[precision], tmp_path / "bundle", FAULTS[fault])
    backend = engine_backend(bundle, tmp_path / "cut")
    substitution = backend.column.substitution
    assert substitution is not None and substitution.precision == precision
    report = examine_backends(demo_subject(), backend, precision=precision)
    assert report.verdict == "FAIL"
    (finding,) = report.findings
    assert finding.row.stage == 1, finding_words(finding)


@pytest.mark.parametrize("fault", MANIFEST_FAULTS)
def test_a_fault_in_the_manifest_fails(half_bundles: dict[str, Path], tmp_path: Path, fault: str) -> None:
    change, row = MANIFEST_FAULTS[fault]
    bundle = Path(shutil.copytree(half_bundles["bf16"], tmp_path / "bundle"))
    images = dict(list(bundled_scenes().items())[:1])
    sound = manifest_cells(demo_subject(), open_bundle(bundle), images)
    assert {cell.verdict for cell in sound.values()} == {"PASS"}
    edit_manifest(bundle, change)
    cells = manifest_cells(demo_subject(), open_bundle(bundle), images)
    assert [key.slug for key, cell in cells.items() if cell.verdict == "FAIL"] == [row]
