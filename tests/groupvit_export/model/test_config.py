"""Configurations: Hugging Face's JSON both ways, and values that no GroupViT can have."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from importlib.resources import files

import pytest
import torch

from groupvit_export.errors import CheckpointError
from groupvit_export.model.config import ACTIVATIONS, GroupViTConfig, GroupViTTextConfig, GroupViTVisionConfig
from groupvit_export.model.config_checks import (
    LARGEST_PATCH,
    LARGEST_SIDE,
    MOST_LAYERS,
    MOST_WORDS,
    WIDEST,
)
from groupvit_export.model.groupvit import GroupViTModel


@pytest.fixture
def other() -> GroupViTConfig:
    """A configuration in which nothing has its default value."""
    return GroupViTConfig.from_text_vision_configs(
        GroupViTTextConfig(
            vocab_size=100,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=20,
            hidden_act="gelu",
            layer_norm_eps=1e-4,
            dropout=0.1,
            attention_dropout=0.2,
            initializer_range=0.03,
            initializer_factor=0.5,
            pad_token_id=0,
            bos_token_id=98,
            eos_token_id=99,
        ),
        GroupViTVisionConfig(
            hidden_size=48,
            intermediate_size=64,
            num_hidden_layers=3,
            depths=(1, 2),
            num_group_tokens=(5, 3),
            num_output_groups=(5, 2),
            num_attention_heads=3,
            image_size=(32, 64),
            patch_size=8,
            num_channels=1,
            hidden_act="quick_gelu",
            layer_norm_eps=1e-4,
            dropout=0.1,
            attention_dropout=0.2,
            initializer_range=0.03,
            initializer_factor=0.5,
            assign_eps=0.5,
            assign_mlp_ratio=(1.5, 2),
        ),
        projection_dim=24,
        projection_intermediate_dim=40,
        logit_scale_init_value=1.5,
        initializer_range=0.03,
        initializer_factor=0.5,
        output_segmentation=True,
    )


def shared_fields(ours, theirs) -> list[tuple[str, object, object]]:
    def plain(value):
        return list(value) if isinstance(value, tuple) else value

    return [
        (entry.name, plain(getattr(ours, entry.name)), plain(getattr(theirs, entry.name)))
        for entry in dataclasses.fields(ours)
        if entry.name not in ("text_config", "vision_config")
    ]


def assert_equal_to_transformers(ours: GroupViTConfig, theirs) -> None:
    for mine, other in (
        (ours, theirs),
        (ours.text_config, theirs.text_config),
        (ours.vision_config, theirs.vision_config),
    ):
        for name, got, expected in shared_fields(mine, other):
            assert got == expected, name


def test_defaults_are_those_of_transformers():
    transformers = pytest.importorskip("transformers")
    assert_equal_to_transformers(GroupViTConfig(), transformers.GroupViTConfig())


def test_our_file_loads_in_transformers(other, tmp_path):
    transformers = pytest.importorskip("transformers")
    other.to_json_file(tmp_path / "config.json")
    theirs = transformers.GroupViTConfig.from_pretrained(tmp_path)
    assert_equal_to_transformers(other, theirs)


def test_their_file_loads_here(other, tmp_path):
    transformers = pytest.importorskip("transformers")
    transformers.GroupViTConfig(**other.to_dict()).save_pretrained(tmp_path)
    assert GroupViTConfig.from_json_file(tmp_path / "config.json") == other


def test_round_trip_and_equal_files(other, tmp_path):
    for name in ("a.json", "b.json"):
        other.to_json_file(tmp_path / name)
    assert GroupViTConfig.from_json_file(tmp_path / "a.json") == other
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert hash(GroupViTConfig.from_dict(other.to_dict())) == hash(other)


def test_the_shipped_checkpoint():
    config = GroupViTConfig.from_json_file(str(files("groupvit_export") / "data" / "demo" / "config.json"))
    assert config.vision_config.patch_grid == (14, 14)
    assert config.text_config.eos_token_id == 29


@pytest.mark.parametrize("tower", ["text_config", "vision_config"])
def test_legacy_tower_tables_win_and_bring_their_defaults(tower):
    transformers = pytest.importorskip("transformers")
    values = {
        tower: {"hidden_size": 64, "num_attention_heads": 2, "initializer_range": 0.5},
        f"{tower}_dict": {"hidden_size": 96, "num_attention_heads": 3},
    }
    ours = GroupViTConfig.from_dict(values)
    assert_equal_to_transformers(ours, transformers.GroupViTConfig(**values))
    chosen = getattr(ours, tower)
    assert chosen.hidden_size == 96
    assert chosen.initializer_range == 0.02
    assert GroupViTConfig.from_dict({f"{tower}_dict": None, tower: None}) == GroupViTConfig()


def test_bookkeeping_is_dropped():
    values = GroupViTConfig().to_dict()
    values |= {"transformers_version": "4.21", "torch_dtype": "float32", "dtype": None, "_name_or_path": "x"}
    values["text_config"] |= {"top_k": 50, "id2label": {"0": "LABEL_0"}, "architectures": None}
    config = GroupViTConfig.from_dict(values)
    assert config == GroupViTConfig()
    assert "transformers_version" not in config.to_dict()


def test_properties():
    vision = GroupViTConfig().vision_config
    assert vision.image_shape == (224, 224)
    assert vision.patch_grid == (14, 14)
    assert vision.num_patches == 196
    assert vision.assign_mlp_dims == (192, 1536)
    assert vision.grouping_stages == (0, 1)
    assert [vision.has_group_projector(stage) for stage in range(3)] == [False, True, False]
    assert vision.head_dim == GroupViTConfig().text_config.head_dim == 64
    assert GroupViTVisionConfig(image_size=[224, 448]).patch_grid == (14, 28)
    assert GroupViTTextConfig(eos_token_id=2).pools_highest_id
    assert not GroupViTTextConfig().pools_highest_id


def test_one_spelling_for_equal_models():
    assert GroupViTVisionConfig(image_size=[224, 224], patch_size=[16, 16]) == GroupViTVisionConfig()
    assert GroupViTVisionConfig(depths=[6, 3, 3], assign_mlp_ratio=[0.5, 4]) == GroupViTVisionConfig()
    assert GroupViTVisionConfig(assign_mlp_ratio=2).assign_mlp_ratio == (2, 2)
    assert isinstance(GroupViTVisionConfig(dropout=0).dropout, float)


def test_other_model_is_named():
    with pytest.raises(CheckpointError, match="'clip'"):
        GroupViTConfig.from_dict({"model_type": "clip"})
    with pytest.raises(CheckpointError, match="'clip_text_model'"):
        GroupViTConfig.from_dict({"text_config": {"model_type": "clip_text_model"}})


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"hidden_size": 0}, "hidden_size"),
        ({"hidden_size": True}, "hidden_size"),
        ({"hidden_size": "384"}, "hidden_size"),
        ({"hidden_size": 384.0}, "hidden_size"),
        ({"num_attention_heads": 5}, "num_attention_heads"),
        ({"hidden_act": "mish"}, "hidden_act"),
        ({"dropout": 1.0}, "dropout"),
        ({"attention_dropout": -0.1}, "attention_dropout"),
        ({"layer_norm_eps": float("nan")}, "layer_norm_eps"),
        ({"assign_eps": float("inf")}, "assign_eps"),
        ({"assign_eps": "1"}, "assign_eps"),
        ({"image_size": 225}, "image_size"),
        ({"image_size": 8}, "image_size"),
        ({"image_size": [224]}, "image_size"),
        ({"image_size": None}, "image_size"),
        ({"patch_size": [16, 8]}, "patch_size"),
        ({"patch_size": 0}, "patch_size"),
        ({"assign_mlp_ratio": [0.5]}, "assign_mlp_ratio"),
        ({"assign_mlp_ratio": [0.0001, 4]}, "assign_mlp_ratio"),
        ({"assign_mlp_ratio": [0.5, float("inf")]}, "assign_mlp_ratio"),
        ({"depths": 12}, "depths"),
        ({"depths": [6, 3, 0]}, "depths"),
        ({"depths": [6, 3]}, "num_group_tokens"),
        ({"num_group_tokens": [64, -1, 0]}, "num_group_tokens"),
        ({"num_group_tokens": [0, 0, 0]}, "num_group_tokens"),
        ({"num_output_groups": [64, 8]}, "num_output_groups"),
        ({"num_output_groups": [64, 0, 8]}, "num_output_groups"),
        ({"num_group_tokens": [0, 8, 0]}, "num_output_groups"),
        ({"hidden_size": 6 << 20}, "hidden_size"),
        ({"intermediate_size": 1 << 62}, "intermediate_size"),
        ({"depths": [6, 3, 1 << 62]}, "depths"),
        ({"depths": [1] * 2000}, "depths"),
        ({"num_output_groups": [64, 1 << 62, 8]}, "num_output_groups"),
        ({"num_channels": 1 << 62}, "num_channels"),
        ({"image_size": 16 << 20}, "image_size"),
        ({"patch_size": 1 << 20, "image_size": 1 << 20}, "patch_size"),
        ({"assign_mlp_ratio": [0.5, 1e300]}, "assign_mlp_ratio"),
    ],
)
def test_vision_values_that_cannot_be(values, name):
    with pytest.raises(CheckpointError, match=rf"GroupViTVisionConfig\.{name} has") as caught:
        GroupViTVisionConfig.from_dict(values)
    assert caught.value.expected and caught.value.fix and caught.value.got


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"vocab_size": 0}, "vocab_size"),
        ({"num_attention_heads": 3}, "num_attention_heads"),
        ({"hidden_act": None}, "hidden_act"),
        # transformers accepts these two and then fails while pooling.
        ({"eos_token_id": None}, "eos_token_id"),
        ({"eos_token_id": [1, 2]}, "eos_token_id"),
        ({"pad_token_id": "0"}, "pad_token_id"),
        ({"vocab_size": 1 << 62}, "vocab_size"),
        ({"num_hidden_layers": 100_000}, "num_hidden_layers"),
        ({"max_position_embeddings": 1 << 62}, "max_position_embeddings"),
    ],
)
def test_text_values_that_cannot_be(values, name):
    with pytest.raises(CheckpointError, match=rf"GroupViTTextConfig\.{name} has"):
        GroupViTTextConfig.from_dict(values)


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ({"projection_dim": 0}, "projection_dim"),
        ({"projection_intermediate_dim": 1 << 62}, "projection_intermediate_dim"),
        ({"logit_scale_init_value": None}, "logit_scale_init_value"),
        ({"logit_scale_init_value": float("nan")}, "logit_scale_init_value"),
        ({"output_segmentation": "yes"}, "output_segmentation"),
        ({"text_config": [1]}, "text_config"),
        ({"vision_config_dict": "x"}, "vision_config"),
        ([1, 2], "not a table"),
    ],
)
def test_values_that_cannot_be(values, what):
    with pytest.raises(CheckpointError, match=what):
        GroupViTConfig.from_dict(values)


def test_the_widest_can_be_laid_out():
    """No product of what is taken overflows in PyTorch, which would raise errors of its own."""
    wide = {"hidden_size": WIDEST, "intermediate_size": WIDEST, "num_attention_heads": 1}
    text = {**wide, "vocab_size": MOST_WORDS, "num_hidden_layers": 1, "max_position_embeddings": WIDEST}
    vision = {
        **wide,
        "depths": [1],
        "num_group_tokens": [LARGEST_SIDE],
        "num_output_groups": [LARGEST_SIDE],
        "image_size": LARGEST_SIDE,
        "patch_size": LARGEST_PATCH,
        "num_channels": MOST_LAYERS,
        "assign_mlp_ratio": [1, 1],
    }
    config = GroupViTConfig.from_dict(
        {
            "text_config": text,
            "vision_config": vision,
            "projection_dim": WIDEST,
            "projection_intermediate_dim": WIDEST,
        }
    )
    with torch.device("meta"):
        GroupViTModel(config)


def test_towers_must_be_towers():
    with pytest.raises(CheckpointError, match=r"GroupViTConfig\.text_config has"):
        GroupViTConfig(text_config=GroupViTVisionConfig())


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00", b"[" * 10])
def test_files_that_are_not_json(content, tmp_path):
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="not JSON") as caught:
        GroupViTConfig.from_json_file(path)
    assert str(path) in str(caught.value)


def test_absent_file_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="No such file"):
        GroupViTConfig.from_json_file(tmp_path / "config.json")


def test_replace_checks_again():
    assert GroupViTConfig().replace(projection_dim=8).projection_dim == 8
    with pytest.raises(CheckpointError):
        GroupViTConfig().replace(projection_dim=-8)


def test_activation_names_are_those_of_the_model():
    from groupvit_export.model.layers import ACTIVATION_FUNCTIONS

    assert set(ACTIVATIONS) == set(ACTIVATION_FUNCTIONS)


def test_reading_a_configuration_does_not_import_torch():
    code = "import sys, groupvit_export.model.config; print(json.dumps('torch' in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", f"import json; {code}"], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) is False
