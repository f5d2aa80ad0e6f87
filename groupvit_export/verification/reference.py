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
from groupvit_runtime.contract import IMAGE_OUTPUTS, TEXT_OUTPUT

Arrays = dict[str, NDArray[Any]]


class Reference:
    """The reference model in float64 on the CPU.

    It runs an image at a time and remembers every one, because float64 is the slow part: the same image
    comes again in other batches, and backends nearly always decide as the reference does. Where they do not,
    the first stage's layers are not run again, which no assignment has a part in.
    """

    def __init__(self, model: GroupViTModel) -> None:
        self._model = copy.deepcopy(model).double().eval()
        self.stages = len(model.config.vision_config.grouping_stages)
        self._known: dict[bytes, Arrays] = {}
        self._encoded: dict[bytes, torch.Tensor] = {}

    def free(self, pixel_values: NDArray[np.float32]) -> Arrays:
        """Outputs of the image encoder with its own assignments.

        Args:
            pixel_values: float32 [B, 3, H, W].
        """
        return _stacked([self._free(pixel_values[i : i + 1]) for i in range(len(pixel_values))])

    def replay(self, pixel_values: NDArray[np.float32], forced: Sequence[NDArray[np.int64]]) -> Arrays:
        """Outputs of the image encoder with the assignments `forced`.

        A stage's soft map does not depend on its own assignment, only on earlier ones, so one replay
        shows at every stage what the reference would have decided where the candidate stood.

        Args:
            pixel_values: float32 [B, 3, H, W].
            forced: for every stage int64 [B, N].
        """
        return _stacked(
            [
                self._replay(pixel_values[i : i + 1], [index[i : i + 1] for index in forced])
                for i in range(len(pixel_values))
            ]
        )

    def text(self, input_ids: NDArray[np.int64]) -> NDArray[np.float64]:
        """Output of the text encoder, float64 [B, P], for int64 [B, L]."""
        key = _digest(input_ids)
        if key not in self._known:
            with torch.no_grad():
                embeds = self._model.get_text_features(torch.from_numpy(input_ids))
            self._known[key] = {TEXT_OUTPUT: embeds.numpy()}
        return self._known[key][TEXT_OUTPUT]

    def _free(self, image: NDArray[np.float32]) -> Arrays:
        key = _digest(image)
        if key not in self._known:
            self._known[key] = self._image(image, None)
        return self._known[key]

    def _replay(self, image: NDArray[np.float32], forced: list[NDArray[np.int64]]) -> Arrays:
        free = self._free(image)
        if all(map(np.array_equal, forced, assignments(free))):
            return free
        key = _digest(image, *forced)
        if key not in self._known:
            self._known[key] = self._image(image, [torch.from_numpy(index) for index in forced])
        return self._known[key]

    def _image(self, image: NDArray[np.float32], forced: Sequence[torch.Tensor] | None) -> Arrays:
        pixels, key = torch.from_numpy(image).double(), _digest(image)
        with torch.no_grad():
            if key not in self._encoded:
                self._encoded[key] = self._model.vision_model.encode_first(pixels)
            return image_outputs(self._model, pixels, forced, self._encoded[key])


def _stacked(images: Sequence[Arrays]) -> Arrays:
    return {name: np.concatenate([outputs[name] for outputs in images]) for name in images[0]}


def image_outputs(
    model: GroupViTModel,
    pixel_values: torch.Tensor,
    forced: Sequence[torch.Tensor] | None = None,
    first_encoded: torch.Tensor | None = None,
) -> Arrays:
    """Outputs of the image engine, by the same names, from the reference model in its own dtype.

    Half precision is returned as float32, which holds it exactly. The last two arguments are those of
    `groupvit_export.model.vision.VisionTransformer`.
    """
    vision = model.vision_model(
        pixel_values, output_attentions=True, forced=forced, first_encoded=first_encoded
    )
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


def decided_alike(first: Arrays, second: Arrays, image: int | None = None) -> bool:
    """Whether every token of every stage is in the same group: of one image of a batch, or of all."""
    pairs = zip(assignments(first), assignments(second), strict=True)
    if image is None:
        return all(np.array_equal(a, b) for a, b in pairs)
    return all(np.array_equal(a[image], b[image]) for a, b in pairs)


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
