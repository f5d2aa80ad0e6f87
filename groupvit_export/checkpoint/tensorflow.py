"""Weights under the names and in the layout of transformers' former `TFGroupViTModel`.

Keras names a weight by the scopes that it was made in, stores a matrix as [in, out] and a convolution's
kernel as [height, width, in, out]. The layers themselves are called as PyTorch's: a name is translated by its
parts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from torch import Tensor

from groupvit_export.errors import CheckpointError

_ENDING: Final = ":0"
_FROM_HERE: Final = re.compile(
    r"(?:^|/)((?:text_model|vision_model)/.+|(?:text|visual)_projection\.\d+/.+|logit_scale)$"
)
"""Where a name begins to be the model's own; before it are the scopes of who built and saved the model."""

_LEAVES: Final = {
    "kernel": "weight",
    "embeddings": "weight",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
"""Keras' names of parameters, where PyTorch has others."""

_KERNELS: Final = {2: (1, 0), 4: (3, 2, 0, 1)}
"""Order of a kernel's axes in PyTorch's layout, by their number."""


def is_tensorflow(names: Mapping[str, Tensor]) -> bool:
    """Whether weights are named as TensorFlow names variables."""
    return any(name.endswith(_ENDING) for name in names)


def to_canonical(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights by canonical names and in PyTorch's layout; what is none of the model's keeps its name.

    Raises:
        CheckpointError: two of them are one weight of the model.
    """
    found: dict[str, Tensor] = {}
    origins: dict[str, str] = {}
    for stored, value in weights.items():
        name, kind = _translate(stored)
        if name in found:
            raise CheckpointError(
                "The file has a weight twice, under different names.",
                got=f"{origins[name]} and {stored}",
                expected="one of them",
                fix="save the weights of one model alone: model.save_pretrained(FOLDER)",
            )
        origins[name] = stored
        found[name] = _in_torch_layout(name, kind, value)
    return found


def _translate(stored: str) -> tuple[str, str]:
    """The canonical name, and Keras' name of the parameter."""
    match = _FROM_HERE.search(stored.removesuffix(_ENDING))
    if match is None:
        return stored, ""
    *layers, leaf = match[1].replace("_._", "/").split("/")
    return ".".join((*layers, _LEAVES.get(leaf, leaf))), leaf


def _in_torch_layout(name: str, kind: str, value: Tensor) -> Tensor:
    # Keras has no scalars that are trained; other shapes are refused with those of all weights.
    if name == "logit_scale" and tuple(value.shape) == (1,):
        return value.reshape(())
    if kind == "kernel" and value.ndim in _KERNELS:
        return value.permute(_KERNELS[value.ndim])
    return value
