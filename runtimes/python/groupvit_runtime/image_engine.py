"""The image engine with those of the contract's inputs that it has: what normalizes and decodes inside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from groupvit_runtime.contract import (
    CLASSES_INPUT,
    IMAGE_INPUT,
    LABELS_OUTPUT,
    PIXELS_INPUT,
    SIZE_INPUT,
    Preprocessing,
)
from groupvit_runtime.engines import Engine
from groupvit_runtime.errors import BundleError, EngineError, UsageError
from groupvit_runtime.manifest import DecodeName, EngineInfo, Preprocessings
from groupvit_runtime.preprocess import cut_windows, prepare_whole, prepare_windows, resize_image
from groupvit_runtime.windows import WindowPlan

Outputs = dict[str, NDArray[np.generic]]
Prepared = NDArray[np.float32] | NDArray[np.uint8]
"""Normalized images [B, 3, H, W], or pixels [B, H, W, 3], as the engine takes them."""

_KNOWN: Final = frozenset({IMAGE_INPUT, PIXELS_INPUT, CLASSES_INPUT, SIZE_INPUT})


class ImageEngine:
    """Runs images through a loaded engine.

    Args:
        info: what the manifest says of it.
        engine: which executes it.

    Raises:
        BundleError: inputs and record contradict each other.
    """

    def __init__(self, info: EngineInfo, engine: Engine) -> None:
        _check_inputs(info)
        inputs = {tensor.name: tensor for tensor in info.inputs}
        self._engine = engine
        self._input = PIXELS_INPUT if PIXELS_INPUT in inputs else IMAGE_INPUT
        self._width = inputs[CLASSES_INPUT].shape[1] if CLASSES_INPUT in inputs else None
        self._normalizes = info.normalizes

    @property
    def description(self) -> str:
        """Runtime, version, device and precision that are really in use."""
        return self._engine.description

    @property
    def device(self) -> str:
        """ "cpu" or "cuda": where it runs."""
        return self._engine.device

    @property
    def normalizes(self) -> DecodeName | None:
        """The decode whose normalization is inside it; None where images come normalized."""
        return self._normalizes

    @property
    def decodes(self) -> bool:
        """Whether it makes label maps, the `hf` way."""
        return self._width is not None

    def check_serves(self, decode: DecodeName, contracts: Preprocessings) -> None:
        """Refuse a decode whose images are normalized in another way than inside the engine.

        Raises:
            UsageError: they are.
        """
        if self._normalizes is None:
            return
        own, wanted = getattr(contracts, self._normalizes), getattr(contracts, decode)
        if not wanted.normalizes_like(own):
            raise UsageError(
                f"the engine normalizes images by itself, and not as the {decode} decode needs them",
                got=f"mean {_numbers(own.mean)}, std {_numbers(own.std)} of the {self._normalizes} decode",
                expected=f"mean {_numbers(wanted.mean)}, std {_numbers(wanted.std)}",
                fix=f"decode={self._normalizes!r}, or groupvit export --input uint8 --decode {decode}, "
                "or export without --input uint8",
            )

    def whole(
        self, images: Sequence[NDArray[np.uint8]], size: tuple[int, int], spec: Preprocessing
    ) -> Prepared:
        """Images as the engine's batch; the other arguments as for `prepare_whole`."""
        if self._normalizes is None:
            batch = np.empty((len(images), 3, *size), np.float32)
            for rgb, place in zip(images, batch, strict=True):
                prepare_whole(rgb, size, spec, place)
            return batch
        return np.stack([resize_image(rgb, size, spec) for rgb in images])

    def windows(self, rgb: NDArray[np.uint8], spec: Preprocessing, plan: WindowPlan) -> Prepared:
        """An image's windows as the engine's batch; arguments as for `prepare_windows`."""
        if self._normalizes is None:
            return prepare_windows(rgb, spec, plan)
        return cut_windows(rgb, spec, plan)

    def run(self, images: Prepared) -> Outputs:
        """All outputs but label maps.

        Args:
            images: a batch from `whole` or `windows`.

        Raises:
            EngineError: the runtime refused.
        """
        if self._width is None:
            return self._engine.run({self._input: images})
        # It decodes all the same: one class and one pixel cost nothing.
        outputs, _ = self.label(images, np.zeros((1, self._width), np.float32), (1, 1))
        return outputs

    def label(
        self,
        images: Prepared,
        classes: NDArray[np.float32],
        size: tuple[int, int],
    ) -> tuple[Outputs, NDArray[np.uint16]]:
        """All outputs, and the label maps that the engine decoded.

        Args:
            images: a batch from `whole`.
            classes: float32 [K, P], unit vectors, K at most 65,535.
            size: (height, width) of the label maps.

        Returns:
            The other outputs, and uint16 [B, height, width].

        Raises:
            EngineError: the runtime refused.
        """
        feeds = {
            self._input: images,
            CLASSES_INPUT: np.ascontiguousarray(classes, np.float32),
            SIZE_INPUT: np.array(size, np.int64),
        }
        outputs = dict(self._engine.run(feeds))
        labels = outputs.pop(LABELS_OUTPUT)
        if labels.shape != (len(images), *size):
            raise EngineError(
                "the engine gave label maps of another size than it was asked for",
                got=list(labels.shape),
                expected=[len(images), *size],
                fix="export the bundle again",
            )
        return outputs, labels.astype(np.uint16)


def _check_inputs(info: EngineInfo) -> None:
    names = {tensor.name for tensor in info.inputs}
    decodes = {CLASSES_INPUT, SIZE_INPUT} <= names
    is_consistent = (
        names <= _KNOWN
        and (IMAGE_INPUT in names) != (PIXELS_INPUT in names)
        and (PIXELS_INPUT in names) == (info.normalizes is not None)
        and decodes == bool(names & {CLASSES_INPUT, SIZE_INPUT})
        and decodes == any(tensor.name == LABELS_OUTPUT for tensor in info.outputs)
    )
    if not is_consistent:
        raise BundleError(
            "this runtime does not know what to feed the image engine",
            got=f"inputs {', '.join(sorted(names))}; normalizes: {info.normalizes}",
            expected=f"{IMAGE_INPUT}, or {PIXELS_INPUT} and whose normalization is inside; with "
            f"{LABELS_OUTPUT} also {CLASSES_INPUT} and {SIZE_INPUT}",
            fix="install the version of the toolkit that exported it, or export the bundle again",
        )


def _numbers(values: tuple[float, ...]) -> str:
    return "/".join(f"{value:.4g}" for value in values)
