"""groupvit.h through ctypes, for tests that hold the C++ runtime against the Python one."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import POINTER, Structure, byref, c_char_p, c_double, c_int, c_int32, c_int64, c_size_t, c_void_p
from enum import IntEnum
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.uint16]

POISON: Final = 0xABAB
"""What unwritten label maps hold: no vocabulary of these tests has as many classes."""


class Status(IntEnum):
    OK = 0
    USAGE = 1
    BUNDLE = 2
    IMAGE = 3
    LABEL = 4
    ENGINE = 5
    UNSUPPORTED = 6
    MEMORY = 7
    INTERNAL = 8


DECODES: Final = {None: 0, "hf": 1, "paper": 2}
FORMATS: Final = {"RGB": 0, "BGR": 1, "RGBA": 2, "BGRA": 3}


class Image(Structure):
    _fields_ = [
        ("pixels", c_void_p), ("width", c_int64), ("height", c_int64), ("stride", c_int64), ("format", c_int),
    ]  # fmt: skip


class Params(Structure):
    _fields_ = [
        ("size", c_size_t), ("device", c_char_p), ("threads", c_int32), ("decode", c_int32),
        ("streams", c_int32), ("batch_size", c_int32),
    ]  # fmt: skip


class Options(Structure):
    _fields_ = [("size", c_size_t), ("decode", c_int), ("background_threshold", c_double)]


class CppError(Exception):
    """A status that is not OK, with the thread's message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = Status(status)


class Library:
    """libgroupvit, loaded."""

    def __init__(self, path: Path) -> None:
        self.raw = raw = ctypes.CDLL(str(path))
        for name in ("version", "engines", "last_error", "status_name"):
            getattr(raw, f"groupvit_{name}").restype = c_char_p
        for name in ("segmenter_engine", "segmenter_warning", "vocabulary_name", "result_name"):
            getattr(raw, f"groupvit_{name}").restype = c_char_p
        for name in ("vocabulary_count", "result_name_count"):
            getattr(raw, f"groupvit_{name}").restype = c_size_t
        for name in ("width", "height"):
            getattr(raw, f"groupvit_result_{name}").restype = c_int64
        for name in ("segmenter_engine", "segmenter_warning", "segmenter_free", "vocabulary_free"):
            getattr(raw, f"groupvit_{name}").argtypes = [c_void_p]
        for name in ("result_free", "result_width", "result_height", "result_labels", "result_name_count"):
            getattr(raw, f"groupvit_{name}").argtypes = [c_void_p]
        raw.groupvit_vocabulary_count.argtypes = [c_void_p]
        for name in ("vocabulary_name", "result_name", "result_score"):
            getattr(raw, f"groupvit_{name}").argtypes = [c_void_p, c_size_t]
        raw.groupvit_result_labels.restype = c_void_p
        raw.groupvit_result_score.restype = c_double
        raw.groupvit_default_params.restype = Params
        raw.groupvit_default_options.restype = Options
        raw.groupvit_segmenter_load.argtypes = [c_char_p, POINTER(Params), POINTER(c_void_p)]
        raw.groupvit_vocabulary_open.argtypes = [c_void_p, c_char_p, POINTER(c_void_p)]
        raw.groupvit_vocabulary_open_file.argtypes = [c_void_p, c_char_p, POINTER(c_void_p)]
        raw.groupvit_vocabulary_encode.argtypes = [
            c_void_p, POINTER(c_char_p), c_size_t, POINTER(c_char_p), c_size_t, POINTER(c_void_p),
        ]  # fmt: skip
        calls = [c_void_p, POINTER(Image), c_void_p, POINTER(Options)]
        raw.groupvit_segment.argtypes = [*calls, POINTER(c_void_p)]
        raw.groupvit_segment_into.argtypes = [*calls, c_void_p, c_int64]
        raw.groupvit_result_groups.argtypes = [c_void_p, POINTER(c_void_p)]

    def check(self, status: int) -> None:
        if status != Status.OK:
            raise CppError(status, self.raw.groupvit_last_error().decode())

    def engines(self) -> list[str]:
        return [name for name in self.raw.groupvit_engines().decode().split(",") if name]


