"""Random weights whose label map has several classes."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from benchmarks.checkpoint import VOC, write_full_size_checkpoint
from groupvit_export.checkpoint.load import build_model, load_checkpoint
from groupvit_export.model import GroupViTModel
from groupvit_export.model.config import GroupViTConfig

_SHARPEN: Final = 16.0


def write_telling_checkpoint(
    folder: Path, pixel_values: NDArray[np.float32], config: GroupViTConfig | None = None
) -> Path:
    """Write the full-size checkpoint, changed so that several classes share the label map.

    Random groups are so alike that one class takes the whole image: any two programs would agree on that,
    and our decode, which leaves out classes that cannot win, would have nothing to do. So the queries of
    the assignments are scaled, and the batch norms of the projections get the statistics of what they see.
    Neither changes what has to be computed.

    Args:
        folder: to write.
        pixel_values: float32 [images, 3, 224, 224], two or more, for the statistics.
        config: None for the published one.
    """
    write_full_size_checkpoint(folder, config=config)
    path = folder / "model.safetensors"
    weights = load_file(path)
    for name in weights:
        if ".assign.q_proj." in name:
            weights[name] = weights[name] * _SHARPEN
    save_file(weights, path, metadata={"format": "pt"})
    model = build_model(load_checkpoint(str(folder))).eval()
    _set_statistics(model, prompt_ids(folder), torch.from_numpy(pixel_values))
    save_file({n: v.contiguous() for n, v in model.state_dict().items()}, path, metadata={"format": "pt"})
    return folder


def prompt_ids(folder: Path) -> torch.Tensor:
    """Token ids of the prompts; all are equally long, since every name is one word."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    return torch.tensor([tokenizer.encode(f"a photo of a {name}.").ids for name in VOC])


def _set_statistics(model: GroupViTModel, input_ids: torch.Tensor, pixel_values: torch.Tensor) -> None:
    for projection in (model.visual_projection, model.text_projection):
        seen: list[torch.Tensor] = []
        hook = projection.register_forward_pre_hook(
            lambda _, inputs, seen=seen: seen.append(inputs[0].reshape(-1, inputs[0].shape[-1]).clone())
        )
        with torch.inference_mode():
            model(input_ids, pixel_values, output_segmentation=True)
            hook.remove()
            # Of the visual projection's two uses, the one on all groups.
            hidden = projection[0](max(seen, key=len))
            projection[1].running_mean.copy_(hidden.mean(dim=0))
            projection[1].running_var.copy_(hidden.var(dim=0))
