"""How a bundle came to be, by its path."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from groupvit_export.provenance import (
    PROVENANCE_NAME,
    Provenance,
    QuantizationRecord,
    provenance_text,
    read_provenance,
)
from groupvit_runtime.manifest import read_manifest
from groupvit_runtime.open_bundle import open_bundle


def provenance_of(bundle: Path) -> Provenance:
    return read_provenance(open_bundle(bundle))


def come_from(bundle: Path, source: str) -> None:
    """Record another checkpoint, sealed as an export would."""
    provenance, manifest = provenance_of(bundle), read_manifest(bundle)
    changed = replace(provenance, checkpoint=replace(provenance.checkpoint, source=source))
    (bundle / PROVENANCE_NAME).write_text(provenance_text(changed, manifest), encoding="utf-8")


def use_passes(bundle: Path, names: tuple[str, ...]) -> None:
    """Record other graph passes, sealed as an export would."""
    changed = replace(provenance_of(bundle), passes=names)
    (bundle / PROVENANCE_NAME).write_text(provenance_text(changed, read_manifest(bundle)), encoding="utf-8")


def quantization_of(bundle: Path) -> QuantizationRecord:
    """Of the image engine of an int8 bundle."""
    record = provenance_of(bundle).engine("image").quantization
    assert record is not None
    return record
