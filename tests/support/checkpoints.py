"""What a loaded checkpoint holds, and how a broken one is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from groupvit_export.checkpoint.load import Checkpoint, load_checkpoint
from groupvit_export.errors import CheckpointError


def rewrite(folder: Path, weights: dict[str, torch.Tensor]) -> None:
    save_file({name: value.contiguous() for name, value in weights.items()}, folder / "model.safetensors")


def assert_holds(checkpoint: Checkpoint, weights: dict[str, torch.Tensor]) -> None:
    assert checkpoint.state_dict.keys() == weights.keys()
    for name, value in weights.items():
        got = checkpoint.state_dict[name]
        assert got.dtype == (torch.float32 if value.is_floating_point() else value.dtype), name
        assert torch.equal(got, value.to(got.dtype)), name


def assert_refused(source: str | Path, *parts: str, **options: Any) -> CheckpointError:
    """The load fails with a message that says what, got, expected and fix, and has all parts in it."""
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(source, **options)
    error = caught.value
    assert error.what and error.got and error.expected and error.fix
    for part in parts:
        assert part in str(error), str(error)
    return error
