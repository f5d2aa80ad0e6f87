"""From an engine's outputs for an image to its `Segmentation`."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from groupvit_runtime.competition import Competition
from groupvit_runtime.contract import PaperDecode
from groupvit_runtime.decode import hf_logits, hf_scores
from groupvit_runtime.group_maps import StageMaps, WholeGroups, WindowedGroups, words_of_groups
from groupvit_runtime.hf_planes import HfPlanes
from groupvit_runtime.image_outputs import ImageOutputs
from groupvit_runtime.manifest.records import ModelInfo
from groupvit_runtime.paper import paper_average
from groupvit_runtime.paper_planes import PaperPlanes
from groupvit_runtime.result import Segmentation
from groupvit_runtime.score_planes import abstain
from groupvit_runtime.upsampled_argmax import upsampled_argmax
from groupvit_runtime.windows import WindowPlan


def whole_result(
    rgb: NDArray[np.uint8],
    outputs: ImageOutputs,
    index: int,
    competition: Competition,
    model: ModelInfo,
    labels: NDArray[np.uint16] | None = None,
) -> Segmentation:
    """By the `hf` decode.

    Args:
        rgb: uint8 [H, W, 3], the image.
        outputs: of a batch.
        index: the image's place in it.
        competition: the classes.
        model: the bundle's.
        labels: uint16 [H, W] where the engine decoded by itself.

    Raises:
        EngineError: outputs that are not finite, or whose shapes do not fit.
        LabelError: embeddings of classes that cannot be used.
    """
    size = (rgb.shape[0], rgb.shape[1])
    masks, group_embeds = outputs.masks[index], outputs.group_embeds[index]
    planes = partial(_hf_planes, masks, group_embeds, competition.embeddings, model, size)
    if labels is None:
        labels = _hf_labels(planes(), competition)
    scale = float(np.exp(model.logit_scale))
    maps = StageMaps(
        masks[None], tuple(soft[index : index + 1] for soft in outputs.soft_maps), len(model.groups)
    )
    return Segmentation(
        labels=labels,
        names=competition.names,
        scores=_image_scores(outputs.image_embeds[index : index + 1], competition, scale),
        image=rgb,
        decode="hf",
        background=competition.background_index,
        unlabeled=competition.unlabeled,
        score_names=competition.score_names,
        _make_planes=planes,
        _logits=partial(
            hf_logits, masks, group_embeds, competition.embeddings, model.logit_scale, model.image_size
        ),
        _groups=WholeGroups(maps, model.image_size, size),
        _words=partial(_words, group_embeds, competition, scale),
    )


def windowed_result(
    rgb: NDArray[np.uint8],
    outputs: ImageOutputs,
    plan: WindowPlan,
    competition: Competition,
    model: ModelInfo,
    settings: PaperDecode,
) -> Segmentation:
    """By the `paper` decode; the other arguments and errors as for `whole_result`.

    Args:
        outputs: of the image's windows.
        plan: where they lie.
        settings: of the decode.
    """
    size = (rgb.shape[0], rgb.shape[1])
    planes = partial(
        _paper_planes, plan, replace(outputs, soft_maps=()), competition.embeddings, model, settings, size
    )
    made = planes()
    labels = made.average.labels(size)
    if competition.unlabeled is not None:
        abstain(labels, made, unlabeled=competition.unlabeled, threshold=competition.threshold)
    scale = min(float(np.exp(model.logit_scale)), settings.max_logit_scale)
    return Segmentation(
        labels=labels,
        names=competition.names,
        scores=_image_scores(outputs.image_embeds, competition, scale),
        image=rgb,
        decode="paper",
        background=competition.background_index,
        unlabeled=competition.unlabeled,
        score_names=competition.score_names,
        _make_planes=planes,
        _logits=None,
        _groups=WindowedGroups(StageMaps(outputs.masks, outputs.soft_maps, len(model.groups)), plan, size),
        _words=partial(_words, outputs.group_embeds, competition, scale),
    )


def _hf_labels(planes: HfPlanes, competition: Competition) -> NDArray[np.uint16]:
    labels = upsampled_argmax(planes.scores, planes.size, through=planes.through)
    if competition.unlabeled is not None:
        abstain(labels, planes, unlabeled=competition.unlabeled, threshold=competition.threshold)
    return labels


def _hf_planes(
    masks: NDArray[np.float32],
    group_embeds: NDArray[np.float32],
    text_embeds: NDArray[np.float32],
    model: ModelInfo,
    size: tuple[int, int],
) -> HfPlanes:
    scores = hf_scores(masks, group_embeds, text_embeds)
    return HfPlanes(scores, model.logit_scale, model.image_size, size)


def _paper_planes(
    plan: WindowPlan,
    outputs: ImageOutputs,
    text_embeds: NDArray[np.float32],
    model: ModelInfo,
    settings: PaperDecode,
    size: tuple[int, int],
) -> PaperPlanes:
    average = paper_average(
        plan,
        outputs.masks,
        outputs.group_embeds,
        outputs.image_embeds,
        text_embeds,
        model.logit_scale,
        settings,
    )
    return PaperPlanes(average, size)


def _words(
    group_embeds: NDArray[np.float32], competition: Competition, scale: float, top: int
) -> tuple[tuple[tuple[str, float], ...], ...]:
    names = (*competition.labels, *competition.negatives)
    return words_of_groups(group_embeds, competition.embeddings, scale, names, top)


def _image_scores(
    image_embeds: NDArray[np.float32], competition: Competition, scale: float
) -> dict[str, float]:
    """Softmax over all that compete, averaged over windows; those of the labels."""
    logits = image_embeds.astype(np.float64) @ competition.embeddings.T.astype(np.float64)
    logits *= scale
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares = (exponentials / exponentials.sum(axis=1, keepdims=True)).mean(axis=0)
    return dict(zip(competition.labels, shares.tolist(), strict=False))
