"""The C++ runtime's inner functions of images and decoding, called as the Python runtime's are."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import Structure, byref, c_char_p, c_double, c_int32, c_int64, c_void_p
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np

from groupvit_runtime.contract import ColorOrder, PaperDecode, Preprocessing, ResizeFilter, SlidingWindow
from groupvit_runtime.errors import EngineError, GroupViTError, ImageError, LabelError
from groupvit_runtime.windows import WindowPlan

Sides = tuple[int, int]

# Of groupvit_status.
_ERRORS: dict[int, type[GroupViTError]] = {3: ImageError, 4: LabelError, 5: EngineError}


class _Size(Structure):
    _fields_ = [("height", c_int64), ("width", c_int64)]


class _Preprocessing(Structure):
    _fields_ = [
        ("antialias", c_int32), ("filter", c_int32), ("color_order", c_int32),
        ("mean", c_double * 3), ("std", c_double * 3), ("rescale", c_double),
    ]  # fmt: skip

    @classmethod
    def of(cls, spec: Preprocessing) -> _Preprocessing:
        return cls(
            spec.antialias, get_args(ResizeFilter).index(spec.filter),
            get_args(ColorOrder).index(spec.color_order), spec.mean, spec.std, spec.rescale,
        )  # fmt: skip


class _Window(Structure):
    _fields_ = [("size", c_int64), ("stride", c_int64), ("long_side_max", c_int64)]

    @classmethod
    def of(cls, window: SlidingWindow) -> _Window:
        return cls(window.size, window.stride, window.long_side_max)


class _Outputs(Structure):
    _fields_ = [
        (name, c_int64) for name in ("windows", "groups", "grid_height", "grid_width", "width")
    ] + [(name, c_void_p) for name in ("masks", "group_embeds", "image_embeds")]  # fmt: skip

    @classmethod
    def of(
        cls, masks: np.ndarray, group_embeds: np.ndarray | None, image_embeds: np.ndarray | None
    ) -> _Outputs:
        """Of windows: float32 [n, G, gh, gw], [n, G, P] and [n, P]."""
        width = 1 if group_embeds is None else group_embeds.shape[-1]
        result = cls(*masks.shape, width, *map(_address, (masks, group_embeds, image_embeds)))
        result.kept = masks, group_embeds, image_embeds
        return result


class _Classes(Structure):
    _fields_ = [("count", c_int64), ("width", c_int64), ("embeddings", c_void_p)]

    @classmethod
    def of(cls, text_embeds: np.ndarray) -> _Classes:
        result = cls(*text_embeds.shape, _address(text_embeds))
        result.kept = text_embeds
        return result


class Scores(NamedTuple):
    """Of a score map: all planes in a strip [K, rows, w], one plane [h, w], and the largest of all [h, w]."""

    strip: np.ndarray
    plane: np.ndarray
    best: np.ndarray


class Wanted(NamedTuple):
    """Of a score map: the strip's first row and rows, and the one plane."""

    first: int
    rows: int
    one: int

    def poisoned(self, planes: int, size: Sides) -> Scores:
        """NaN, which no score is."""
        shapes = (planes, self.rows, size[1]), size, size
        return Scores(*(np.full(shape, np.nan, np.float32) for shape in shapes))


class _Scores(Structure):
    _fields_ = [(name, c_int64) for name in ("first_row", "rows", "one")] + [
        (name, c_void_p) for name in ("strip", "plane", "best")
    ]

    @classmethod
    def of(cls, wanted: Wanted, scores: Scores) -> _Scores:
        return cls(*wanted, *map(_address, scores))


def _address(array: np.ndarray | None) -> int | None:
    if array is None:
        return None
    assert array.flags.c_contiguous
    return array.ctypes.data


