"""The part of groupvit.h that segments images, through ctypes."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, Structure, byref, c_char_p, c_double, c_int32, c_int64, c_size_t, c_void_p
from enum import IntEnum
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from groupvit_runtime.errors import EngineError, GroupViTError, UsageError

LIBRARY_NAME: Final = "libgroupvit.so.1"
ABI_VERSION: Final = 1

BUILD_COMMAND: Final = (
    "cmake -S runtimes/cpp -B build/cpp -DOpenVINO_DIR=... && cmake --build build/cpp --parallel, "
    "then --library build/cpp/libgroupvit.so (docs/cpp.md)"
)

DECODES: Final = {None: 0, "hf": 1, "paper": 2}
FORMATS: Final = {"RGB": 0, "BGR": 1, "RGBA": 2, "BGRA": 3, "RGBX": 4, "BGRX": 5}


class Status(IntEnum):
    """`groupvit_status`."""

    OK = 0
    USAGE = 1
    BUNDLE = 2
    IMAGE = 3
    LABEL = 4
    ENGINE = 5
    UNSUPPORTED = 6
    MEMORY = 7
    INTERNAL = 8


class Image(Structure):
    """`groupvit_image`."""

    _fields_ = (
        ("pixels", c_void_p), ("width", c_int64), ("height", c_int64), ("stride", c_int64),
        ("format", c_int32),
    )  # fmt: skip


class Params(Structure):
    """`groupvit_params`."""

    _fields_ = (
        ("size", c_size_t), ("device", c_char_p), ("threads", c_int32), ("decode", c_int32),
        ("streams", c_int32), ("batch_size", c_int32),
    )  # fmt: skip


class Options(Structure):
    """`groupvit_options`."""

    _fields_ = (("size", c_size_t), ("decode", c_int32), ("background_threshold", c_double))


class CppError(GroupViTError):
    """A status that is not OK, with the library's own message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = Status(status)
        if self.status is Status.USAGE:
            self.exit_code = UsageError.exit_code


class Library:
    """libgroupvit, loaded.

    Args:
        path: of the library; a bare name is looked for where the loader looks.

    Raises:
        EngineError: it is not there, cannot be loaded, or is not of `ABI_VERSION`.
    """

    def __init__(self, path: Path | str = LIBRARY_NAME) -> None:
        self.path = str(path)
        try:
            self.raw: Any = ctypes.CDLL(self.path)
            found = self.raw.groupvit_abi_version()
        except (OSError, AttributeError) as error:
            raise EngineError(
                "the C++ runtime cannot be loaded",
                got=error,
                expected="libgroupvit where the loader looks, or the path of it",
                fix=BUILD_COMMAND,
            ) from error
        if found != ABI_VERSION:
            raise EngineError(
                "the C++ runtime has another binary interface",
                got=f"ABI version {found} in {self.path}",
                expected=ABI_VERSION,
                fix=BUILD_COMMAND,
            )
        for name in ("version", "last_error", "segmenter_engine"):
            self._declare(name, c_char_p)
        for name in ("segmenter_engine", "segmenter_free", "vocabulary_free"):
            getattr(self.raw, f"groupvit_{name}").argtypes = [c_void_p]
        self._declare("default_params", Params)
        self._declare(
            "segmenter_load_precision",
            c_int32,
            *(c_char_p, c_char_p, c_char_p),
            POINTER(Params),
            POINTER(c_void_p),
        )
        self._declare("vocabulary_open_file", c_int32, c_void_p, c_char_p, POINTER(c_void_p))
        self._declare(
            "segment_into", c_int32, c_void_p, POINTER(Image), c_void_p, POINTER(Options), c_void_p, c_int64
        )

    def _declare(self, name: str, result: Any, *arguments: Any) -> None:
        function = getattr(self.raw, f"groupvit_{name}")
        function.restype = result
        if arguments:
            function.argtypes = list(arguments)

    @property
    def version(self) -> str:
        """Of the toolkit that it was built from."""
        return str(self.raw.groupvit_version().decode())

    def check(self, status: int) -> None:
        """Raise `CppError` unless it is OK; to be called by the thread that got the status."""
        if status != Status.OK:
            raise CppError(status, self.raw.groupvit_last_error().decode())


class CppVocabulary:
    """Owns a `groupvit_vocabulary`."""

    def __init__(self, library: Library, handle: int | None) -> None:
        self._library, self.handle = library, handle

    def __del__(self) -> None:
        self._library.raw.groupvit_vocabulary_free(self.handle)


class CppSegmenter:
    """Owns a `groupvit_segmenter`: the counterpart of `groupvit_runtime.Segmenter`, for arrays.

    Args:
        library: that runs it.
        bundle: its folder.
        device: "cpu" or "cuda"; None for the usual one of the target.
        threads: of the engine; 0 for its own choice.
        streams: calls that OpenVINO computes at once; 0 for one.
        decode: "hf" or "paper"; None for the bundle's own.
        batch_size: most windows that run at once; 0 for 8, or fewer if the engine takes fewer.
        precision: of the image engine; None for the fastest that the processor computes natively.

    Raises:
        CppError: the library refused.
    """

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
        precision: str | None = None,
    ) -> None:
        self.library = library
        self.handle = c_void_p()
        params = library.raw.groupvit_default_params()
        params.device = None if device is None else device.encode()
        params.threads, params.streams = threads, streams
        params.decode, params.batch_size = DECODES[decode], batch_size
        library.check(
            library.raw.groupvit_segmenter_load_precision(
                str(bundle).encode(),
                None,
                None if precision is None else precision.encode(),
                byref(params),
                byref(self.handle),
            )
        )

    def __del__(self) -> None:
        self.library.raw.groupvit_segmenter_free(self.handle)

    @property
    def engine(self) -> str:
        """Runtime, version, device and precision that are really in use."""
        return str(self.library.raw.groupvit_segmenter_engine(self.handle).decode())

    def open_file(self, path: Path) -> CppVocabulary:
        """The vocabulary of a file that `groupvit vocab` wrote."""
        handle = c_void_p()
        self.library.check(
            self.library.raw.groupvit_vocabulary_open_file(self.handle, str(path).encode(), byref(handle))
        )
        return CppVocabulary(self.library, handle.value)

    def segment_into(
        self, pixels: NDArray[np.uint8], vocabulary: CppVocabulary, labels: NDArray[np.uint16]
    ) -> None:
        """Write the labels of `pixels`, [H, W, 3] RGB, into `labels`, [H, W]; rows of both may have gaps."""
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

    def label_map(self, pixels: NDArray[np.uint8], vocabulary: CppVocabulary) -> NDArray[np.uint16]:
        """The same in memory of its own."""
        labels = np.empty(pixels.shape[:2], np.uint16)
        self.segment_into(pixels, vocabulary, labels)
        return labels


def image_of(pixels: NDArray[np.uint8], form: str = "RGB") -> Image:
    """A view of [H, W, C] whose pixels lie one behind the other; rows may have gaps. Keep the array alive.

    Raises:
        ValueError: the array has gaps between pixels, or not as many channels as `form`.
    """
    height, width, channels = pixels.shape
    if pixels.strides[1:] != (channels, 1) or channels != len(form):
        raise ValueError(f"shape {pixels.shape} with strides {pixels.strides} is no {form} image")
    return Image(pixels.ctypes.data, width, height, pixels.strides[0], FORMATS[form])