def image_of(pixels: NDArray[np.uint8], form: str = "RGB") -> Image:
    """A view of [H, W, C] whose pixels lie one behind the other; rows may have gaps. Keep the array alive."""
    height, width, channels = pixels.shape
    assert pixels.strides[1:] == (channels, 1) and channels == len(form)
    return Image(pixels.ctypes.data, width, height, pixels.strides[0], FORMATS[form])


class CppVocabulary:
    def __init__(self, library: Library, handle: int) -> None:
        self._library, self.handle = library, handle

    @property
    def names(self) -> tuple[str, ...]:
        raw = self._library.raw
        count = raw.groupvit_vocabulary_count(self.handle)
        return tuple(raw.groupvit_vocabulary_name(self.handle, index).decode() for index in range(count))

    def __del__(self) -> None:
        self._library.raw.groupvit_vocabulary_free(self.handle)


class CppResult:
    """The counterpart of `groupvit_runtime.Segmentation`; arrays are copies."""

    def __init__(self, library: Library, handle: int, classes: int) -> None:
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


class CppSegmenter:
    """The counterpart of `groupvit_runtime.Segmenter`, for arrays."""

    def __init__(
        self,
        library: Library,
        bundle: Path | str,
        *,
        device: str | None = None,
        threads: int = 0,
        streams: int = 0,
        decode: str | None = None,
        batch_size: int = 0,
    ) -> None:
        self.library = library
        params = library.raw.groupvit_default_params()
        params.device = None if device is None else device.encode()
        params.threads, params.streams = threads, streams
        params.decode, params.batch_size = DECODES[decode], batch_size
        self.handle = c_void_p()
        library.check(
            library.raw.groupvit_segmenter_load(str(bundle).encode(), byref(params), byref(self.handle))
        )

    def __del__(self) -> None:
        self.library.raw.groupvit_segmenter_free(self.handle)

    @property
    def engine(self) -> str:
        return self.library.raw.groupvit_segmenter_engine(self.handle).decode()

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
        options = self._options(decode, background_threshold)
        handle = c_void_p()
        self.library.check(
            self.library.raw.groupvit_segment(
                self.handle, byref(image_of(pixels, form)), vocabulary.handle, byref(options), byref(handle)
            )
        )
        return CppResult(self.library, handle, len(vocabulary.names))

    def segment_into(self, pixels: NDArray[np.uint8], vocabulary: CppVocabulary, labels: Labels) -> None:
        """Into rows of `labels`, which may have gaps."""
        self.library.check(
            self.library.raw.groupvit_segment_into(
                self.handle,
                byref(image_of(pixels)),
                vocabulary.handle,
                None,
                labels.ctypes.data,
                labels.strides[0],
            )
        )

    def _options(self, decode: str | None, background_threshold: float) -> Options:
        options = self.library.raw.groupvit_default_options()
        options.decode, options.background_threshold = DECODES[decode], background_threshold
        return options

    def _vocabulary(self, function: Any, *arguments: Any) -> CppVocabulary:
        handle = c_void_p()
        self.library.check(function(self.handle, *arguments, byref(handle)))
        return CppVocabulary(self.library, handle.value)


def _strings(texts: Sequence[str]) -> tuple[Any, int]:
    return (c_char_p * max(len(texts), 1))(*[text.encode() for text in texts]), len(texts)


def _copied(address: int | None, shape: tuple[int, int]) -> Labels:
    assert address
    buffer = (ctypes.c_uint16 * (shape[0] * shape[1])).from_address(address)
    return np.frombuffer(buffer, np.uint16).reshape(shape).copy()
