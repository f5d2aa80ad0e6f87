"""Small models, and the same weights in transformers' model, which is the oracle of these tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from groupvit_export.model import GroupViTModel
from groupvit_export.model.config import GroupViTConfig, GroupViTTextConfig, GroupViTVisionConfig

transformers = pytest.importorskip("transformers")
modeling_groupvit = pytest.importorskip("transformers.models.groupvit.modeling_groupvit")


def _tiny(
    text: dict[str, Any] | None = None, vision: dict[str, Any] | None = None, **kwargs: Any
) -> GroupViTConfig:
    return GroupViTConfig.from_text_vision_configs(
        GroupViTTextConfig(
            **{
                "vocab_size": 40,
                "hidden_size": 24,
                "intermediate_size": 48,
                "num_hidden_layers": 3,
                "num_attention_heads": 3,
                "max_position_embeddings": 12,
                "bos_token_id": 38,
                "eos_token_id": 39,
                **(text or {}),
            }
        ),
        GroupViTVisionConfig(
            **{
                "hidden_size": 32,
                "intermediate_size": 64,
                "depths": (2, 1, 1),
                "num_hidden_layers": 4,
                "num_group_tokens": (6, 4, 0),
                "num_output_groups": (6, 4, 4),
                "num_attention_heads": 4,
                "image_size": 32,
                "patch_size": 8,
                **(vision or {}),
            }
        ),
        **{"projection_dim": 20, "projection_intermediate_dim": 28, **kwargs},
    )


@pytest.fixture(scope="session")
def tiny() -> Callable[..., GroupViTConfig]:
    """Builds a tiny configuration; `text=` and `vision=` tables change single fields."""
    return _tiny


@pytest.fixture(scope="session")
def make_pair() -> Callable[..., tuple[Any, GroupViTModel]]:
    """Builds (transformers' model, ours) with equal random weights."""

    def make(config: GroupViTConfig, dtype: torch.dtype = torch.float32, seed: int = 0) -> tuple[Any, Any]:
        torch.manual_seed(seed)
        theirs = transformers.GroupViTModel(transformers.GroupViTConfig(**config.to_dict()))
        vision = config.vision_config
        for stage in filter(vision.has_group_projector, range(len(vision.depths))):
            # transformers sizes it by the groups, which cannot run where the tokens are not as many.
            theirs.vision_model.encoder.stages[stage].group_projector[1] = modeling_groupvit.GroupViTMixerMLP(
                theirs.config.vision_config,
                vision.num_group_tokens[stage - 1],
                vision.hidden_size // 2,
                vision.num_group_tokens[stage],
            )
        with torch.no_grad():
            # transformers starts these at zero, where every group is the same group.
            for name, parameter in theirs.named_parameters():
                if name.endswith(("group_token", "vision_model.embeddings.position_embeddings")):
                    parameter.normal_(std=0.5)
                elif name.endswith("bias"):
                    parameter.normal_(std=0.05)
            for name, buffer in theirs.named_buffers():
                if name.endswith("running_mean"):
                    buffer.normal_(std=0.1)
                elif name.endswith("running_var"):
                    buffer.uniform_(0.5, 1.5)
        ours = GroupViTModel(config)
        ours.load_state_dict(theirs.state_dict())
        return theirs.to(dtype).eval(), ours.to(dtype).eval()

    return make


@pytest.fixture(scope="session")
def make_inputs() -> Callable[..., dict[str, torch.Tensor]]:
    """Builds captions that end at different places, and images."""

    def make(
        config: GroupViTConfig, dtype: torch.dtype = torch.float32, batch: int = 3, seed: int = 1
    ) -> dict[str, torch.Tensor]:
        generator = torch.Generator().manual_seed(seed)
        length = config.text_config.max_position_embeddings
        ids = torch.randint(3, config.text_config.vocab_size - 2, (batch, length), generator=generator)
        mask = torch.ones(batch, length, dtype=torch.int64)
        for row in range(batch):
            end = 2 + (3 * row) % (length - 2)
            ids[row, end] = config.text_config.eos_token_id if config.text_config.eos_token_id > 2 else 39
            mask[row, end + 1 :] = 0
        pixels = torch.randn(
            batch,
            config.vision_config.num_channels,
            *config.vision_config.image_shape,
            generator=generator,
            dtype=dtype,
        )
        return {"input_ids": ids, "pixel_values": pixels, "attention_mask": mask}

    return make


@pytest.fixture(scope="session")
def difference() -> Callable[[torch.Tensor, torch.Tensor], float]:
    """Largest absolute difference; relative to the oracle's largest value where that is above 1."""

    def measure(ours: torch.Tensor, theirs: torch.Tensor) -> float:
        assert ours.shape == theirs.shape
        assert ours.dtype == theirs.dtype
        ours, theirs = ours.detach(), theirs.detach()
        scale = max(1.0, float(theirs.abs().max()))
        return float((ours - theirs).abs().max()) / scale

    return measure
