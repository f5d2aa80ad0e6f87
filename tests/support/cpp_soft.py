"""Scores, groups and abstaining of groupvit.h through ctypes."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, byref, c_char_p, c_double, c_float, c_int32, c_int64, c_size_t, c_void_p
from typing import Any

import numpy as np
from cpp_runtime import CppSegmenter, CppVocabulary
from numpy.typing import NDArray

from groupvit_export.benchmark.c_interface import DECODES, Image, Options, image_of

Floats = NDArray[np.float32]

_ROWS = [c_void_p, c_size_t, c_size_t, c_int64, c_int64, c_void_p, c_int64, c_int64]
_SIDES = ("coarse_width", "coarse_height", "logits_width", "logits_height")
# Of functions of a result: what they give back, and what they take after it.
_FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "result_unlabeled": (c_int32, [c_void_p]),
    "result_score_count": (c_size_t, [c_void_p]),
    "result_score_name": (c_char_p, [c_void_p, c_size_t]),
    "result_scores": (c_int32, _ROWS),
    "result_confidence": (c_int32, [c_void_p, c_int64, c_int64, c_void_p, c_int64]),
    "result_coarse_scores": (c_int32, _ROWS),
    **{f"result_{name}": (c_int64, [c_void_p]) for name in _SIDES},
    "result_logits": (c_int32, [c_void_p, c_size_t, c_void_p, c_int64]),
    "result_groups_of_stage": (c_int32, [c_void_p, c_int32, POINTER(c_void_p)]),
    "result_group_count": (c_size_t, [c_void_p]),
    "result_group_scores": (c_int32, [c_void_p, c_size_t, POINTER(c_float)]),
    "segment_abstaining": (
        c_int32,
        [c_void_p, POINTER(Image), c_void_p, c_void_p, c_double, POINTER(Options), POINTER(c_void_p)],
    ),
}


class CppSoft:
    """A result with its scores and groups; arrays are copies, NaN or poison where nothing was written."""

    def __init__(
        self,
        segmenter: CppSegmenter,
        pixels: NDArray[np.uint8],
        vocabulary: CppVocabulary,
        *,
        negatives: CppVocabulary | None = None,
        threshold: float = -1.0,
        decode: str | None = None,
        background_threshold: float = -1.0,
    ) -> None:
        self._library = library = segmenter.library
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(library.raw, f"groupvit_{name}")
            function.restype, function.argtypes = result, arguments
        options = library.raw.groupvit_default_options()
        options.decode, options.background_threshold = DECODES[decode], background_threshold
        self._handle = c_void_p()
        library.check(
            library.raw.groupvit_segment_abstaining(
                segmenter.handle,
                byref(image_of(pixels, "RGB")),
                vocabulary.handle,
                negatives.handle if negatives else None,
                threshold,
                byref(options),
                byref(self._handle),
            )
        )
        self.size = pixels.shape[:2]

    def __enter__(self) -> CppSoft:
        return self

    def __exit__(self, *_: object) -> None:
        self._library.raw.groupvit_result_free(self._handle)

    def _of(self, name: str, *arguments: Any) -> Any:
        return getattr(self._library.raw, f"groupvit_result_{name}")(self._handle, *arguments)

    def _check(self, name: str, *arguments: Any) -> None:
        self._library.check(self._of(name, *arguments))

    @property
    def unlabeled(self) -> int | None:
        label = self._of("unlabeled")
        return None if label < 0 else label

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._of("name", index).decode() for index in range(self._of("name_count")))

    @property
    def score_names(self) -> tuple[str, ...]:
        return tuple(self._of("score_name", index).decode() for index in range(self._of("score_count")))

    @property
    def labels(self) -> NDArray[np.uint16]:
        return self._map(self._of("labels"))

    def image_score(self, index: int) -> float:
        return self._of("score", index)

    def groups(self, stage: int) -> NDArray[np.uint16]:
        address = c_void_p()
        self._check("groups_of_stage", stage, byref(address))
        return self._map(address.value)

    def scores(self, first_row: int, rows: int) -> Floats:
        """[S, rows, W]."""
        out = _poisoned(self._of("score_count"), rows, self.size[1])
        self._check("scores", 0, len(out), first_row, rows, out.ctypes.data, 0, 0)
        return out

    def heatmap(self, index: int) -> Floats:
        out = _poisoned(*self.size)
        self._check("scores", index, 1, 0, self.size[0], out.ctypes.data, 0, 0)
        return out

    def confidence(self) -> Floats:
        out = _poisoned(*self.size)
        self._check("confidence", 0, self.size[0], out.ctypes.data, 0)
        return out

    def coarse_scores(self) -> Floats:
        out = _poisoned(self._of("score_count"), self._of("coarse_height"), self._of("coarse_width"))
        self._check("coarse_scores", 0, len(out), 0, out.shape[1], out.ctypes.data, 0, 0)
        return out

    def logits(self) -> Floats:
        out = _poisoned(self._of("score_count"), self._of("logits_height"), self._of("logits_width"))
        for index, plane in enumerate(out):
            self._check("logits", index, plane.ctypes.data, 0)
        return out

    def group_words(self) -> tuple[dict[str, float], ...]:
        """Of each group of the last stage."""
        names = self.score_names
        row = (c_float * len(names))()
        found = []
        for group in range(self._of("group_count")):
            self._check("group_scores", group, row)
            found.append(dict(zip(names, row, strict=True)))
        return tuple(found)

    def _map(self, address: int | None) -> NDArray[np.uint16]:
        assert address
        buffer = (ctypes.c_uint16 * (self.size[0] * self.size[1])).from_address(address)
        return np.frombuffer(bytes(buffer), np.uint16).reshape(self.size)


def _poisoned(*shape: int) -> Floats:
    return np.full(shape, np.nan, np.float32)
