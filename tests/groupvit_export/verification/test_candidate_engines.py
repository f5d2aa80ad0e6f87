"""Columns for other targets: made as the bundle was made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import groupvit_export.verification.candidate_engines as columns
from groupvit_export.checkpoint.load import load_checkpoint
from groupvit_export.data.bundled import DEMO_CHECKPOINT
from groupvit_export.errors import UsageError
from groupvit_export.metrics.budget import LabelBudget
from groupvit_export.provenance import (
    Calibration,
    LabelLimits,
    Provenance,
    QuantizationRecord,
    read_provenance,
)
from groupvit_export.verification.candidate_engines import build_candidate, calibration_folder
from groupvit_runtime.manifest import QuantizationInfo
from groupvit_runtime.open_bundle import OpenBundle, open_bundle


def in_int8(bundle: Path, calibration: Path | None) -> tuple[OpenBundle, Provenance]:
    """A bundle that says that it is int8, and how it became so."""
    opened = open_bundle(bundle)
    provenance = read_provenance(opened)
    folder = None if calibration is None else str(calibration)
    made_with = Calibration("bundled" if folder is None else "folder", folder, True, 4, 4, 4)
    record = QuantizationRecord("NNCF", made_with, LabelLimits(2.0, 98.0), ())
    engine = replace(opened.manifest.engine("image"), precision="int8", quantization=QuantizationInfo())
    manifest = replace(opened.manifest, engines=(engine, opened.manifest.engine("text")))
    image = replace(provenance.engine("image"), quantization=record)
    return (
        replace(opened, manifest=manifest),
        replace(provenance, engines=(image, provenance.engine("text"))),
    )


class Stop(Exception):
    pass


def test_another_target_is_calibrated_on_the_images_of_the_bundle(
    demo_bundles: Mapping[str, Path], few_scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, Any] = {}

    def build(source: object, options: object, folder: Path, scratch: Path, **rest: Any) -> None:
        seen.update(rest, options=options)
        raise Stop

    monkeypatch.setattr(columns, "build_engines", build)
    bundle, provenance = in_int8(demo_bundles["onnx"], few_scenes)
    checkpoint = load_checkpoint(DEMO_CHECKPOINT)
    folder = calibration_folder(provenance, None)
    with pytest.raises(Stop):
        build_candidate(
            bundle,
            provenance,
            checkpoint,
            "openvino",
            folder,
            tmp_path / "built",
            lambda what, share, seconds: None,
        )
    assert sorted(seen["images"].images) == sorted(path.stem for path in (few_scenes / "images").iterdir())
    options = seen["options"]
    assert (options.target, options.precision, options.passes) == (
        "openvino",
        "int8",
        provenance.passes,
    )
    assert options.quantization.budget == LabelBudget(max_miou_drop=2.0, min_agreement=98.0)
    record = provenance.engine("image").quantization.calibration
    assert options.quantization.limit == record.images + record.held_out
    # The bundle's own sums may saturate, so nothing is gained if those of another target may not.
    assert not options.quantization.saturation_safe


def test_images_that_have_moved_can_be_named(demo_bundles: Mapping[str, Path], tmp_path: Path) -> None:
    _, provenance = in_int8(demo_bundles["onnx"], tmp_path / "moved")
    with pytest.raises(UsageError, match=r"moved(.|\n)*--calibration DIR"):
        calibration_folder(provenance, None)
    assert calibration_folder(provenance, tmp_path) == tmp_path


def test_the_packages_own_images_need_no_folder(demo_bundles: Mapping[str, Path]) -> None:
    assert calibration_folder(in_int8(demo_bundles["onnx"], None)[1], None) is None
    assert calibration_folder(read_provenance(open_bundle(demo_bundles["onnx"])), None) is None
