"""`manifest.json` to its records: refused where it cannot be followed; what is not known is ignored."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, cast, get_args

from groupvit_runtime import strict_json
from groupvit_runtime.errors import BundleError, UsageError
from groupvit_runtime.manifest.consistency import check_consistency
from groupvit_runtime.manifest.engine_info import DecodeName
from groupvit_runtime.manifest.records import (
    FORMAT,
    KNOWN_REQUIREMENTS,
    SCHEMA_VERSION,
    Manifest,
    VocabularyInfo,
)
from groupvit_runtime.manifest.regular_file import open_regular
from groupvit_runtime.serialize import from_json, to_json

MANIFEST_NAME: Final = "manifest.json"
MAX_MANIFEST_BYTES: Final = 4 << 20

_EXPORT: Final = "groupvit export --target openvino -o my-bundle"
_LAST_UNMARKED: Final = 4
"""Up to this version the schema was one number, and the file had no `format`."""


def read_manifest(root: Path) -> Manifest:
    """Read and check `manifest.json` of the bundle at `root`; no engine file is opened.

    Raises:
        BundleError: `root` is no bundle, or its manifest is damaged or of another schema.
    """
    return read_pinned_manifest(root, None)[0]


def read_pinned_manifest(root: Path, digest: str | None) -> tuple[Manifest, str]:
    """Like `read_manifest`, and gives the bundle's digest: the sha256 of the file's bytes.

    Args:
        root: the bundle's folder.
        digest: that the bundle must have; None for any.

    Raises:
        BundleError: what `read_manifest` raises, or the digest is another one.
        UsageError: `digest` is none.
    """
    data, where = _read(root), str(root / MANIFEST_NAME)
    found = check_digest(data, digest, where)
    return manifest_of(data, where), found


def manifest_of(data: bytes, where: str) -> Manifest:
    """Like `parse_manifest`, of a file's bytes.

    Raises:
        BundleError: what `parse_manifest` raises, or they are no text.
    """
    return parse_manifest(_text(data, where), where)


def check_digest(data: bytes, expected: str | None, where: str) -> str:
    """The digest of a bundle with this manifest, before anything in it is believed.

    Raises:
        BundleError: another one was expected.
        UsageError: what was expected is no digest.
    """
    found = hashlib.sha256(data).hexdigest()
    if expected is None:
        return found
    if re.fullmatch("[0-9a-f]{64}", expected.lower()) is None:
        raise UsageError(
            "this is not the digest of a bundle",
            got=repr(expected[:80]),
            expected="64 hexadecimal digits",
            fix="groupvit inspect BUNDLE, or sha256sum BUNDLE/manifest.json, where the bundle is trusted",
        )
    if found != expected.lower():
        raise BundleError(
            "this is not the bundle that was asked for",
            got=f"{where} with digest {found}",
            expected=expected.lower(),
            fix="get the bundle again from where it was exported; or, if it was changed on purpose, "
            "as by groupvit vocab --add, ask for its new digest",
        )
    return found


def parse_manifest(text: str, where: str) -> Manifest:
    """Decode the text of a manifest; `where` names it in messages.

    Raises:
        BundleError: it is no JSON, no bundle's, of another major schema version, breaks the schema, or needs
            what this runtime does not have.
    """
    value = _parse(text, where)
    _check_schema(value, where)
    _check_requirements(value)
    manifest = from_json(Manifest, value, "manifest", extensible=True)
    roles = [engine.role for engine in manifest.engines]
    if len(set(roles)) != len(roles) or any(not engine.files for engine in manifest.engines):
        raise BundleError(
            "the engines of the manifest contradict each other",
            got=roles,
            expected="one image and one text engine, each with its files",
            fix="export the bundle again",
        )
    check_consistency(manifest)
    return manifest


def read_manifest_value(root: Path) -> dict[str, Any]:
    """The JSON object itself, with whatever this version does not know of; checked as by `read_manifest`.

    Raises:
        BundleError: what `read_manifest` raises.
    """
    where = str(root / MANIFEST_NAME)
    text = _text(_read(root), where)
    parse_manifest(text, where)
    return cast(dict[str, Any], _parse(text, where))


def with_vocabularies(value: dict[str, Any], vocabularies: Sequence[VocabularyInfo]) -> str:
    """The text of a manifest with these cached vocabularies, and all else as it was."""
    changed = {**value, "vocabularies": to_json(tuple(vocabularies))}
    return json.dumps(changed, indent=2, ensure_ascii=False) + "\n"


def is_bundle(folder: Path) -> bool:
    """Whether a folder was written by `groupvit export`, of whatever schema; nothing else is checked."""
    try:
        value = _parse(_text(_read(folder), str(folder)), str(folder))
    except BundleError:
        return False
    return isinstance(value, dict) and (value.get("format") == FORMAT or _is_unmarked(value))


def check_decode(decode: str) -> DecodeName:
    """Refuse what is not the name of a decode.

    Raises:
        UsageError: it is not.
    """
    if decode not in get_args(DecodeName):
        raise UsageError("unknown decode", got=repr(decode), expected=" or ".join(get_args(DecodeName)))
    return cast(DecodeName, decode)


def _read(root: Path) -> bytes:
    path = root / MANIFEST_NAME
    try:
        with open_regular(path) as file:
            # One byte more than is allowed tells a file that is too large, whatever its size was said to be.
            data = file.read(MAX_MANIFEST_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BundleError(
            "this is not a bundle",
            got=f"no {MANIFEST_NAME} in {root}",
            expected="a folder (or .zip) written by `groupvit export`",
            fix=_EXPORT,
        ) from error
    except OSError as error:
        raise BundleError(
            "the manifest cannot be read", got=f"{path}: {error}", fix="export the bundle again"
        ) from error
    if len(data) > MAX_MANIFEST_BYTES:
        raise BundleError(
            "the manifest is too large to be one",
            got=f"more than {MAX_MANIFEST_BYTES} bytes",
            expected=f"at most {MAX_MANIFEST_BYTES}",
            fix="export the bundle again",
        )
    return data


def _text(data: bytes, where: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BundleError(
            "the manifest cannot be read", got=f"{where}: {error}", fix="export the bundle again"
        ) from error


def _parse(text: str, where: str) -> Any:
    try:
        return strict_json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BundleError(
            "the manifest is not JSON", got=f"{where}: {error}", fix="copy or export the bundle again"
        ) from error


def _is_unmarked(value: dict[str, Any]) -> bool:
    version = value.get("schema_version")
    return (
        type(version) is int
        and "format" not in value
        and 1 <= version <= _LAST_UNMARKED
        and {"toolkit_version", "checkpoint", "engines"} <= set(value)
    )


def _check_schema(value: Any, where: str) -> None:
    if isinstance(value, dict) and _is_unmarked(value):
        command = value.get("command")
        made = isinstance(command, str) and command.startswith("groupvit ")
        raise BundleError(
            "the bundle has an older schema version than this runtime reads",
            got=f"schema_version {value['schema_version']} in {where}",
            expected=f"{SCHEMA_VERSION.major}.x",
            fix=f"make it anew with this toolkit: {command if made else _EXPORT}",
        )
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise BundleError(
            f"this {MANIFEST_NAME} is not the manifest of a bundle",
            got=where,
            expected=f'an object with "format": "{FORMAT}"',
            fix=_EXPORT,
        )
    version = value.get("schema_version")
    major = version.get("major") if isinstance(version, dict) else None
    if type(major) is not int or major != SCHEMA_VERSION.major:
        raise BundleError(
            "the bundle has a schema version that this runtime does not know",
            got=f"schema_version {version!r} in {where}",
            expected=f"{SCHEMA_VERSION.major}.x",
            fix="export the bundle again with this toolkit, or install the version that wrote it",
        )


def _check_requirements(value: dict[str, Any]) -> None:
    # Whatever a minor version adds that must not be ignored is named here.
    requires = value.get("requires")
    unknown = (
        [name for name in requires if name not in KNOWN_REQUIREMENTS] if isinstance(requires, list) else []
    )
    if unknown:
        raise BundleError(
            "the bundle requires what this runtime does not have",
            got=", ".join(map(str, unknown)),
            expected=f"what schema {SCHEMA_VERSION} describes",
            fix="install a newer groupvit-runtime, or export the bundle again with this toolkit",
        )