class ImageProbe:
    """The library of ``runtimes/cpp/tests/image_probe.cpp``."""

    def __init__(self, path: Path) -> None:
        self._library = ctypes.CDLL(str(path))
        self._library.groupvit_probe_error.restype = c_char_p

    def _call(self, name: str, *arguments: Any) -> None:
        status = getattr(self._library, f"groupvit_probe_{name}")(
            *(c_void_p(item.ctypes.data) if isinstance(item, np.ndarray) else item for item in arguments)
        )
        if status:
            raise _ERRORS[status](self._library.groupvit_probe_error().decode())

    def taps(self, src: int, dst: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        low, high, t = np.empty(dst, np.int32), np.empty(dst, np.int32), np.empty(dst, np.float32)
        self._call("taps", c_int64(src), c_int64(dst), low, high, t)
        return low, high, t

    def composed_matrix(self, src: int, middle: int, dst: int) -> np.ndarray:
        matrix = np.zeros((dst, src), np.float32)
        self._call("composed", c_int64(src), c_int64(middle), c_int64(dst), matrix)
        return matrix

    def resize_image(self, rgb: np.ndarray, size: Sides, spec: Preprocessing) -> np.ndarray:
        out = np.empty((*size, 3), np.uint8)
        self._call("resize", rgb, _Size(*rgb.shape[:2]), _Size(*size), byref(_Preprocessing.of(spec)), out)
        return out

    def prepare_whole(self, rgb: np.ndarray, size: Sides, spec: Preprocessing) -> np.ndarray:
        out = np.full((3, *size), np.nan, np.float32)
        self._call(
            "prepare_whole", rgb, _Size(*rgb.shape[:2]), _Size(*size), byref(_Preprocessing.of(spec)), out
        )
        return out

    def plan_windows(self, image: Sides, window: SlidingWindow) -> WindowPlan:
        sizes, boxes = np.empty(6, np.int64), np.empty((1 << 14, 2), np.int64)
        self._call("plan", _Size(*image), byref(_Window.of(window)), sizes, boxes, c_int64(len(boxes)))
        height, width, padded_height, padded_width, side, count = sizes.tolist()
        assert count <= len(boxes)
        found = tuple((top, left) for top, left in boxes[:count].tolist())
        return WindowPlan(found, (height, width), (padded_height, padded_width), side)

    def prepare_windows(self, rgb: np.ndarray, spec: Preprocessing, window: SlidingWindow) -> np.ndarray:
        plan = self.plan_windows((rgb.shape[0], rgb.shape[1]), window)
        out = np.full((len(plan.boxes), 3, plan.side, plan.side), np.nan, np.float32)
        self._call(
            "prepare_windows", rgb, _Size(*rgb.shape[:2]), byref(_Preprocessing.of(spec)),
            byref(_Window.of(window)), out,
        )  # fmt: skip
        return out

    def upsampled_argmax(
        self, scores: np.ndarray, size: Sides, *, through: Sides | None = None
    ) -> np.ndarray:
        labels = _poisoned(size)
        self._call(
            "upsampled_argmax", np.ascontiguousarray(scores), c_int64(len(scores)), _Size(*scores.shape[1:]),
            _Size(*size), _Size(*(through or size)), labels,
        )  # fmt: skip
        return labels

    def hf_decode(
        self, masks: np.ndarray, groups: np.ndarray, text: np.ndarray, pixel_size: Sides, size: Sides
    ) -> np.ndarray:
        labels = _poisoned(size)
        outputs, classes = _Outputs.of(masks[None], groups[None], None), _Classes.of(text)
        self._call("hf_decode", byref(outputs), byref(classes), _Size(*pixel_size), _Size(*size), labels)
        return labels

    def hf_groups(self, masks: np.ndarray, pixel_size: Sides, size: Sides) -> np.ndarray:
        labels = _poisoned(size)
        outputs = _Outputs.of(masks[None], None, None)
        self._call("hf_groups", byref(outputs), _Size(*pixel_size), _Size(*size), labels)
        return labels

    def paper_affinity(
        self, groups: np.ndarray, image: np.ndarray, text: np.ndarray, logit_scale: float, decode: PaperDecode
    ) -> np.ndarray:
        affinity = np.full((len(groups), len(text)), np.nan, np.float32)
        masks = np.ones((1, len(groups), 1, 1), np.float32)
        outputs, classes = _Outputs.of(masks, groups[None], image[None]), _Classes.of(text)
        self._call(
            "paper_affinity", byref(outputs), byref(classes), c_double(logit_scale),
            c_int64(decode.top_classes), c_double(decode.max_logit_scale), affinity,
        )  # fmt: skip
        return affinity

    def paper_decode(
        self,
        masks: np.ndarray,
        groups: np.ndarray,
        images: np.ndarray,
        text: np.ndarray,
        logit_scale: float,
        decode: PaperDecode,
        size: Sides,
    ) -> tuple[np.ndarray, bool]:
        labels, background = _poisoned(size), c_int32(-1)
        threshold = decode.background_threshold
        outputs, classes = _Outputs.of(masks, groups, images), _Classes.of(text)
        self._call(
            "paper_decode", _Size(*size), byref(_Window.of(decode.window)), byref(outputs), byref(classes),
            c_double(logit_scale), c_double(-1 if threshold is None else threshold),
            c_int64(decode.top_classes), c_double(decode.max_logit_scale), labels, byref(background),
        )  # fmt: skip
        return labels, bool(background.value)

    def window_groups(
        self,
        masks: np.ndarray,
        groups: np.ndarray,
        images: np.ndarray,
        window: SlidingWindow,
        size: Sides,
    ) -> np.ndarray:
        labels = _poisoned(size)
        outputs = _Outputs.of(masks, groups, images)
        self._call("window_groups", _Size(*size), byref(_Window.of(window)), byref(outputs), labels)
        return labels

    def class_scores(
        self, images: np.ndarray, text: np.ndarray, logit_scale: float, max_scale: float
    ) -> Sequence[float]:
        scores = np.full(len(text), np.nan)
        masks, groups = np.ones((len(images), 1, 1, 1), np.float32), np.ones_like(images[:, None])
        outputs, classes = _Outputs.of(masks, groups, images), _Classes.of(text)
        self._call(
            "class_scores", byref(outputs), byref(classes), c_double(logit_scale), c_double(max_scale), scores
        )
        return scores.tolist()

    def exponential(self, values: np.ndarray) -> np.ndarray:
        result = values.copy()
        self._call("exponential", result, c_int64(result.size))
        return result

    def hf_score_map(
        self,
        masks: np.ndarray,
        groups: np.ndarray,
        text: np.ndarray,
        logit_scale: float,
        pixel_size: Sides,
        size: Sides,
        wanted: Wanted,
    ) -> Scores:
        scores = wanted.poisoned(len(text), size)
        outputs, classes = _Outputs.of(masks[None], groups[None], None), _Classes.of(text)
        self._call(
            "hf_score_map", byref(outputs), byref(classes), c_double(logit_scale), _Size(*pixel_size),
            _Size(*size), byref(_Scores.of(wanted, scores)),
        )  # fmt: skip
        return scores

    def paper_score_map(
        self,
        masks: np.ndarray,
        groups: np.ndarray,
        images: np.ndarray,
        text: np.ndarray,
        logit_scale: float,
        decode: PaperDecode,
        image: Sides,
        size: Sides,
        wanted: Wanted,
    ) -> Scores:
        threshold = decode.background_threshold
        scores = wanted.poisoned(len(text) + (threshold is not None), size)
        outputs, classes = _Outputs.of(masks, groups, images), _Classes.of(text)
        self._call(
            "paper_score_map", _Size(*image), byref(_Window.of(decode.window)), byref(outputs),
            byref(classes), c_double(logit_scale), c_double(-1 if threshold is None else threshold),
            c_int64(decode.top_classes), c_double(decode.max_logit_scale), _Size(*size),
            byref(_Scores.of(wanted, scores)),
        )  # fmt: skip
        return scores

    def hf_logits(
        self, masks: np.ndarray, groups: np.ndarray, text: np.ndarray, logit_scale: float, pixel_size: Sides
    ) -> np.ndarray:
        logits = np.full((len(text), *pixel_size), np.nan, np.float32)
        outputs, classes = _Outputs.of(masks[None], groups[None], None), _Classes.of(text)
        self._call(
            "hf_logits", byref(outputs), byref(classes), c_double(logit_scale), _Size(*pixel_size), logits
        )
        return logits

    def group_scores(
        self, groups: np.ndarray, text: np.ndarray, logit_scale: float, max_scale: float
    ) -> np.ndarray:
        scores = np.full((len(groups), len(text)), np.nan, np.float32)
        masks = np.ones((1, len(groups), 1, 1), np.float32)
        outputs, classes = _Outputs.of(masks, groups[None], None), _Classes.of(text)
        self._call(
            "group_scores", byref(outputs), byref(classes), c_double(logit_scale), c_double(max_scale), scores
        )
        return scores


def _poisoned(size: Sides) -> np.ndarray:
    return np.full(size, 0xDEAD, np.uint16)
