"""A vocabulary: class names with their text embeddings, cached as a small safetensors file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from groupvit_runtime import strict_json
from groupvit_runtime.errors import BundleError, LabelError
from groupvit_runtime.files import utf8_path, write_atomically
from groupvit_runtime.serialize import from_json

_FORMAT = "groupvit-vocabulary-1"


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """Class names and one embedding each; equal where all of it is.

    Attributes:
        names: K class names.
        embeddings: float32 [K, P], L2-normalized, a read-only copy of what was given.
        templates: the prompt templates that were averaged (before the normalization, as NVlabs does).
        fingerprint: sha256 of the weights that made the embeddings; another model's do not fit.
    """

    names: tuple[str, ...]
    embeddings: NDArray[np.float32]
    templates: tuple[str, ...]
    fingerprint: str

    def __post_init__(self) -> None:
        if self.embeddings.ndim != 2 or len(self.embeddings) != len(self.names) or not self.names:
            raise _unfitting(len(self.names), self.embeddings.shape)
        own = np.array(self.embeddings)
        own.setflags(write=False)
        object.__setattr__(self, "embeddings", own)

    def __len__(self) -> int:
        return len(self.names)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Vocabulary):
            return NotImplemented
        return self._words == other._words and np.array_equal(self.embeddings, other.embeddings)

    def __hash__(self) -> int:
        return hash(self._words)

    def __reduce__(self) -> tuple[object, ...]:
        # By its constructor: NumPy's own pickles make arrays that can be written.
        return Vocabulary, (self.names, self.embeddings, self.templates, self.fingerprint)

    @property
    def _words(self) -> tuple[object, ...]:
        return self.names, self.templates, self.fingerprint

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all; equal vocabularies give equal bytes."""
        metadata = {
            "format": _FORMAT,
            "names": json.dumps(self.names, ensure_ascii=False),
            "templates": json.dumps(self.templates, ensure_ascii=False),
            "fingerprint": self.fingerprint,
        }
        data = save({"embeddings": np.ascontiguousarray(self.embeddings)}, metadata)
        write_atomically(path, _in_order(data))

    @staticmethod
    def load(path: Path) -> Vocabulary:
        """Read a file that `save` wrote.

        Raises:
            LabelError: it is missing or no vocabulary.
        """
        try:
            with utf8_path(path) as name, safe_open(name, framework="numpy") as file:
                metadata = file.metadata() or {}
                if metadata.get("format") != _FORMAT:
                    raise LabelError(
                        "the file is not a vocabulary",
                        got=f"{path} with format {metadata.get('format')!r}",
                        expected=_FORMAT,
                        fix="groupvit vocab BUNDLE --labels ... -o FILE",
                    )
                if list(file.keys()) != ["embeddings"]:
                    raise ValueError(f"its tensors are {file.keys()}, not one, called embeddings")
                tensor = file.get_slice("embeddings")
                dtype, shape = tensor.get_dtype(), tensor.get_shape()
                embeddings = file.get_tensor("embeddings") if dtype == "F32" else None
            names, templates = (
                from_json(tuple[str, ...], strict_json.loads(metadata[key]), key)
                for key in ("names", "templates")
            )
            fingerprint = metadata["fingerprint"]
        except (OSError, SafetensorError, KeyError, ValueError, RecursionError, BundleError) as error:
            raise LabelError(
                "the vocabulary cannot be read",
                got=f"{path}: {error}",
                expected="a .safetensors file written by `groupvit vocab`",
                fix="groupvit vocab BUNDLE --labels ... -o FILE",
            ) from error
        if embeddings is None:
            raise _not_unit_vectors(f"{path}: {dtype}")
        if len(shape) != 2 or shape[0] != len(names) or not names:
            raise _unfitting(len(names), shape)
        norms = np.linalg.norm(embeddings.astype(np.float64), axis=-1)
        if not np.allclose(norms, 1.0, atol=1e-4):
            raise _not_unit_vectors(f"{path}: norms {norms.min():.4g} to {norms.max():.4g}")
        return Vocabulary(names, embeddings, templates, fingerprint)


def average_templates(embeddings: NDArray[np.float32], classes: int) -> NDArray[np.float32]:
    """Class embeddings from the embeddings of every prompt.

    The mean over templates is taken before the L2 normalization (NVlabs' zero-shot evaluation).

    Args:
        embeddings: float32 [K * T, P], class-major, not normalized.
        classes: K.

    Returns:
        float32 [K, P], unit vectors.
    """
    mean = embeddings.reshape(classes, -1, embeddings.shape[-1]).mean(axis=1, dtype=np.float64)
    return (mean / np.linalg.norm(mean, axis=-1, keepdims=True)).astype(np.float32)


def _unfitting(names: int, shape: Sequence[int]) -> LabelError:
    return LabelError(
        "names and embeddings of the vocabulary do not fit",
        got=f"{names} names, embeddings {list(shape)}",
        expected="[K, P] with K names",
    )


def _not_unit_vectors(got: str) -> LabelError:
    return LabelError(
        "the embeddings of the vocabulary are not unit vectors in float32",
        got=got,
        fix="groupvit vocab BUNDLE --labels ... -o FILE",
    )


def _in_order(data: bytes) -> bytes:
    """The file with its header sorted: the library writes metadata in an order that differs from run to run.

    Source: the format, eight bytes with the header's length, JSON, and the tensors; spaces may fill it up.
    """
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.dumps(
        json.loads(data[8:end]), ensure_ascii=False, sort_keys=True, separators=(",", ":")
    ).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + data[end:]
