"""`manifest.json`: everything a runtime needs to use a bundle, as frozen dataclasses.

The engine files beside it stay byte-pure; whatever must be known to run them is here. How the bundle came to
be is in `provenance.json`, which no runtime reads.
"""

from __future__ import annotations

from groupvit_runtime.manifest.engine_info import (
    DecodeName,
    EngineInfo,
    ProfileInfo,
    QuantizationInfo,
    Role,
    TensorInfo,
    TensorRTInfo,
)
from groupvit_runtime.manifest.file_info import FileInfo, sha256_of
from groupvit_runtime.manifest.reading import (
    MANIFEST_NAME,
    MAX_MANIFEST_BYTES,
    check_decode,
    check_digest,
    is_bundle,
    manifest_of,
    parse_manifest,
    read_manifest,
    read_manifest_value,
    read_pinned_manifest,
    with_vocabularies,
)
from groupvit_runtime.manifest.records import (
    FORMAT,
    NVLABS_TEXT_CLEANING,
    SCHEMA_VERSION,
    DecodeInfo,
    Manifest,
    MeasuredInfo,
    ModelInfo,
    Preprocessings,
    SchemaVersion,
    Verdict,
    VocabularyInfo,
)

__all__ = [
    "FORMAT",
    "MANIFEST_NAME",
    "MAX_MANIFEST_BYTES",
    "NVLABS_TEXT_CLEANING",
    "SCHEMA_VERSION",
    "DecodeInfo",
    "DecodeName",
    "EngineInfo",
    "FileInfo",
    "Manifest",
    "MeasuredInfo",
    "ModelInfo",
    "Preprocessings",
    "ProfileInfo",
    "QuantizationInfo",
    "Role",
    "SchemaVersion",
    "TensorInfo",
    "TensorRTInfo",
    "Verdict",
    "VocabularyInfo",
    "check_decode",
    "check_digest",
    "is_bundle",
    "manifest_of",
    "parse_manifest",
    "read_manifest",
    "read_manifest_value",
    "read_pinned_manifest",
    "sha256_of",
    "with_vocabularies",
]
