"""Everything that an evaluation's numbers depend on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from importlib.metadata import version

from groupvit_export.data.dataset import Dataset
from groupvit_export.evaluate.setting import Setting
from groupvit_runtime.manifest import Manifest


@dataclass(frozen=True)
class Identity:
    """Two evaluations of the same identity give the same numbers, so that one can go on with the other's.

    Images are known by their keys; their contents are not hashed, which would mean reading the whole
    data set twice. `--limit`, workers and threads change no number and are not part of it.

    Attributes:
        toolkit: version of the toolkit that evaluates.
        manifest_sha256: of the bundle's manifest, without the vocabularies cached in it: adding one
            changes nothing here.
        fingerprint: of the weights.
        engine: runtime, version, device and precision.
        dataset: its name.
        classes: in the order of the confusion matrix.
        background: whether the first of them is the background.
        values_sha256: of the table from mask values to classes.
        raw_masks: whether masks were turned by their images' EXIF orientation.
        samples: images of the whole data set.
        samples_sha256: of their keys in order.
        decode: "hf" or "paper".
        background_threshold: of the `paper` decode, or None.
        templates: that class names were put into.
        embeddings_sha256: of the class names' embeddings.
    """

    toolkit: str
    manifest_sha256: str
    fingerprint: str
    engine: str
    dataset: str
    classes: tuple[str, ...]
    background: bool
    values_sha256: str
    raw_masks: bool
    samples: int
    samples_sha256: str
    decode: str
    background_threshold: float | None
    templates: tuple[str, ...]
    embeddings_sha256: str


def identify(dataset: Dataset, setting: Setting, manifest: Manifest, engine: str) -> Identity:
    """The identity of evaluating `dataset` in `setting` by `engine`, as it describes itself."""
    vocabulary = setting.vocabulary
    return Identity(
        toolkit=version("groupvit-export"),
        manifest_sha256=_sha256(replace(manifest, vocabularies=()).to_text().encode()),
        fingerprint=manifest.fingerprint,
        engine=engine,
        dataset=dataset.name,
        classes=dataset.classes,
        background=dataset.background,
        values_sha256=_sha256(dataset.class_of_value.astype("<u2").tobytes()),
        raw_masks=dataset.raw_masks,
        samples=len(dataset.samples),
        samples_sha256=_sha256_of_lines(sample.key for sample in dataset.samples),
        decode=setting.decode,
        background_threshold=setting.background_threshold,
        templates=vocabulary.templates,
        embeddings_sha256=_sha256(vocabulary.embeddings.astype("<f4").tobytes()),
    )


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _sha256_of_lines(lines: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for line in lines:
        # As JSON, because a key may contain a line break.
        digest.update(json.dumps(line).encode() + b"\n")
    return digest.hexdigest()
