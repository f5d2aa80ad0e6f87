"""The C++ runtime's inner functions of manifests, words and sentences (runtimes/cpp/tests/text_probe.cpp)."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groupvit_runtime.errors import BundleError, GroupViTError, LabelError

# Of groupvit_status.
_ERRORS: dict[int, type[GroupViTError]] = {2: BundleError, 4: LabelError}
_KINDS = ("letter", "number", "space", "word", "python space")


class TextProbe:
    """Every call returns what the library does, or raises the Python runtime's error of the same kind."""

    def __init__(self, path: Path) -> None:
        self._library = ctypes.CDLL(str(path))
        self._library.probe_text.restype = ctypes.c_void_p

    def _call(self, name: str, *arguments: Any) -> bytes:
        status = getattr(self._library, name)(*arguments)
        size = ctypes.c_size_t()
        text = ctypes.string_at(self._library.probe_text(ctypes.byref(size)), size.value)
        if status != 0:
            assert status in _ERRORS, f"{name} gave status {status}: {text!r}"
            raise _ERRORS[status](text.decode())
        return text

    def json(self, text: bytes) -> str:
        return self._call("probe_json", text, ctypes.c_size_t(len(text))).decode()

    def parse_manifest(self, text: bytes) -> str:
        return self._call("probe_parse_manifest", text, ctypes.c_size_t(len(text))).decode()

    def open_bundle(self, root: Path, *, verify: bool = False) -> str:
        return self._call("probe_open_bundle", str(root).encode(), int(verify)).decode()

    def sha256(self, data: bytes, chunk: int, *, portable: bool) -> str:
        sizes = ctypes.c_size_t(len(data)), ctypes.c_size_t(chunk)
        return self._call("probe_sha256", data, *sizes, int(portable)).decode()

    def load_vocabulary(self, path: Path) -> LoadedVocabulary:
        count, templates, width, fingerprint, rest = self._call(
            "probe_load_vocabulary", str(path).encode()
        ).split(b"\0", 4)
        *texts, values = rest.split(b"\0", int(count) + int(templates))
        words = [text.decode() for text in texts]
        return LoadedVocabulary(
            tuple(words[: int(count)]),
            np.frombuffer(values, np.float32).reshape(int(count), int(width)),
            tuple(words[int(count) :]),
            fingerprint.decode(),
        )

    def average_templates(self, embeddings: NDArray[np.float32], classes: int) -> NDArray[np.float32]:
        values = np.ascontiguousarray(embeddings)
        raw = self._call(
            "probe_average_templates",
            values.ctypes.data_as(ctypes.c_void_p),
            ctypes.c_size_t(values.size),
            ctypes.c_int64(classes),
            ctypes.c_int64(values.shape[-1]),
        )
        return np.frombuffer(raw, np.float32).reshape(classes, -1)

    def check_labels(self, labels: Sequence[str | bytes]) -> tuple[str, ...]:
        text = b"\0".join(label.encode() if isinstance(label, str) else label for label in labels)
        raw = self._call("probe_check_labels", text, ctypes.c_size_t(len(text)), ctypes.c_size_t(len(labels)))
        return tuple(raw.decode().split("\0"))

    def fill_prompt(self, prompt: str, name: str) -> str:
        return self._call("probe_fill_prompt", prompt.encode(), name.encode()).decode()

    def nfc(self, text: str) -> str:
        return self._unicode(0, text).decode()

    def lower(self, text: str) -> str:
        return self._unicode(1, text).decode()

    def fold(self, text: str) -> str:
        return self._unicode(2, text).decode()

    def kinds(self, text: str) -> dict[str, NDArray[np.bool_]]:
        """Of every code point: is it a letter, a number, white space, part of a word?"""
        bits = np.frombuffer(self._unicode(3, text), np.uint8)
        return {kind: bits >> place & 1 == 1 for place, kind in enumerate(_KINDS)}

    def _unicode(self, what: int, text: str) -> bytes:
        data = text.encode()
        return self._call("probe_unicode", what, data, ctypes.c_size_t(len(data)))

    def clean_as_nvlabs(self, text: str) -> str:
        data = text.encode()
        return self._call("probe_clean_as_nvlabs", data, ctypes.c_size_t(len(data))).decode()

    def tokenizer(self, path: Path, *, nvlabs_cleaning: bool = False) -> ProbedTokenizer:
        handle = ctypes.c_void_p()
        self._call("probe_open_tokenizer", str(path).encode(), int(nvlabs_cleaning), ctypes.byref(handle))
        return ProbedTokenizer(self, handle)


@dataclass(frozen=True)
class LoadedVocabulary:
    """What load_vocabulary returned; `embeddings` float32 [K, P]."""

    names: tuple[str, ...]
    embeddings: NDArray[np.float32]
    templates: tuple[str, ...]
    fingerprint: str


class ProbedTokenizer:
    """A tokenizer of the C++ runtime."""

    def __init__(self, probe: TextProbe, handle: ctypes.c_void_p) -> None:
        self._probe = probe
        self._handle = handle

    def __del__(self) -> None:
        self._probe._library.probe_close_tokenizer(self._handle)

    def encode(self, sentence: str | bytes) -> list[int]:
        text = sentence.encode() if isinstance(sentence, str) else sentence
        raw = self._probe._call("probe_encode_one", self._handle, text, ctypes.c_size_t(len(text)))
        return np.frombuffer(raw, np.int64).tolist()

    def special_token_in(self, sentence: str) -> str | None:
        text = sentence.encode()
        found = self._probe._call("probe_special_token_in", self._handle, text, ctypes.c_size_t(len(text)))
        return found.decode() or None

    def encode_all(self, sentences: Sequence[str]) -> list[list[int]]:
        """The same for many sentences without zeros."""
        text = "\0".join(sentences).encode()
        size, count = ctypes.c_size_t(len(text)), ctypes.c_size_t(len(sentences))
        values = np.frombuffer(self._probe._call("probe_encode", self._handle, text, size, count), np.int64)
        ids, place = [], 0
        for _ in sentences:
            end = place + 1 + int(values[place])
            ids.append(values[place + 1 : end].tolist())
            place = end
        return ids
