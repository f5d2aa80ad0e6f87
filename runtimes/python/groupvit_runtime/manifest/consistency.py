"""What the records of a manifest say of each other."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from groupvit_runtime.contract import (
    CLASSES_INPUT,
    IMAGE_INPUT,
    LABELS_OUTPUT,
    PIXELS_INPUT,
    SIZE_INPUT,
    TEXT_INPUT,
    TEXT_OUTPUT,
)
from groupvit_runtime.errors import BundleError
from groupvit_runtime.manifest.engine_info import EngineInfo, Role
from groupvit_runtime.manifest.records import Manifest, ModelInfo

MAX_WINDOW_PIXELS: Final = 2**28
"""Of all windows of one image."""
MAX_TOKENIZER_BYTES: Final = 2**28
MAX_VOCABULARY_BYTES: Final = 2**31

FLOAT32: Final = "fp32"

_SHARED: Final = ("target", "inputs", "outputs", "normalizes")
"""Fields of an image engine that all of a bundle have alike."""

_OPEN: Final = -1
_REQUIRED: Final[Mapping[Role, tuple[str, ...]]] = MappingProxyType(
    {"image": ("image_embeds", "group_embeds", "masks"), "text": (TEXT_OUTPUT,)}
)


def check_consistency(manifest: Manifest) -> None:
    """Refuse a manifest of which one part contradicts another.

    Raises:
        BundleError: sizes, windows, tensors or files do not fit each other.
    """
    model = manifest.model
    sides = tuple(side * model.patch_size for side in model.grid)
    if sides != model.image_size:
        raise _contradiction("model.image_size", list(model.image_size), f"grid * patch_size, {list(sides)}")
    _check_windows(manifest)
    for engine in (*manifest.engines, *manifest.alternatives):
        _check_tensors(engine, model)
    _check_alternatives(manifest)
    if manifest.tokenizer is not None and manifest.tokenizer.bytes > MAX_TOKENIZER_BYTES:
        raise _contradiction("tokenizer.bytes", manifest.tokenizer.bytes, f"at most {MAX_TOKENIZER_BYTES}")
    for vocabulary in manifest.vocabularies:
        if vocabulary.file.bytes > MAX_VOCABULARY_BYTES:
            raise _contradiction(
                "vocabularies.file.bytes", vocabulary.file.bytes, f"at most {MAX_VOCABULARY_BYTES}"
            )


def _check_alternatives(manifest: Manifest) -> None:
    """Whatever is said of the image engine must be true of each, and old runtimes know only the first."""
    images = [engine for engine in manifest.engines if engine.role == "image"]
    precisions = [engine.precision for engine in (*images, *manifest.alternatives)]
    if manifest.alternatives:
        if not images or images[0].precision != FLOAT32:
            raise _contradiction("alternatives", precisions, f"beside an image engine in {FLOAT32}")
        if len(set(precisions)) != len(precisions):
            raise _contradiction("precisions of the image engines", precisions, "each once")
    for engine in manifest.alternatives:
        if engine.role != "image" or not engine.files:
            raise _contradiction("alternatives.role", engine.role, "an image engine with its files")
        for name in _SHARED:
            if getattr(engine, name) != getattr(images[0], name):
                raise _contradiction(f"alternatives.{name}", engine.precision, f"that of {FLOAT32}")
    if manifest.measured is not None:
        unknown = sorted(set(manifest.measured.fastest_first) - set(precisions))
        if unknown:
            raise _contradiction("measured.fastest_first", unknown, ", ".join(precisions))


def _check_windows(manifest: Manifest) -> None:
    if manifest.decode.paper is None:
        return
    window, image_size = manifest.decode.paper.window, manifest.model.image_size
    if (window.size, window.size) != image_size:
        raise _contradiction("decode.paper.window.size", window.size, f"that of {list(image_size)}")
    count = (window.long_side_max - window.size + window.stride - 1) // window.stride + 1
    pixels = count * window.size * window.size
    if pixels > MAX_WINDOW_PIXELS:
        raise _contradiction(
            "decode.paper.window", f"{count} windows, {pixels} pixels", f"at most {MAX_WINDOW_PIXELS} pixels"
        )


def _tensors(role: Role, model: ModelInfo) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Dtype and shape of those that runtimes know; see docs/bundle.md."""
    (height, width), dim, groups = model.image_size, model.projection_dim, model.groups[-1]
    if role == "text":
        return {TEXT_INPUT: ("int64", (_OPEN, _OPEN)), TEXT_OUTPUT: ("float32", (_OPEN, dim))}
    return {
        IMAGE_INPUT: ("float32", (_OPEN, 3, height, width)),
        PIXELS_INPUT: ("uint8", (_OPEN, height, width, 3)),
        CLASSES_INPUT: ("float32", (_OPEN, dim)),
        SIZE_INPUT: ("int64", (2,)),
        "image_embeds": ("float32", (_OPEN, dim)),
        "group_embeds": ("float32", (_OPEN, groups, dim)),
        "masks": ("float32", (_OPEN, groups, *model.grid)),
        LABELS_OUTPUT: ("int32", (_OPEN, _OPEN, _OPEN)),
    }


def _check_tensors(engine: EngineInfo, model: ModelInfo) -> None:
    known = _tensors(engine.role, model)
    inputs = [tensor.name for tensor in engine.inputs]
    if engine.role == "text" and inputs != [TEXT_INPUT]:
        raise _contradiction("inputs of the text engine", inputs, TEXT_INPUT)
    outputs = {tensor.name for tensor in engine.outputs}
    missing = [name for name in _REQUIRED[engine.role] if name not in outputs]
    if missing:
        raise _contradiction(f"outputs of the {engine.role} engine", sorted(outputs), ", ".join(missing))
    for tensor in (*engine.inputs, *engine.outputs):
        dtype, shape = known.get(tensor.name, (tensor.dtype, tensor.shape))
        fits = len(shape) == len(tensor.shape) and all(
            wanted in (_OPEN, side) and side != 0 for side, wanted in zip(tensor.shape, shape, strict=True)
        )
        if tensor.dtype != dtype or (tensor.name in known and not fits):
            raise _contradiction(
                f"{tensor.name} of the {engine.role} engine",
                f"{tensor.dtype} {list(tensor.shape)}",
                f"{dtype} {list(shape)}",
            )


def _contradiction(where: str, got: object, expected: object) -> BundleError:
    return BundleError(
        f"{where} contradicts the rest of the manifest",
        got=got,
        expected=expected,
        fix="do not use this bundle; or export it again with this version of the toolkit",
    )
