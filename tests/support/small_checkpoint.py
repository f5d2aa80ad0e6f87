"""The demo's words and rules with a model that is exported in a second: three blocks of random weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Final

import torch
from safetensors.torch import save_file

from groupvit_export.data.bundled import DEMO_CHECKPOINT
from groupvit_export.model import GroupViTModel
from groupvit_export.model.config import GroupViTConfig

_WIDTH: Final = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2}
_VISION: Final = {
    **_WIDTH,
    "depths": [1, 1, 1],
    "num_hidden_layers": 3,
    "image_size": 64,
    "num_group_tokens": [6, 4, 0],
    "num_output_groups": [6, 4, 4],
}


def write_small_checkpoint(folder: Path, seed: int = 0) -> Path:
    """Write a Hugging Face folder; `seed` is that of the weights."""
    folder.mkdir(parents=True)
    for name in ("tokenizer.json", "preprocessor_config.json"):
        shutil.copy(DEMO_CHECKPOINT / name, folder)
    config = json.loads((DEMO_CHECKPOINT / "config.json").read_text())
    config["vision_config"].update(_VISION)
    config["text_config"].update(_WIDTH, num_hidden_layers=1)
    config.update(projection_dim=16, projection_intermediate_dim=32)
    (folder / "config.json").write_text(json.dumps(config))
    torch.manual_seed(seed)
    model = GroupViTModel(GroupViTConfig.from_json_file(folder / "config.json"))
    # They start at zero, where every position and every group is the same.
    for name, parameter in model.named_parameters():
        if name.endswith(("group_token", "position_embeddings")):
            torch.nn.init.normal_(parameter, std=0.5)
    weights = {name: value.contiguous() for name, value in model.state_dict().items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder
