"""NVlabs' names: one table, both directions, and a configuration told by shapes."""

from __future__ import annotations

import pytest
import torch
from nvlabs_names import from_canonical

from groupvit_export.checkpoint import nvlabs
from groupvit_export.errors import CheckpointError
from groupvit_export.model import GroupViTModel
from groupvit_export.model.config import GroupViTConfig, GroupViTTextConfig, GroupViTVisionConfig


@pytest.fixture(scope="module")
def config() -> GroupViTConfig:
    """Small, with heads of the published width."""
    return GroupViTConfig.from_text_vision_configs(
        GroupViTTextConfig(
            vocab_size=50,
            hidden_size=64,
            intermediate_size=96,
            num_hidden_layers=2,
            num_attention_heads=1,
            max_position_embeddings=9,
            bos_token_id=48,
            eos_token_id=49,
        ),
        GroupViTVisionConfig(
            hidden_size=128,
            intermediate_size=160,
            num_hidden_layers=4,
            depths=(2, 1, 1),
            num_group_tokens=(6, 4, 0),
            num_output_groups=(6, 4, 4),
            num_attention_heads=2,
            image_size=40,
            patch_size=8,
            assign_mlp_ratio=(0.25, 3),
        ),
        projection_dim=20,
        projection_intermediate_dim=28,
    )


@pytest.fixture(scope="module")
def canonical(config) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return GroupViTModel(config).state_dict()


def test_there_and_back_again(canonical):
    back = nvlabs.to_canonical(from_canonical(canonical))
    assert back.keys() == canonical.keys()
    for name, value in canonical.items():
        assert torch.equal(back[name], value), name


def test_back_and_there_again(canonical):
    original = from_canonical(canonical)
    again = from_canonical(nvlabs.to_canonical(original))
    assert again.keys() == original.keys()
    for name, value in original.items():
        assert torch.equal(again[name], value), name


def test_names_and_shapes_of_the_authors(canonical):
    """A sample written by hand from the authors' modules, so that the table does not vouch for itself."""
    shapes = {name: tuple(value.shape) for name, value in from_canonical(canonical).items()}
    expected = {
        "logit_scale": (),
        "img_encoder.pos_embed": (1, 25, 128),
        "img_encoder.patch_embed.proj.weight": (128, 3, 8, 8),
        "img_encoder.patch_embed.norm.bias": (128,),
        "img_encoder.norm.weight": (128,),
        "img_encoder.layers.0.group_token": (1, 6, 128),
        "img_encoder.layers.0.blocks.1.norm2.weight": (128,),
        "img_encoder.layers.0.blocks.1.attn.qkv.weight": (384, 128),
        "img_encoder.layers.0.blocks.1.attn.qkv.bias": (384,),
        "img_encoder.layers.2.blocks.0.attn.proj.weight": (128, 128),
        "img_encoder.layers.0.blocks.0.mlp.fc1.weight": (160, 128),
        "img_encoder.layers.1.group_projector.0.weight": (128,),
        "img_encoder.layers.1.group_projector.1.fc1.weight": (64, 6),
        "img_encoder.layers.0.downsample.mlp_inter.fc1.weight": (32, 6),
        "img_encoder.layers.1.downsample.pre_assign_attn.attn.proj.bias": (128,),
        "img_encoder.layers.1.downsample.pre_assign_attn.norm_post.bias": (128,),
        "img_encoder.layers.1.downsample.assign.proj.weight": (128, 128),
        "img_encoder.layers.1.downsample.mlp_channels.fc1.weight": (384, 128),
        "text_encoder.positional_embedding": (9, 64),
        "text_encoder.token_embedding.weight": (50, 64),
        "text_encoder.transformer.resblocks.1.ln_1.weight": (64,),
        "text_encoder.transformer.resblocks.1.attn.in_proj_weight": (192, 64),
        "text_encoder.transformer.resblocks.1.attn.in_proj_bias": (192,),
        "text_encoder.transformer.resblocks.1.attn.out_proj.weight": (64, 64),
        "text_encoder.transformer.resblocks.1.mlp.c_fc.weight": (96, 64),
        "text_encoder.transformer.resblocks.1.mlp.c_proj.weight": (64, 96),
        "text_encoder.ln_final.weight": (64,),
        "img_projector.linear_hidden.0.weight": (28, 128, 1),
        "img_projector.linear_hidden.1.running_mean": (28,),
        "img_projector.linear_hidden.1.num_batches_tracked": (),
        "img_projector.linear_out.weight": (20, 28, 1),
        "text_projector.linear_hidden.0.weight": (28, 64, 1),
        "text_projector.linear_out.bias": (20,),
    }
    assert expected.items() <= shapes.items()
    assert not any(name.startswith(("vision_model.", "text_model.")) for name in shapes)


