"""Whether weights are whole: every one that the model has, and none that it does not.

A model with one layer left at random looks like a model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor

from groupvit_export.checkpoint import nvlabs
from groupvit_export.checkpoint.weight_files import some_names
from groupvit_export.errors import CheckpointError
from groupvit_export.model import GroupViTModel
from groupvit_export.model.config import GroupViTConfig

IGNORED_KEYS: Final = {
    "text_model.embeddings.position_ids": "0, 1, 2, ...; older transformers stored it",
    **nvlabs.DROPPED,
}
"""Keys that may be in a file and are not weights of the model."""

_OPTIONAL_SUFFIX: Final = "num_batches_tracked"
"""Ending of keys that may be absent: counters that only training reads."""


def canonical(raw: Mapping[str, Tensor], config: GroupViTConfig, source: str) -> dict[str, Tensor]:
    """Weights in float32 under exactly the names of the configured model.

    Args:
        raw: as they are stored, under those names.
        config: of the model.
        source: for messages.

    Raises:
        CheckpointError: some are missing, unexpected, misshapen, not floating point or not finite.
    """
    with torch.device("meta"):
        expected = GroupViTModel(config).state_dict()
    _audit(raw, expected, source)
    state_dict = {
        name: (
            raw[name].to(torch.float32).contiguous()
            if like.is_floating_point()
            else raw.get(name, torch.zeros(like.shape)).to(like.dtype)
        )
        for name, like in expected.items()
    }
    broken = [name for name, value in state_dict.items() if not bool(torch.isfinite(value).all())]
    if broken:
        raise CheckpointError(
            f"{len(broken)} weights hold NaN or infinity.",
            got=f"{source}: {some_names(broken)}",
            expected="finite numbers (within the range of float32)",
            fix="take an earlier checkpoint of that training run, or download the file again",
        )
    return state_dict


def _audit(raw: Mapping[str, Tensor], expected: Mapping[str, Tensor], source: str) -> None:
    missing = [name for name in expected if name not in raw and not name.endswith(_OPTIONAL_SUFFIX)]
    unexpected = [name for name in raw if name not in expected and name not in IGNORED_KEYS]
    misshapen = [
        f"{name} {list(raw[name].shape)} instead of {list(like.shape)}"
        for name, like in expected.items()
        if name in raw and raw[name].shape != like.shape
    ]
    not_floats = [
        f"{name} {raw[name].dtype}"
        for name, like in expected.items()
        if name in raw and like.is_floating_point() and not raw[name].is_floating_point()
    ]
    found = {
        "missing": missing,
        "unexpected": unexpected,
        "misshapen": misshapen,
        "not floating point": not_floats,
    }
    if any(found.values()):
        problems = [f"{len(names)} {kind}: {some_names(names)}" for kind, names in found.items() if names]
        raise CheckpointError(
            "The weights are not those of the configured model.",
            got="\n    ".join([source, *problems]),
            expected=f"the {len(expected)} weights of the configuration, each of its shape",
            fix="use the config.json published with these weights: --config FILE (in Python config=)",
        )


def fingerprint(state_dict: Mapping[str, Tensor]) -> str:
    """SHA-256 of names, shapes and float32 values."""
    digest = hashlib.sha256()
    for name in sorted(state_dict):
        # The counters differ between files of one model, and no output depends on them.
        if name.endswith(_OPTIONAL_SUFFIX):
            continue
        value = state_dict[name]
        digest.update(f"{name} {list(value.shape)}\n".encode())
        digest.update(value.reshape(-1).numpy().astype("<f4", copy=False).tobytes())
    return digest.hexdigest()
