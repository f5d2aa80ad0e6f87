"""A segmentation as what the caller accepts."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from groupvit_runtime.label_record import label_record
from groupvit_runtime.result import Segmentation
from groupvit_runtime.segmenter import Segmenter
from groupvit_runtime.serving.asked import Asked
from groupvit_runtime.serving.refusal import Refusal

_QUALITY: Final = 90

Encode = Callable[[Segmentation, Segmenter, Asked], bytes]


def label_runs(result: Segmentation) -> dict[str, list[int]]:
    """The label map row by row as runs: `numpy.repeat(labels, lengths).reshape(height, width)`."""
    flat = result.labels.reshape(-1)
    starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])
    lengths = np.diff(starts, append=flat.size)
    return {"labels": flat[starts].tolist(), "lengths": lengths.tolist()}


def _as_json(result: Segmentation, segmenter: Segmenter, asked: Asked) -> bytes:
    record = label_record(
        result,
        segmenter,
        threshold=asked.threshold,
        background_threshold=asked.background_threshold,
        negatives=asked.negative,
        templates=asked.template,
    )
    content: dict[str, Any] = {**record, "runs": label_runs(result)}
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def _as_png(result: Segmentation, segmenter: Segmenter, asked: Asked) -> bytes:
    file = io.BytesIO()
    result.save_labels(file)
    return file.getvalue()


def _as_overlay(result: Segmentation, segmenter: Segmenter, asked: Asked) -> bytes:
    file = io.BytesIO()
    result.overlay().save(file, format="JPEG", quality=_QUALITY)
    return file.getvalue()


ANSWERS: Final[Mapping[str, tuple[str, Encode]]] = MappingProxyType(
    {
        "application/json": ("the record of the label map, and its labels as runs", _as_json),
        "image/png": ("the label map; a pixel's value is the index of its class", _as_png),
        "image/jpeg": ("the image with its classes in color and a legend", _as_overlay),
    }
)
"""By media type, the usual one first."""


def accepted(header: str) -> str:
    """The media type that an Accept header wants most.

    Raises:
        Refusal: 406: none of those that there are.
    """
    best, best_quality = "", 0.0
    for part in header.split(",") if header.strip() else ["*/*"]:
        wanted, _, parameters = part.strip().lower().partition(";")
        quality = _quality(parameters)

        for offered in ANSWERS:
            fits = wanted.strip() in (offered, "*/*") or wanted.strip() == f"{offered.partition('/')[0]}/*"
            if fits and quality > best_quality:
                best, best_quality = offered, quality
                break
    if not best:
        raise Refusal(
            HTTPStatus.NOT_ACCEPTABLE,
            "a segmentation cannot be answered as this",
            got=header[:200],
            expected=f"Accept: one of {', '.join(ANSWERS)}",
        )
    return best


def _quality(parameters: str) -> float:
    for parameter in parameters.split(";"):
        name, _, value = parameter.strip().partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0
