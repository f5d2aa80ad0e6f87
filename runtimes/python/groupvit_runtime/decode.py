"""From soft maps and embeddings to label maps as Hugging Face reads them; `paper.py` has the other way.

Products of embeddings and mixtures of masks are summed in float64 and rounded once to float32, so that the
order of the sum does not matter; everything after that is float32 in the order that is written down.
``logit_scale`` is everywhere the checkpoint's parameter, of which the model takes ``exp``.
"""

from __future__ import annotations

import numpy as np

from groupvit_runtime.decode_checks import check_output, check_text
from groupvit_runtime.resize import FloatArray, bilinear
from groupvit_runtime.upsampled_argmax import LabelMap, upsampled_argmax

__all__ = ["hf_decode", "hf_groups", "hf_logits", "hf_scores"]


def hf_scores(masks: FloatArray, group_embeds: FloatArray, text_embeds: FloatArray) -> FloatArray:
    """Class scores on the grid: Hugging Face's segmentation logits before scaling and upsampling.

    Args:
        masks: float32 [G, gh, gw], soft maps.
        group_embeds: float32 [G, P], L2-normalized.
        text_embeds: float32 [K, P], L2-normalized.

    Returns:
        float32 [K, gh, gw]: ``similarity @ masks``, where ``similarity = text @ group`` is rounded to
        float32 in between.

    Raises:
        EngineError: masks or group embeddings that are not finite, or whose shapes do not fit.
        LabelError: no classes, more than 65,535, or embeddings of another width or not finite.
    """
    check_output("masks", masks, ("G", "gh", "gw"))
    check_output("group_embeds", group_embeds, (masks.shape[0], "P"))
    check_text(text_embeds, group_embeds.shape[1])
    similarity = (text_embeds.astype(np.float64) @ group_embeds.T.astype(np.float64)).astype(np.float32)
    flat = masks.reshape(masks.shape[0], -1).astype(np.float64)
    scores = (similarity.astype(np.float64) @ flat).astype(np.float32)
    return scores.reshape(-1, *masks.shape[1:])


def hf_logits(
    masks: FloatArray,
    group_embeds: FloatArray,
    text_embeds: FloatArray,
    logit_scale: float,
    pixel_size: tuple[int, int],
) -> FloatArray:
    """Hugging Face's ``segmentation_logits``.

    Args:
        masks: float32 [G, gh, gw], soft maps.
        group_embeds: float32 [G, P], L2-normalized.
        text_embeds: float32 [K, P], L2-normalized.
        logit_scale: the checkpoint's parameter; its ``exp`` is applied twice, as the model does.
        pixel_size: (H, W) of the engine's input.

    Returns:
        float32 [K, H, W].

    Raises:
        EngineError: masks or group embeddings that are not finite, or whose shapes do not fit.
        LabelError: embeddings of classes that cannot be used.
    """
    factor = np.float32(np.exp(2 * np.float64(logit_scale)))
    return bilinear(hf_scores(masks, group_embeds, text_embeds) * factor, pixel_size)


def hf_decode(
    masks: FloatArray,
    group_embeds: FloatArray,
    text_embeds: FloatArray,
    pixel_size: tuple[int, int],
    out_size: tuple[int, int],
) -> LabelMap:
    """The class of every pixel: the largest of :func:`hf_logits`, resized bilinearly to the image.

    There is no ``logit_scale``: a positive factor changes no maximum.

    Args:
        masks: float32 [G, gh, gw], soft maps.
        group_embeds: float32 [G, P], L2-normalized.
        text_embeds: float32 [K, P], L2-normalized.
        pixel_size: (H, W) of the engine's input, through which the model upsamples.
        out_size: (h, w) of the image.

    Returns:
        uint16 [h, w], values 0 to K - 1; the lowest class on equal logits.

    Raises:
        EngineError: masks or group embeddings that are not finite, or whose shapes do not fit.
        LabelError: embeddings of classes that cannot be used.
    """
    return upsampled_argmax(hf_scores(masks, group_embeds, text_embeds), out_size, through=pixel_size)


def hf_groups(masks: FloatArray, pixel_size: tuple[int, int], out_size: tuple[int, int]) -> LabelMap:
    """The group of every pixel: the largest soft map, upsampled as the class logits are.

    Args:
        masks: float32 [G, gh, gw], soft maps.
        pixel_size: (H, W) of the engine's input.
        out_size: (h, w) of the image.

    Returns:
        uint16 [h, w], values 0 to G - 1; the lowest group on equal maps.

    Raises:
        EngineError: masks that are not finite or not three-dimensional.
    """
    check_output("masks", masks, ("G", "gh", "gw"))
    return upsampled_argmax(masks, out_size, through=pixel_size)
