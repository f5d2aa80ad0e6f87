"""Which images and rows decide when an int8 bundle is verified."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from verifying import demo_subject

from groupvit_export.data.images import read_images
from groupvit_export.provenance import Calibration, LabelLimits, QuantizationRecord
from groupvit_export.verification.backends import Backend, eager
from groupvit_export.verification.inputs import class_words
from groupvit_export.verification.int8_criteria import MIOU, PIXELS
from groupvit_export.verification.rows import RowKey
from groupvit_export.verification.validation_set import ValidationSet
from groupvit_runtime.manifest import read_manifest

BUNDLED = Calibration("bundled", None, has_masks=True, images=9, ranked=4, held_out=9)
MINE = Calibration("folder", "mine", has_masks=True, images=20, ranked=4, held_out=20)
BUDGET = LabelLimits(max_miou_drop=1.5, min_agreement=98.5)
RECORD = QuantizationRecord("NNCF", BUNDLED, BUDGET, ())


@pytest.fixture(scope="module")
def reference() -> Backend:
    return eager(demo_subject().model, "fp32")


@pytest.mark.parametrize(
    ("calibration", "with_images", "deciding"),
    [
        (BUNDLED, False, {PIXELS, MIOU}),
        (MINE, False, set()),
        (MINE, True, {PIXELS}),
        (replace(MINE, has_masks=False), True, {PIXELS, MIOU}),
    ],
)
def test_budgets_decide_about_the_images_that_they_mean(
    demo_bundles: Mapping[str, Path],
    reference: Backend,
    tmp_path: Path,
    calibration: Calibration,
    with_images: bool,
    deciding: set[RowKey],
) -> None:
    Image.fromarray(np.full((40, 30, 3), 90, np.uint8)).save(tmp_path / "a.png")
    Image.fromarray(np.full((40, 30, 3), 30, np.uint8)).save(tmp_path / "b.png")
    bundle = demo_bundles["onnx"]
    manifest = read_manifest(bundle)
    held_out = ValidationSet.of(
        demo_subject().decoding(manifest.decode.default),
        replace(RECORD, calibration=calibration),
        partial(
            class_words, bundle / "tokenizer.json", manifest.model, manifest.prompts, nvlabs_cleaning=False
        ),
        read_images(tmp_path, 1) if with_images else None,
        None,
        7,
        demo=True,
    )
    assert held_out.decides == deciding
    assert held_out.budget.limits == BUDGET
    assert bool(held_out.notes) == (deciding != {PIXELS, MIOU})
    # The package's own: of the nine that an export holds out.
    assert len(held_out.judge.judged.images) == (1 if with_images else 7)
    if not with_images:
        return
    # Of the images that were asked for, so many as were asked for.
    assert list(held_out.judge.judged.images) == ["a.png"]
    cells = held_out.cells(reference, [reference])[reference.column.name]
    assert {row for row, cell in cells.items() if cell.verdict is not None} == deciding
    assert cells[PIXELS].value == 0
