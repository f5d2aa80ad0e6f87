"""Graphs captured once a run: tracing is most of an export's time, and most exports trace the same encoder.

What is captured is looked at where capturing is the subject (`graph/test_capture.py`,
`graph/test_text_capture.py`, exports in processes of their own); those call it themselves, or ask for
`captures_anew`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import onnx
from torch import nn

from groupvit_export.graph.capture import capture_image_encoder
from groupvit_export.graph.encoders import ImageEncoder, TextEncoder
from groupvit_export.graph.text_capture import TextCapture
from groupvit_export.model.config import GroupViTConfig


def identity(encoder: nn.Module, *more: object) -> str:
    """A hash over structure, settings and weights."""
    digest = hashlib.sha256(repr((encoder, more)).encode())
    for name, module in encoder.named_modules():
        settings = {key: value for key, value in vars(module).items() if not key.startswith("_")}
        digest.update(repr((name, type(module), settings)).encode())
    for name, value in encoder.state_dict().items():
        digest.update(repr((name, value.dtype, value.shape)).encode())
        digest.update(value.contiguous().numpy().tobytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class Captured:
    """What a capture gives, of the image encoder at once and of the text encoder when it is asked for."""

    path: Path
    capture: Callable[[], onnx.ModelProto]

    def result(self) -> onnx.ModelProto:
        if not self.path.exists():
            made = self.path.with_suffix(f".{os.getpid()}")
            onnx.save_model(self.capture(), made)
            made.replace(self.path)
        return onnx.load_model(self.path)


@dataclass(frozen=True)
class Captures:
    """Stands in the places of both captures.

    Attributes:
        folder: of all workers of this run.
    """

    folder: Path

    def image(self, encoder: ImageEncoder) -> onnx.ModelProto:
        path = self.folder / f"{identity(encoder)}.onnx"
        return Captured(path, lambda: capture_image_encoder(encoder)).result()

    @contextlib.contextmanager
    def text(self, encoder: TextEncoder, config: GroupViTConfig) -> Iterator[Captured]:
        path = self.folder / f"{identity(encoder, config)}.onnx"
        if path.exists():
            yield Captured(path, lambda: onnx.load_model(path))
        else:
            with TextCapture(encoder, config) as capture:
                yield Captured(path, capture.result)
