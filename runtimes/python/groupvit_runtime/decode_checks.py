"""Refusals of what an engine or a vocabulary hands to the decoders."""

from __future__ import annotations

import numpy as np

from groupvit_runtime.errors import EngineError, LabelError
from groupvit_runtime.resize import FloatArray

MAX_CLASSES = 65_535


def check_output(name: str, array: FloatArray, shape: tuple[int | str, ...]) -> None:
    """Refuse an engine output of another shape or dtype, or with NaN in it.

    Args:
        name: what to call it in the message.
        array: the output.
        shape: the expected shape; a word stands for any length of at least 1.

    Raises:
        EngineError: it does not fit.
    """
    fits = array.ndim == len(shape) and all(
        length >= 1 if isinstance(wanted, str) else length == wanted
        for length, wanted in zip(array.shape, shape, strict=False)
    )
    if fits and array.dtype == np.float32 and np.isfinite(array).all():
        return
    found = f"{array.dtype} {list(array.shape)}"
    raise EngineError(
        f"{name} from the engine cannot be decoded",
        got=f"{found} with NaN or infinite values" if fits and array.dtype == np.float32 else found,
        expected=f"finite float32 [{', '.join(map(str, shape))}]",
        fix="run `groupvit verify` on the bundle; if the engine is half precision, export it in float32",
    )


def check_text(text_embeds: FloatArray, width: int) -> None:
    """Refuse text embeddings that do not fit the model.

    Args:
        text_embeds: float32 [K, P].
        width: P of the model.

    Raises:
        LabelError: no classes, too many, another width, or values that are not finite.
    """
    if text_embeds.ndim != 2 or not 1 <= text_embeds.shape[0] <= MAX_CLASSES or text_embeds.shape[1] != width:
        raise LabelError(
            "the text embeddings do not fit the model",
            got=list(text_embeds.shape),
            expected=f"[K, {width}] with K from 1 to {MAX_CLASSES:,}",
            fix="encode the labels with the text engine of the same bundle",
        )
    if not np.isfinite(text_embeds).all():
        raise LabelError(
            "the text embeddings hold NaN or infinite values",
            expected="L2-normalized embeddings",
            fix="encode the labels again; an all-zero embedding cannot be normalized",
        )
