"""The reference model in float64, free or replayed with somebody else's assignments."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from groupvit_export.model.groupvit import GroupViTModel, group_masks
from groupvit_runtime.contract import IMAGE_OUTPUTS

Arrays = dict[str, NDArray[Any]]


class Reference:
    """The reference model in float64 on the CPU."""

    def __init__(self, model: GroupViTModel) -> None:
        self._model = copy.deepcopy(model).double().eval()
        self.stages = len(model.config.vision_config.grouping_stages)
        # Backends nearly always decide as the reference does, and float64 is the slow part.
        self._known: dict[bytes, Arrays] = {}

    def free(self, pixel_values: NDArray[np.float32]) -> Arrays:
        """Outputs of the image encoder with its own assignments.

        Args:
            pixel_values: float32 [B, 3, H, W].
        """
        key = _digest(pixel_values)
        if key not in self._known:
            outputs = self._image(pixel_values, None)
            self._known[key] = outputs
            self._known[_digest(pixel_values, *assignments(outputs))] = outputs
        return self._known[key]

    def replay(self, pixel_values: NDArray[np.float32], forced: Sequence[NDArray[np.int64]]) -> Arrays:
        """Outputs of the image encoder with the assignments `forced`.

        A stage's soft map does not depend on its own assignment, only on earlier ones, so one replay
        shows at every stage what the reference would have decided where the candidate stood.

        Args:
            pixel_values: float32 [B, 3, H, W].
            forced: for every stage int64 [B, N].
        """
        self.free(pixel_values)
        key = _digest(pixel_values, *forced)
        if key not in self._known:
            self._known[key] = self._image(pixel_values, [torch.from_numpy(index) for index in forced])
        return self._known[key]

    def text(self, input_ids: NDArray[np.int64]) -> NDArray[np.float64]:
        """Output of the text encoder, float64 [B, P], for int64 [B, L]."""
        with torch.no_grad():
            embeds: NDArray[np.float64] = self._model.get_text_features(torch.from_numpy(input_ids)).numpy()
        return embeds

    def _image(self, pixel_values: NDArray[np.float32], forced: Sequence[torch.Tensor] | None) -> Arrays:
        with torch.no_grad():
            return image_outputs(self._model, torch.from_numpy(pixel_values).double(), forced)


def image_outputs(
    model: GroupViTModel, pixel_values: torch.Tensor, forced: Sequence[torch.Tensor] | None = None
) -> Arrays:
    """Outputs of the image engine, by the same names, from the reference model in its own dtype.

    Half precision is returned as float32, which holds it exactly.
    """
    vision = model.vision_model(pixel_values, output_attentions=True, forced=forced)
    embeds = model.visual_projection(vision.pooler_output), model.project_groups(vision.last_hidden_state)
    values = (
        *(torch.nn.functional.normalize(item, dim=-1) for item in embeds),
        group_masks(vision.attentions, vision.grid),
    )
    outputs = {name: _array(value) for name, value in zip(IMAGE_OUTPUTS, values, strict=True)}
    for stage, (soft, index) in enumerate(zip(vision.attentions, vision.assignments, strict=True), 1):
        outputs[f"soft_map_{stage}"] = _array(soft)
        outputs[f"assignment_{stage}"] = index.numpy()
    return outputs


def assignments(outputs: Arrays) -> list[NDArray[np.int64]]:
    """The assignments among the outputs, first stage first."""
    names = sorted(name for name in outputs if name.startswith("assignment_"))
    return [np.asarray(outputs[name], dtype=np.int64) for name in names]


def _array(value: torch.Tensor) -> NDArray[Any]:
    return (value.float() if value.dtype in (torch.float16, torch.bfloat16) else value).numpy()


def _digest(*arrays: NDArray[Any]) -> bytes:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(repr((array.dtype.str, array.shape)).encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.digest()
