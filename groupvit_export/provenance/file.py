"""`provenance.json`, sealed: of itself it holds a hash, and of the manifest that was written with it.

The manifest cannot hold the hash of this file: it would then differ between two exports of the same input, as
this file does by its date and by the latencies in it.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final

from groupvit_export.provenance.records import FORMAT, SCHEMA_VERSION, Provenance
from groupvit_runtime import strict_json
from groupvit_runtime.errors import BundleError
from groupvit_runtime.manifest import Manifest, read_manifest_value
from groupvit_runtime.manifest.regular_file import open_regular
from groupvit_runtime.open_bundle import OpenBundle
from groupvit_runtime.serialize import from_json, to_json

PROVENANCE_NAME: Final = "provenance.json"
MAX_PROVENANCE_BYTES: Final = 16 << 20

_SEAL: Final = "sha256"
_MANIFEST_SEAL: Final = "manifest_sha256"
_COPY_AGAIN: Final = "copy the bundle again, or export it again"


def provenance_text(provenance: Provenance, manifest: Manifest) -> str:
    """The JSON text that `read_provenance` reads.

    Args:
        provenance: how the bundle came to be.
        manifest: that is written beside it.
    """
    value = {**to_json(provenance), _MANIFEST_SEAL: _manifest_digest(to_json(manifest))}
    return json.dumps({**value, _SEAL: _digest(value)}, indent=2, ensure_ascii=False) + "\n"


def read_provenance(bundle: OpenBundle) -> Provenance:
    """How a bundle came to be.

    Raises:
        BundleError: it does not say, or the file is damaged, was changed, or is of another schema.
    """
    provenance = find_provenance(bundle)
    if provenance is None:
        raise BundleError(
            "the bundle does not say how it came to be",
            got=f"no {PROVENANCE_NAME} in {bundle.root}",
            expected=f"the {PROVENANCE_NAME} that was written with it; only runtimes do without",
            fix="copy the whole folder, or export it again",
        )
    return provenance


def find_provenance(bundle: OpenBundle) -> Provenance | None:
    """How a bundle came to be; None where the file was left behind, as a deployment may.

    Raises:
        BundleError: the file is damaged, was changed, or is of another schema.
    """
    value = _read_value(bundle)
    return None if value is None else from_json(Provenance, value, "provenance", extensible=True)


def is_manifest_sealed(bundle: OpenBundle) -> bool:
    """Whether the manifest has the hash taken when it was written; cached vocabularies may be others.

    False where it was changed since, or the two files are of two exports; True where there is no provenance.

    Raises:
        BundleError: the provenance is damaged, was changed, or is of another schema.
    """
    value = _read_value(bundle)
    return value is None or value[_MANIFEST_SEAL] == _manifest_digest(read_manifest_value(bundle.root))


def check_manifest_seal(bundle: OpenBundle) -> None:
    """Refuse a manifest that is not `is_manifest_sealed`.

    Raises:
        BundleError: it is not, or the provenance cannot be read.
    """
    if not is_manifest_sealed(bundle):
        raise BundleError(
            "the manifest is not the one that was exported",
            got="another sha256",
            expected=f"the one that is recorded in {PROVENANCE_NAME}",
            fix=f"make it anew: {read_provenance(bundle).rebuild}",
        )


def _read_value(bundle: OpenBundle) -> dict[str, Any] | None:
    path = bundle.root / PROVENANCE_NAME
    try:
        with open_regular(path) as file:
            data = file.read(MAX_PROVENANCE_BYTES + 1)
        if len(data) > MAX_PROVENANCE_BYTES:
            raise BundleError(
                f"{PROVENANCE_NAME} is too large to be one",
                got=f"more than {MAX_PROVENANCE_BYTES} bytes",
                expected=f"at most {MAX_PROVENANCE_BYTES}",
                fix=_COPY_AGAIN,
            )
        value = strict_json.loads(data.decode("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(
            f"{PROVENANCE_NAME} cannot be read", got=f"{path}: {error}", fix=_COPY_AGAIN
        ) from error
    _check_schema(value)
    if value.get(_SEAL) != _digest({key: item for key, item in value.items() if key != _SEAL}):
        raise BundleError(
            f"{PROVENANCE_NAME} is not the one that was exported",
            got=f"contents of another sha256 than {value.get(_SEAL)!r}",
            expected="the file as it was written",
            fix=_COPY_AGAIN,
        )
    return {key: item for key, item in value.items() if key != _SEAL}


def _check_schema(value: Any) -> None:
    version = value.get("schema_version") if isinstance(value, dict) else None
    major = version.get("major") if isinstance(version, dict) else None
    marked = isinstance(value, dict) and value.get("format") == FORMAT and _MANIFEST_SEAL in value
    if not marked or type(major) is not int or major != SCHEMA_VERSION.major:
        raise BundleError(
            f"{PROVENANCE_NAME} has a schema version that this toolkit does not know",
            got=f"schema_version {version!r}",
            expected=f"{FORMAT} {SCHEMA_VERSION.major}.x",
            fix="export the bundle again with this toolkit, or install the version that wrote it",
        )


def _manifest_digest(value: dict[str, Any]) -> str:
    # `groupvit vocab --add` changes these, and nothing else.
    return _digest({key: item for key, item in value.items() if key != "vocabularies"})


def _digest(value: dict[str, Any]) -> str:
    """sha256 of the value written in one way: keys sorted, no white space."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
