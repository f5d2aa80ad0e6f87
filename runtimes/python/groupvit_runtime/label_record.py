"""What a label map means: the JSON beside it, by which it can be read years later."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from groupvit_runtime.result import Segmentation
    from groupvit_runtime.segmenter import Segmenter

RECORD_VERSION: Final = 1
"""Raised when a field is renamed, goes, or changes its meaning; fields may be added without."""


def label_record(
    result: Segmentation,
    segmenter: Segmenter,
    *,
    image: str | Path | None = None,
    labels: bytes | None = None,
    threshold: float | None = None,
    background_threshold: float | None = None,
    negatives: Sequence[str] = (),
    templates: Sequence[str] = (),
) -> dict[str, Any]:
    """All that is to be known of a label map beside its pixels; runtimes/labels.schema.json is its schema.

    Args:
        result: of the image.
        segmenter: that made it.
        image: path of the image; None where it has none.
        labels: contents of the file of the label map, whose sha256 is kept.
        threshold, background_threshold, negatives: as the segmenter was given them.
        templates: prompt templates of the vocabulary.

    Returns:
        What `json.dumps` writes.

    Raises:
        OSError: the image cannot be read.
    """
    height, width = result.labels.shape
    shares = result.shares()
    return {
        "kind": "groupvit label map",
        "version": RECORD_VERSION,
        "image": None if image is None else _image(Path(image)),
        "width": width,
        "height": height,
        "labels_sha256": None if labels is None else hashlib.sha256(labels).hexdigest(),
        "classes": [
            {
                "index": index,
                "name": name,
                "color": list(color),
                "share": shares.get(name, 0.0),
                "score": result.scores.get(name),
            }
            for index, (name, color) in enumerate(result.colors().items())
        ],
        "background": result.background,
        "unlabeled": result.unlabeled,
        "decode": result.decode,
        "threshold": threshold,
        "background_threshold": background_threshold,
        "negatives": list(negatives),
        "templates": list(templates),
        "bundle": {
            "digest": segmenter.digest,
            "fingerprint": segmenter.manifest.fingerprint,
            "engine": segmenter.engine_description,
        },
        "versions": dict(_versions()),
    }


def _image(path: Path) -> dict[str, str]:
    return {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


@cache
def _versions() -> Mapping[str, str]:
    """Looked for once: it takes longer than the rest of a record."""
    found = {}
    for package in ("groupvit-runtime", "groupvit-export", "numpy", "pillow"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            # A runtime is used without what exports.
            continue
    return MappingProxyType(found)
