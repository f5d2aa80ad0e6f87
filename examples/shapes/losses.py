"""What training asks of the groups. Masks are used: this is no weakly supervised training."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

from examples.shapes.data import VALUES
from examples.shapes.world import (
    COLORS,
    HELD_OUT,
    THINGS,
    VOCABULARIES,
    kindless_value,
    nameless_value,
    thing_value,
)

_SMALL = 1e-6
_COMPOSITIONS = {thing_value(thing, color): (thing, color) for thing in THINGS for color in COLORS}


@dataclass(frozen=True)
class TrainingVocabulary:
    """Classes of one vocabulary as training sees them: without the held-out compositions.

    Attributes:
        names: K class names.
        columns: [48, K], 1 where a mask value belongs to a class.
        known: [48], 0 for mask values that have no class though they are no background: things
            of which the half that is asked for is not told.
        unjudged: [48, K], 1 where a class must not be counted against a mask value: "house" against a
            purple tent, because the purple house is held out. Counted, purple would come to mean
            "no house".
        without_background: whether the first class is left out, so that its patches belong to no class.
    """

    names: tuple[str, ...]
    columns: Tensor
    known: Tensor
    unjudged: Tensor
    without_background: bool


def training_vocabularies() -> tuple[TrainingVocabulary, ...]:
    """Each vocabulary of the world; those with a background a second time, without it."""
    held_out_values = {thing_value(thing, color) for thing, color in HELD_OUT}
    made = []
    for vocabulary in VOCABULARIES.values():
        # A composition that never shows would be learnt as a phrase that is never true.
        kept = [
            (name, values)
            for name, values in zip(vocabulary.classes, vocabulary.values, strict=True)
            if not set(values) <= held_out_values
        ]
        for drop in (False, True) if vocabulary.background else (False,):
            chosen = kept[1:] if drop else kept
            names = tuple(name for name, _ in chosen)
            columns = torch.tensor([[float(value in values) for _, values in chosen] for value in VALUES])
            known = torch.ones(len(VALUES))
            halves = {nameless_value(thing): thing for thing in THINGS}
            halves |= {kindless_value(color): f"{color} thing" for color in COLORS}
            for value, name in halves.items():
                row = VALUES.index(value)
                if name in names:
                    columns[row, names.index(name)] = 1
                else:
                    known[row] = 0
            unjudged = torch.tensor(
                [[_is_unjudged(value, values) for _, values in chosen] for value in VALUES]
            )
            made.append(TrainingVocabulary(names, columns, known, unjudged, drop))
    return tuple(made)


@cache
def kind_and_color_tables() -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """`columns` and `unjudged` of all kinds, and of all colors without a background."""
    kinds, colors = (
        next(v for v in training_vocabularies() if v.names[0] == first) for first in ("sky", "red thing")
    )
    return (kinds.columns, kinds.unjudged), (colors.columns, colors.unjudged)


def _is_unjudged(value: int, values: tuple[int, ...]) -> float:
    """Whether a class, given as its values, must not be counted against a value.

    It must not where the class's thing is held out in the value's color, or the class's color for the
    value's thing.
    """
    if value in values or value not in _COMPOSITIONS or not set(values) <= set(_COMPOSITIONS):
        return 0.0
    thing, color = _COMPOSITIONS[value]
    class_things = {_COMPOSITIONS[other][0] for other in values}
    class_colors = {_COMPOSITIONS[other][1] for other in values}
    return float(
        (len(class_things) == 1 and (class_things.pop(), color) in HELD_OUT)
        or (len(class_colors) == 1 and (thing, class_colors.pop()) in HELD_OUT)
    )


def mixture_loss(
    soft: Tensor, similarity: Tensor, target: Tensor, weight: Tensor, unjudged: Tensor
) -> Tensor:
    """Cross entropy of what the patches are named through their groups.

    Args:
        soft: [B, G, N], how much each patch belongs to each group.
        similarity: [B, G, K], scaled similarities of groups and class names.
        target: [B, N, K], part of the patch that each class covers, or 1 / K where nothing does.
        weight: [B, N].
        unjudged: [B, N, K], part of the patch that a class must not be counted against.
    """
    named = soft.mT @ similarity.softmax(dim=-1)
    judged = 1 - (unjudged * named).sum(dim=-1)
    per_patch = -(target * (named + _SMALL).log()).sum(dim=-1) + (judged + _SMALL).log()
    return (per_patch * weight).sum() / weight.sum()


def linear_loss(soft: Tensor, similarity: Tensor, target: Tensor, weight: Tensor, unjudged: Tensor) -> Tensor:
    """The same for the `hf` decode, which mixes the similarities instead of the probabilities."""
    logits = soft.mT @ similarity
    named = judged_log_softmax(logits, target, unjudged)
    per_patch = cross_entropy(target, named)
    return (per_patch * weight).sum() / weight.sum()


def judged_log_softmax(logits: Tensor, target: Tensor, unjudged: Tensor) -> Tensor:
    """Log-softmax over the last dimension, without the classes that are unjudged for most of a patch and
    show in no part of it."""
    return logits.masked_fill((unjudged > 0.5) & (target == 0), float("-inf")).log_softmax(dim=-1)


def cross_entropy(target: Tensor, named: Tensor) -> Tensor:
    """Summed over the last dimension; a class left out, minus infinity in `named`, has target 0."""
    return -(target * named.masked_fill(target == 0, 0)).sum(dim=-1)


def grouping_loss(soft: Tensor, region: Tensor, pure: Tensor) -> tuple[Tensor, Tensor]:
    """Whether two patches are in one group, against whether they show the same.

    Every region of an image weighs the same, be it a lake or a tent.

    Args:
        soft: [B, G, N].
        region: [B, N], what a patch shows most of, as a number.
        pure: bool [B, N], whether it shows little else; other patches do not count.

    Returns:
        The cost of regions that are taken apart, and of those that are thrown together.
    """
    together = soft.mT @ soft
    same = (region[:, :, None] == region[:, None, :]) & pure[:, :, None] & pure[:, None, :]
    share = pure / same.sum(dim=-1).clamp(min=1)
    pairs = share[:, :, None] * share[:, None, :]
    apart_weight, together_weight = pairs * same, pairs * ~same
    taken_apart = -(apart_weight * (together + _SMALL).log()).sum() / apart_weight.sum()
    thrown_together = -(together_weight * (1 - together + _SMALL).log()).sum() / together_weight.sum()
    return taken_apart, thrown_together


def presence_loss(image_similarity: Tensor, target: Tensor) -> Tensor:
    """Cross entropy of the whole image against the classes it shows, all alike.

    Args:
        image_similarity: [B, K], scaled.
        target: [B, N, K], zero where a class does not cover a patch.
    """
    present = (target.amax(dim=1) > 0.3).to(target.dtype)
    shows_any = present.sum(dim=-1) > 0
    share = present / present.sum(dim=-1, keepdim=True).clamp(min=1)
    losses = -(share * image_similarity.log_softmax(dim=-1)).sum(dim=-1)
    return losses[shows_any].mean() if bool(shows_any.any()) else losses.sum() * 0


def caption_loss(similarity: Tensor, true: Tensor) -> Tensor:
    """Symmetric contrast of B images and B captions.

    Args:
        similarity: [B, B], scaled, images in rows; the diagonal belongs together.
        true: bool [B, B], whether the caption is true of the image. Other images that a caption is
            true of are no negatives of it.
    """
    own = torch.arange(len(similarity), device=similarity.device)
    others = true.clone()
    others[own, own] = False
    contrast = similarity.masked_fill(others, float("-inf"))
    return (F.cross_entropy(contrast, own) + F.cross_entropy(contrast.T, own)) / 2


def composition_loss(whole: Tensor, color: Tensor, noun: Tensor) -> Tensor:
    """How far phrases are from the sum of their words, as 1 - cosine.

    Without it the text tower learns every phrase by heart, and a composition that it never heard lies
    on top of its neighbor.

    Args:
        whole: [M, P], of "red house", unit vectors.
        color, noun: [M, P], of "red thing" and "house".
    """
    return 1 - F.cosine_similarity(whole, color + noun, dim=-1).mean()


def balance_loss(soft: Tensor) -> Tensor:
    """Negative entropy of how much the groups are used over the batch; lowest when all are."""
    use = soft.mean(dim=(0, 2))
    return (use * (use + _SMALL).log()).sum()
