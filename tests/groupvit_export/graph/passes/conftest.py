"""A small model, and its graph with and without a pass."""

from __future__ import annotations

import functools
from collections.abc import Callable

import onnx
import pytest
import torch
from torch import nn

from groupvit_export.graph.capture import capture_image_encoder
from groupvit_export.graph.encoders import ImageEncoder
from groupvit_export.graph.passes import apply_passes
from groupvit_export.model import GroupViTModel
from groupvit_export.model.config import GroupViTConfig, GroupViTTextConfig, GroupViTVisionConfig

SIZE = (32, 48)


@pytest.fixture(scope="session")
def model() -> GroupViTModel:
    """Three layers in three stages, two with groups, and no parameter or statistic at its usual start."""
    torch.manual_seed(5)
    vision = GroupViTVisionConfig(
        hidden_size=24,
        intermediate_size=40,
        depths=(1, 1, 1),
        num_group_tokens=(6, 4, 0),
        num_output_groups=(6, 4, 0),
        num_attention_heads=3,
        image_size=64,
        patch_size=16,
        assign_mlp_ratio=(0.5, 2),
    )
    text = GroupViTTextConfig(vocab_size=30, hidden_size=16, intermediate_size=16, num_attention_heads=2)
    config = GroupViTConfig(
        vision_config=vision, text_config=text, projection_dim=16, projection_intermediate_dim=20
    )
    model = GroupViTModel(config).double().eval()
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            positive = isinstance(module, nn.LayerNorm | nn.BatchNorm1d) and name == "weight"
            nn.init.normal_(parameter, mean=1.0 if positive else 0.0, std=0.3)
        if isinstance(module, nn.BatchNorm1d):
            assert module.running_mean is not None and module.running_var is not None
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.2, 3.0)
    return model


@pytest.fixture(scope="session")
def encoder_with(model: GroupViTModel) -> Callable[..., ImageEncoder]:
    """Names of passes to the encoder with these alone, in float64."""

    def make(*names: str) -> ImageEncoder:
        encoder = ImageEncoder(model, SIZE)
        apply_passes(encoder, names)
        return encoder

    return make


@pytest.fixture(scope="session")
def graph_with(encoder_with: Callable[..., ImageEncoder]) -> Callable[..., onnx.ModelProto]:
    """Names of passes to the captured graph with these alone, in float32; not to be changed."""

    @functools.cache
    def capture(*names: str) -> onnx.ModelProto:
        return capture_image_encoder(encoder_with(*names).float())

    return capture
