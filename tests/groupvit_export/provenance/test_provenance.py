"""`provenance.json`: read as it was written, and whatever was changed since is found."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bad_bundles import edit_manifest, flip_a_bit, with_additions
from damaged_bundles import full_manifest

from groupvit_export.provenance import (
    PROVENANCE_NAME,
    Calibration,
    CheckpointInfo,
    EngineProvenance,
    Float32Nodes,
    LabelLimits,
    ParityRow,
    ParitySummary,
    PrecisionRow,
    Provenance,
    QuantizationRecord,
    QuantizedLayer,
    check_manifest_seal,
    find_provenance,
    provenance_text,
    read_provenance,
)
from groupvit_export.provenance.file import _digest
from groupvit_runtime import Segmenter
from groupvit_runtime.errors import BundleError
from groupvit_runtime.manifest import MANIFEST_NAME, SchemaVersion, with_vocabularies
from groupvit_runtime.open_bundle import OpenBundle, open_bundle


def full_provenance() -> Provenance:
    """One in which nothing is left out or empty."""
    calibration = Calibration("folder", "images", has_masks=False, images=64, ranked=4, held_out=63)
    layers = (QuantizedLayer("blocks.0", True, 0.5), QuantizedLayer("blocks.1", False, None))
    return Provenance(
        created="2026-01-01T00:00:00+00:00",
        command="groupvit export --target openvino -o 猫",
        rebuild="groupvit export --target openvino --precision int8",
        versions={"groupvit-export": "0.2.0"},
        checkpoint=CheckpointInfo("a folder", "nvlabs"),
        passes=("fold_projections",),
        engines=(
            EngineProvenance(
                "image",
                (Float32Nodes("decides", ("argmax", "norm")),),
                QuantizationRecord("percentile", calibration, LabelLimits(1.0, 99.0), layers),
            ),
            EngineProvenance("text"),
        ),
        parity=ParitySummary(
            "AMBIGUOUS",
            ("photographs",),
            (
                ParityRow("masks", "PASS", 1e-6, 1e-3, "of 12"),
                ParityRow("flips", None, float("inf"), None, ""),
            ),
            "masks left it",
            "another engine",
        ),
        precisions=(PrecisionRow("int8", "PASS", 81.0, 99.5, None, "scenes"),),
    )


@pytest.fixture
def bundle(tmp_path: Path) -> OpenBundle:
    manifest = full_manifest()
    (tmp_path / MANIFEST_NAME).write_text(manifest.to_text(), encoding="utf-8")
    (tmp_path / PROVENANCE_NAME).write_text(provenance_text(full_provenance(), manifest), encoding="utf-8")
    return OpenBundle(tmp_path, tmp_path, manifest, digest="0" * 64)


def rewrite(bundle: OpenBundle, change: Callable[[dict[str, Any]], object], *, seal: bool = True) -> None:
    path = bundle.root / PROVENANCE_NAME
    value = json.loads(path.read_text(encoding="utf-8"))
    change(value)
    if seal:
        value["sha256"] = _digest({key: item for key, item in value.items() if key != "sha256"})
    path.write_text(json.dumps(value), encoding="utf-8")


def test_nothing_of_it_is_lost(bundle: OpenBundle) -> None:
    provenance = read_provenance(bundle)
    assert provenance == full_provenance()
    assert provenance.parity.rows[1].value is None, "JSON has no infinity"
    record = provenance.engine("image").quantization
    assert record is not None and record.quantized == 1
    check_manifest_seal(bundle)


@pytest.mark.parametrize(
    "change",
    [
        lambda value: value["parity"].update(verdict="PASS"),
        lambda value: value["parity"]["rows"][0].update(value=0.0),
        lambda value: value.update(command="true"),
        lambda value: value.update(more=1),
        lambda value: value.pop("sha256"),
        lambda value: value.update(manifest_sha256="0" * 64),
    ],
)
def test_a_change_is_found(bundle: OpenBundle, change: Callable[[dict[str, Any]], object]) -> None:
    rewrite(bundle, change, seal=False)
    for read in (read_provenance, find_provenance, check_manifest_seal):
        with pytest.raises(BundleError, match="not the one that was exported"):
            read(bundle)


def test_spaces_and_order_are_no_change(bundle: OpenBundle) -> None:
    path = bundle.root / PROVENANCE_NAME
    path.write_text(json.dumps(json.loads(path.read_text()), sort_keys=True))
    assert read_provenance(bundle) == full_provenance()


@pytest.mark.parametrize(
    "change",
    [
        lambda value: value.update(verdict="PASS"),
        lambda value: value["preprocessing"]["hf"].update(mean=[0, 0, 0]),
        lambda value: value["engines"][0]["files"][0].update(sha256="1" * 64),
        lambda value: value.update(added="a field that no record knows"),
    ],
)
def test_a_change_of_the_manifest_is_found(
    bundle: OpenBundle, change: Callable[[dict[str, Any]], object]
) -> None:
    edit_manifest(bundle.root, change)
    with pytest.raises(BundleError, match="manifest is not the one(.|\n)*groupvit export --target openvino"):
        check_manifest_seal(bundle)
    assert read_provenance(bundle) == full_provenance()


def test_a_cached_vocabulary_is_no_change(bundle: OpenBundle) -> None:
    path = bundle.root / MANIFEST_NAME
    path.write_text(with_vocabularies(json.loads(path.read_text(encoding="utf-8")), ()), encoding="utf-8")
    check_manifest_seal(bundle)


def test_what_a_newer_minor_version_adds_is_ignored(bundle: OpenBundle) -> None:
    def add(value: dict[str, Any]) -> None:
        value.update(with_additions(value))
        value["schema_version"]["minor"] = 7

    rewrite(bundle, add)
    assert read_provenance(bundle) == replace(full_provenance(), schema_version=SchemaVersion(1, 7))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda value: value["schema_version"].update(major=2), "schema version"),
        (lambda value: value.update(schema_version=1), "schema version"),
        (lambda value: value.update(format="groupvit-bundle"), "schema version"),
        (lambda value: value.pop("manifest_sha256"), "schema version"),
        (lambda value: value.pop("passes"), "not those of this schema"),
        (lambda value: value["parity"].update(verdict="pass"), "another type"),
    ],
)
def test_what_cannot_be_read_is_refused(
    bundle: OpenBundle, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    rewrite(bundle, change)
    with pytest.raises(BundleError, match=message):
        read_provenance(bundle)


@pytest.mark.parametrize("data", [b"", b"[]", b"null", b"{", b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_object_is_refused(bundle: OpenBundle, data: bytes) -> None:
    (bundle.root / PROVENANCE_NAME).write_bytes(data)
    with pytest.raises(BundleError, match="provenance"):
        find_provenance(bundle)


def test_a_bundle_without_it_runs_and_only_tools_ask_for_it(
    demo_bundles: Mapping[str, Path], tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(demo_bundles["openvino"], tmp_path / "bundle"))
    (copy / PROVENANCE_NAME).unlink()
    Segmenter.load(copy)
    opened = open_bundle(copy)
    assert find_provenance(opened) is None
    check_manifest_seal(opened)
    with pytest.raises(BundleError, match="does not say how it came to be"):
        read_provenance(opened)


def test_an_exported_bundle_is_sealed(demo_bundle: Path, tmp_path: Path) -> None:
    opened = open_bundle(demo_bundle)
    provenance = read_provenance(opened)
    check_manifest_seal(opened)
    assert provenance.parity.verdict == opened.manifest.verdict == "PASS"
    assert str(Path.home()) not in (demo_bundle / PROVENANCE_NAME).read_text()
    copy = Path(shutil.copytree(demo_bundle, tmp_path / "bundle"))
    flip_a_bit(copy, PROVENANCE_NAME)
    with pytest.raises(BundleError):
        read_provenance(open_bundle(copy))
