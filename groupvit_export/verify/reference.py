"""The reference in float64, and how far eager PyTorch in float32 is from it.

That distance, times a fixed factor, is the budget for an engine in float32. It never contains the
engine's own error: a budget that did would explain every flip.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from groupvit_export.model.groupvit import GroupViTModel, group_masks
from groupvit_runtime.contract import IMAGE_OUTPUTS, TEXT_OUTPUT

Arrays = dict[str, NDArray[Any]]

_RELEVANT = 1e-6
"""Probabilities below it cannot win and their logarithm is all rounding; they are left out."""


@dataclass(frozen=True)
class StageView:
    """One grouping block of one run: log soft map [B, G, N] and assignment [B, N]."""

    log_soft: NDArray[np.float64]
    index: NDArray[np.int64]


class Reference:
    """The reference model in float64 on the CPU, replayed with an engine's own assignments."""

    def __init__(self, model: GroupViTModel) -> None:
        self._model = copy.deepcopy(model).double().eval()
        # Eager PyTorch and the engine nearly always decide alike, and float64 is the slow part.
        self._known: dict[bytes, Arrays] = {}

    def image(self, pixel_values: NDArray[np.float32], forced: Sequence[NDArray[np.int64]]) -> Arrays:
        """Outputs of the image encoder with the assignments `forced`.

        A stage's soft map does not depend on its own assignment, only on earlier ones, so one replay
        shows at every stage what the reference would have decided where the engine stood.
        """
        key = _digest(pixel_values, *forced)
        if key not in self._known:
            with torch.no_grad():
                self._known[key] = image_outputs(
                    self._model,
                    torch.from_numpy(pixel_values).double(),
                    [torch.from_numpy(index) for index in forced],
                )
        return self._known[key]

    def text(self, input_ids: NDArray[np.int64]) -> Arrays:
        """Output of the text encoder."""
        key = _digest(input_ids)
        if key not in self._known:
            with torch.no_grad():
                embeds = self._model.get_text_features(torch.from_numpy(input_ids))
            self._known[key] = {TEXT_OUTPUT: embeds.numpy()}
        return self._known[key]


def _digest(*arrays: NDArray[Any]) -> bytes:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(repr((array.dtype.str, array.shape)).encode())
        digest.update(array.tobytes())
    return digest.digest()


def image_outputs(
    model: GroupViTModel, pixel_values: torch.Tensor, forced: Sequence[torch.Tensor] | None = None
) -> Arrays:
    """Outputs of the image engine, by the same names, from the reference model in its own dtype."""
    vision = model.vision_model(pixel_values, output_attentions=True, forced=forced)
    embeds = model.visual_projection(vision.pooler_output), model.project_groups(vision.last_hidden_state)
    values = (
        *(torch.nn.functional.normalize(item, dim=-1) for item in embeds),
        group_masks(vision.attentions, vision.grid),
    )
    outputs = {name: value.numpy() for name, value in zip(IMAGE_OUTPUTS, values, strict=True)}
    for stage, (soft, index) in enumerate(zip(vision.attentions, vision.assignments, strict=True), 1):
        outputs[f"soft_map_{stage}"] = soft.numpy()
        outputs[f"assignment_{stage}"] = index.numpy()
    return outputs


def stage_view(outputs: Mapping[str, NDArray[Any]], stage: int) -> StageView:
    """The decisions of one stage; log of the soft map equals the logits up to a constant a token."""
    soft = np.asarray(outputs[f"soft_map_{stage}"], dtype=np.float64)
    with np.errstate(divide="ignore"):
        log_soft = np.log(soft)
    return StageView(log_soft=log_soft, index=np.asarray(outputs[f"assignment_{stage}"], dtype=np.int64))


def logit_error(candidate: StageView, reference: StageView) -> float:
    """Largest difference of a logit, among groups that the reference gives a relevant probability."""
    relevant = reference.log_soft >= np.log(_RELEVANT)
    return float(np.abs(candidate.log_soft[relevant] - reference.log_soft[relevant]).max())


def margins(reference: StageView) -> NDArray[np.float64]:
    """Distance of the reference's two best logits for every token, [B, N]; infinite with one group."""
    if reference.log_soft.shape[1] == 1:
        return np.full(reference.index.shape, np.inf)
    second, first = np.partition(reference.log_soft, -2, axis=1)[:, -2:].swapaxes(0, 1)
    return first - second
