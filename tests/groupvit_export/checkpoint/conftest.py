"""A small checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from groupvit_export.model import GroupViTModel
from groupvit_export.model.config import GroupViTConfig, GroupViTTextConfig, GroupViTVisionConfig


@pytest.fixture(scope="module")
def config() -> GroupViTConfig:
    """Small, with heads of the published width, so that NVlabs files tell it."""
    return GroupViTConfig.from_text_vision_configs(
        GroupViTTextConfig(
            vocab_size=30,
            hidden_size=64,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=1,
            max_position_embeddings=8,
            bos_token_id=28,
            eos_token_id=29,
        ),
        GroupViTVisionConfig(
            hidden_size=64,
            intermediate_size=32,
            num_hidden_layers=2,
            depths=(1, 1),
            num_group_tokens=(4, 3),
            num_output_groups=(4, 2),
            num_attention_heads=1,
            image_size=16,
            patch_size=8,
        ),
        projection_dim=8,
        projection_intermediate_dim=12,
    )


@pytest.fixture(scope="module")
def weights(config: GroupViTConfig) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return GroupViTModel(config).state_dict()


@pytest.fixture
def folder(config: GroupViTConfig, weights: dict[str, torch.Tensor], tmp_path: Path) -> Path:
    """A Hugging Face folder with `model.safetensors`."""
    path = tmp_path / "checkpoint"
    path.mkdir()
    config.to_json_file(path / "config.json")
    save_file(weights, path / "model.safetensors")
    return path
