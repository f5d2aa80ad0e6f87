"""Writes a model repository."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

import numpy as np

from groupvit_export.errors import BundleError, UsageError
from groupvit_export.triton_server.backends import Backend, NoBackend, backend_of
from groupvit_export.triton_server.model_config import (
    IMAGE_MODEL,
    SEGMENT_MODEL,
    SIZE_FILE,
    TEXT_MODEL,
    WARM_SIDE,
    WARMUP_FOLDER,
    config_text,
    engine_config,
    messages,
    segment_config,
)
from groupvit_export.triton_server.options import TritonOptions
from groupvit_runtime.choose_engine import choose_image_engine
from groupvit_runtime.contract import SIZE_INPUT
from groupvit_runtime.engines import ENGINES
from groupvit_runtime.files import Replaceable, staged_folder
from groupvit_runtime.manifest import MANIFEST_NAME, EngineInfo, check_digest
from groupvit_runtime.open_bundle import OpenBundle, load_from_bundle, open_bundle
from groupvit_runtime.triton_server import contract

RECORD_NAME: Final = "groupvit-repository.json"
"""Beside the models, which the server takes folders for: what was written, and of what."""

_FORMAT: Final = "groupvit-triton-repository"
_VERSION: Final = "1"
_MODEL: Final = '''"""Loaded by Triton's Python backend."""

from groupvit_runtime.triton_server.model import TritonPythonModel

__all__ = ["TritonPythonModel"]
'''


@dataclass(frozen=True)
class WrittenRepository:
    """What was written.

    Attributes:
        path: of the repository.
        models: names of the models in it.
        left_out: by the name of a model that is not in it, why.
        vocabularies: names that `groupvit_segment` knows.
    """

    path: Path
    models: tuple[str, ...]
    left_out: dict[str, str]
    vocabularies: tuple[str, ...]


def write_repository(
    bundle: str | Path, output: Path, options: TritonOptions, *, force: bool = False
) -> WrittenRepository:
    """Write a repository of all models that a bundle makes; whole, or not at all.

    Args:
        bundle: folder or .zip.
        output: the repository's folder.
        options: of the models.
        force: replace a repository that is there.

    Raises:
        MissingDependencyError: Triton's client, whose messages the configurations are, is not installed.
        BundleError: the bundle is damaged.
        UsageError: the bundle's engine does not run on the device, or has not that precision.
        GroupViTError: `output` is there already, or cannot be written.
    """
    messages()
    replaceable = Replaceable("model repositories", RECORD_NAME, _is_repository)
    with staged_folder(output, force=force, replaceable=replaceable) as stage:
        return load_from_bundle(Path(bundle), None, lambda opened: _write(opened, stage, output, options))


def default_device(bundle: str | Path) -> str:
    """The first that the bundle's target runs on.

    Raises:
        BundleError: the bundle is damaged.
    """
    kind = ENGINES.get(open_bundle(bundle).manifest.engine("image").target)
    # Of a target that is not known, writing says so.
    return "cpu" if kind is None else kind.devices[0]


def _write(bundle: OpenBundle, stage: Path, output: Path, options: TritonOptions) -> WrittenRepository:
    # It is called again where another bundle took this one's place meanwhile.
    for begun in stage.iterdir():
        shutil.rmtree(begun)
    manifest = bundle.manifest
    image = manifest.engine("image")
    if options.precision is not None:
        image = choose_image_engine(manifest, options.precision, options.device, ()).engine
    _check_device(image, options.device)
    _write_segment(bundle, stage / SEGMENT_MODEL, options)
    models, left_out = [SEGMENT_MODEL], {}
    for name, engine in ((IMAGE_MODEL, image), (TEXT_MODEL, manifest.engine("text"))):
        backend = backend_of(engine)
        if isinstance(backend, NoBackend):
            left_out[name] = backend.reason
            continue
        _write_engine(bundle, stage / name, name, engine, backend, options)
        models.append(name)
    written = WrittenRepository(
        output, tuple(models), left_out, tuple(info.name for info in manifest.vocabularies)
    )
    record = {
        "format": _FORMAT,
        "version": version("groupvit-runtime"),
        "bundle": {"name": manifest.name, "digest": bundle.digest},
        "models": written.models,
        "left_out": left_out,
    }
    (stage / RECORD_NAME).write_text(json.dumps(record, indent=2) + "\n", "utf-8")
    return written


def _write_engine(
    bundle: OpenBundle, folder: Path, name: str, engine: EngineInfo, backend: Backend, options: TritonOptions
) -> None:
    # Sentences come again, images do not.
    config = engine_config(name, engine, backend, options, cached=name == TEXT_MODEL)
    _put_text(folder / "config.pbtxt", config_text(config))
    for file in engine.files:
        # By the names that they have in the bundle: one may refer to another.
        _put(folder / _VERSION / file.path.rpartition("/")[2], file.read(bundle.root))
    if any(tensor.name == SIZE_INPUT for tensor in engine.inputs):
        _put(folder / WARMUP_FOLDER / SIZE_FILE, np.full(2, WARM_SIDE, "<i8").tobytes())


def _write_segment(bundle: OpenBundle, folder: Path, options: TritonOptions) -> None:
    manifest = bundle.manifest
    parameters = {
        contract.DIGEST: bundle.digest,
        contract.MAX_PIXELS: str(options.pixels),
        contract.MAX_LABELS: str(options.labels),
    }
    if options.precision is not None:
        parameters[contract.PRECISION] = options.precision
    if options.threads is not None:
        parameters[contract.THREADS] = str(options.threads)
    _put_text(folder / "config.pbtxt", config_text(segment_config(parameters, options)))
    _put_text(folder / _VERSION / "model.py", _MODEL)
    copy = folder / _VERSION / contract.BUNDLE_FOLDER
    for file in manifest.all_files:
        _put(copy / file.path, file.read(bundle.root))
    text = (bundle.root / MANIFEST_NAME).read_bytes()
    check_digest(text, bundle.digest, str(bundle.root / MANIFEST_NAME))
    _put(copy / MANIFEST_NAME, text)
    vocabularies = folder / contract.VOCABULARY_FOLDER
    vocabularies.mkdir()
    for info in manifest.vocabularies:
        _put(vocabularies / f"{info.name}{contract.VOCABULARY_SUFFIX}", info.file.read(bundle.root))


def _put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _put_text(path: Path, text: str) -> None:
    _put(path, text.encode())


def _check_device(engine: EngineInfo, device: str) -> None:
    kind = ENGINES.get(engine.target)
    if kind is None:
        raise BundleError(
            "the bundle is for a target that this version does not know",
            got=engine.target,
            expected=", ".join(ENGINES),
            fix="install the version of the toolkit that exported it",
        )
    if device not in kind.devices:
        raise UsageError(
            f"the {engine.target} engine does not run on this device",
            got=device,
            expected=" or ".join(kind.devices),
            fix=f"--device {kind.devices[0]}",
        )


def _is_repository(folder: Path) -> bool:
    try:
        value = json.loads((folder / RECORD_NAME).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(value, dict) and value.get("format") == _FORMAT
