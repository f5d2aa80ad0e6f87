"""`provenance.json`: how a bundle came to be. For tools; a runtime reads the manifest alone."""

from __future__ import annotations

from groupvit_export.provenance.file import (
    PROVENANCE_NAME,
    check_manifest_seal,
    find_provenance,
    is_manifest_sealed,
    provenance_text,
    read_provenance,
)
from groupvit_export.provenance.records import (
    AlternativeProvenance,
    Calibration,
    Candidate,
    CheckpointInfo,
    EngineProvenance,
    Float32Nodes,
    LabelLimits,
    ParityRow,
    ParitySummary,
    PrecisionChoice,
    PrecisionRow,
    Provenance,
    QuantizationRecord,
    QuantizedLayer,
)

__all__ = [
    "PROVENANCE_NAME",
    "AlternativeProvenance",
    "Calibration",
    "Candidate",
    "CheckpointInfo",
    "EngineProvenance",
    "Float32Nodes",
    "LabelLimits",
    "ParityRow",
    "ParitySummary",
    "PrecisionChoice",
    "PrecisionRow",
    "Provenance",
    "QuantizationRecord",
    "QuantizedLayer",
    "check_manifest_seal",
    "find_provenance",
    "is_manifest_sealed",
    "provenance_text",
    "read_provenance",
]