def test_fused_rows_are_query_key_value(canonical):
    fused = from_canonical(canonical)["img_encoder.layers.0.blocks.0.attn.qkv.weight"]
    for part, name in zip(fused.chunk(3), ("q", "k", "v"), strict=True):
        layer = "vision_model.encoder.stages.0.layers.0.self_attn"
        assert torch.equal(part, canonical[f"{layer}.{name}_proj.weight"])


def test_split_parts_do_not_share_memory(canonical):
    split = nvlabs.to_canonical(from_canonical(canonical))
    layer = "text_model.encoder.layers.0.self_attn"
    storages = {split[f"{layer}.{name}_proj.weight"].untyped_storage().data_ptr() for name in "qkv"}
    assert len(storages) == 3


def test_dropped_and_unknown_keys(canonical):
    weights = from_canonical(canonical)
    weights["multi_label_logit_scale"] = torch.tensor(1.0)
    weights["img_encoder.head.weight"] = torch.zeros(2)
    back = nvlabs.to_canonical(weights)
    assert "multi_label_logit_scale" not in back
    assert "img_encoder.head.weight" in back


def test_which_names_are_whose(canonical):
    assert nvlabs.is_nvlabs(from_canonical(canonical))
    assert not nvlabs.is_nvlabs(canonical)


def test_shapes_tell_the_configuration(config, canonical):
    assert nvlabs.infer_config(canonical) == config


def test_shapes_tell_the_published_configuration():
    with torch.device("meta"):
        weights = GroupViTModel(GroupViTConfig()).state_dict()
    assert nvlabs.infer_config(weights) == GroupViTConfig()


@pytest.mark.parametrize("dims", [(31, 383), (1, 7), (127, 640)])
def test_widths_that_are_no_round_ratio_are_told_exactly(dims, config):
    tokens, channels = dims
    with torch.device("meta"):
        weights = GroupViTModel(config).state_dict()
        for i, groups in ((0, 6), (1, 4)):
            block = f"vision_model.encoder.stages.{i}.downsample"
            weights[f"{block}.mlp_inter.fc2.weight"] = torch.zeros(groups, tokens)
            weights[f"{block}.mlp_channels.fc1.weight"] = torch.zeros(channels, 128)
    assert nvlabs.infer_config(weights).vision_config.assign_mlp_dims == dims


@pytest.mark.parametrize(
    ("name", "value", "got"),
    [
        ("vision_model.embeddings.position_embeddings", (1, 24, 128), "24 patches"),
        ("text_model.embeddings.token_embedding.weight", (50, 65), "width 65"),
        ("visual_projection.3.weight", None, "no visual_projection.3.weight"),
        ("visual_projection.3.weight", (5,), r"shape \[5\]"),
    ],
)
def test_shapes_that_tell_nothing_ask_for_a_configuration(name, value, got, canonical):
    weights = dict(canonical)
    del weights[name]
    if value is not None:
        weights[name] = torch.zeros(value)
    with pytest.raises(CheckpointError, match=got) as caught:
        nvlabs.infer_config(weights)
    assert "config.json" in caught.value.fix


def test_no_grouping_block_asks_for_a_configuration(canonical):
    weights = {name: value for name, value in canonical.items() if not name.endswith("group_token")}
    with pytest.raises(CheckpointError, match="no grouping block"):
        nvlabs.infer_config(weights)
