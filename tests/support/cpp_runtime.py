"""The rest of groupvit.h through ctypes, for tests that hold the C++ runtime against the Python one."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import POINTER, byref, c_char_p, c_double, c_int64, c_size_t, c_void_p
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from groupvit_export.benchmark import c_interface
from groupvit_export.benchmark.c_interface import DECODES, CppError, Image, Options, Status, image_of

__all__ = ["POISON", "CppError", "CppSegmenter", "CppVocabulary", "Library", "Status"]

Labels = NDArray[np.uint16]

POISON: Final = 0xABAB
"""What unwritten label maps hold: no vocabulary of these tests has as many classes."""


class Library(c_interface.Library):
    """libgroupvit, loaded."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        raw = self.raw
        for name in (
            "engines",
            "status_name",
            "segmenter_digest",
            "segmenter_warning",
            "vocabulary_name",
            "result_name",
        ):
            getattr(raw, f"groupvit_{name}").restype = c_char_p
        for name in ("vocabulary_count", "result_name_count"):
            getattr(raw, f"groupvit_{name}").restype = c_size_t
        for name in ("width", "height"):
            getattr(raw, f"groupvit_result_{name}").restype = c_int64
        for name in ("result_free", "result_width", "result_height", "result_labels", "result_name_count"):
            getattr(raw, f"groupvit_{name}").argtypes = [c_void_p]
        for name in ("segmenter_digest", "segmenter_warning", "vocabulary_count"):
            getattr(raw, f"groupvit_{name}").argtypes = [c_void_p]
        for name in ("vocabulary_name", "result_name", "result_score"):
            getattr(raw, f"groupvit_{name}").argtypes = [c_void_p, c_size_t]
        raw.groupvit_result_labels.restype = c_void_p
        raw.groupvit_result_score.restype = c_double
        raw.groupvit_default_options.restype = Options
        raw.groupvit_vocabulary_open.argtypes = [c_void_p, c_char_p, POINTER(c_void_p)]
        raw.groupvit_vocabulary_encode.argtypes = [
            c_void_p, POINTER(c_char_p), c_size_t, POINTER(c_char_p), c_size_t, POINTER(c_void_p),
        ]  # fmt: skip
        raw.groupvit_segment.argtypes = [
            c_void_p, POINTER(Image), c_void_p, POINTER(Options), POINTER(c_void_p),
        ]  # fmt: skip
        raw.groupvit_result_groups.argtypes = [c_void_p, POINTER(c_void_p)]

    def engines(self) -> list[str]:
        return [name for name in self.raw.groupvit_engines().decode().split(",") if name]


class CppVocabulary(c_interface.CppVocabulary):
    @property
    def names(self) -> tuple[str, ...]:
        raw = self._library.raw
        count = raw.groupvit_vocabulary_count(self.handle)
        return tuple(raw.groupvit_vocabulary_name(self.handle, index).decode() for index in range(count))


class CppResult:
    """The counterpart of `groupvit_runtime.Segmentation`; arrays are copies."""

    def __init__(self, library: c_interface.Library, handle: c_void_p, classes: int) -> None:
        raw = library.raw
        try:
            shape = (raw.groupvit_result_height(handle), raw.groupvit_result_width(handle))
            self.labels = _copied(raw.groupvit_result_labels(handle), shape)
            groups = c_void_p()
            library.check(raw.groupvit_result_groups(handle, byref(groups)))
            self.groups = _copied(groups.value, shape)
            count = raw.groupvit_result_name_count(handle)
            self.names = tuple(raw.groupvit_result_name(handle, index).decode() for index in range(count))
            self.scores = [raw.groupvit_result_score(handle, index) for index in range(classes)]
        finally:
            raw.groupvit_result_free(handle)


class CppSegmenter(c_interface.CppSegmenter):
    @classmethod
    def pinned(cls, library: c_interface.Library, bundle: Path, digest: str) -> CppSegmenter:
        """Loaded as the bundle of this digest."""
        made = cls.__new__(cls)
        made.library, made.handle = library, c_void_p()
        raw = library.raw
        library.check(
            raw.groupvit_segmenter_load_pinned(
                str(bundle).encode(), digest.encode(), None, byref(made.handle)
            )
        )
        return made

    @property
    def digest(self) -> str:
        return self.library.raw.groupvit_segmenter_digest(self.handle).decode()

    @property
    def warning(self) -> str:
        return self.library.raw.groupvit_segmenter_warning(self.handle).decode()

    def open(self, name: str) -> CppVocabulary:
        return self._vocabulary(self.library.raw.groupvit_vocabulary_open, name.encode())

    def open_file(self, path: Path) -> CppVocabulary:
        return self._vocabulary(self.library.raw.groupvit_vocabulary_open_file, str(path).encode())

    def encode(self, names: Sequence[str], templates: Sequence[str] | None = None) -> CppVocabulary:
        return self._vocabulary(
            self.library.raw.groupvit_vocabulary_encode,
            *_strings(names),
            *((None, 0) if templates is None else _strings(templates)),
        )

    def segment(
        self,
        pixels: NDArray[np.uint8],
        vocabulary: CppVocabulary,
        *,
        form: str = "RGB",
        decode: str | None = None,
        background_threshold: float = -1.0,
    ) -> CppResult:
        options = self.library.raw.groupvit_default_options()
        options.decode, options.background_threshold = DECODES[decode], background_threshold
        handle = c_void_p()
        self.library.check(
            self.library.raw.groupvit_segment(
                self.handle, byref(image_of(pixels, form)), vocabulary.handle, byref(options), byref(handle)
            )
        )
        return CppResult(self.library, handle, len(vocabulary.names))

    def _vocabulary(self, function: Any, *arguments: Any) -> CppVocabulary:
        handle = c_void_p()
        self.library.check(function(self.handle, *arguments, byref(handle)))
        return CppVocabulary(self.library, handle.value)


def _strings(texts: Sequence[str]) -> tuple[Any, int]:
    return (c_char_p * max(len(texts), 1))(*[text.encode() for text in texts]), len(texts)


def _copied(address: int | None, shape: tuple[int, int]) -> Labels:
    assert address
    buffer = (ctypes.c_uint16 * (shape[0] * shape[1])).from_address(address)
    return np.frombuffer(bytes(buffer), np.uint16).reshape(shape).copy()
