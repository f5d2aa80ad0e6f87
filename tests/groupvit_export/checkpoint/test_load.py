"""Checkpoints: every place and format they come in, and every way in which they are broken."""

from __future__ import annotations

import dataclasses
import json
import shutil
import warnings
from importlib.resources import files
from pathlib import Path

import pytest
import torch
from checkpoints import assert_holds, assert_refused, rewrite
from nvlabs_names import from_canonical
from safetensors.torch import load_file, save_file

from groupvit_export.checkpoint.load import build_model, load_checkpoint, load_recorded
from groupvit_export.model import GroupViTModel
from groupvit_export.model.config import GroupViTTextConfig

DEMO = Path(str(files("groupvit_export") / "data" / "demo"))


# Places and formats


def test_folder_with_safetensors(folder, config, weights):
    checkpoint = load_checkpoint(folder)
    assert_holds(checkpoint, weights)
    assert checkpoint.config == config
    assert checkpoint.folder == folder
    assert checkpoint.source == str(folder)
    assert checkpoint.format == "safetensors"
    assert checkpoint.notes == ()


def test_a_weight_file_beside_its_configuration(folder, weights):
    checkpoint = load_checkpoint(folder / "model.safetensors")
    assert_holds(checkpoint, weights)
    assert checkpoint.folder == folder


@pytest.mark.parametrize("endings", [("model", "safetensors"), ("pytorch_model", "bin")])
def test_sharded(endings, folder, weights):
    stem, ending = endings
    (folder / "model.safetensors").unlink()
    names = sorted(weights)
    weight_map: dict[str, str] = {}
    for part, chosen in enumerate((names[::2], names[1::2]), start=1):
        file = f"{stem}-{part:05d}-of-00002.{ending}"
        shard = {name: weights[name] for name in chosen}
        save_file(shard, folder / file) if ending == "safetensors" else torch.save(shard, folder / file)
        weight_map |= dict.fromkeys(chosen, file)
    index = folder / f"{stem}.{ending}.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    checkpoint = load_checkpoint(folder)
    assert_holds(checkpoint, weights)
    assert checkpoint.format == ("safetensors" if ending == "safetensors" else "pytorch")

    (folder / f"{stem}-00002-of-00002.{ending}").unlink()
    assert_refused(folder, "1 of 2 weight files are absent", f"{stem}-00002-of-00002.{ending}")


@pytest.mark.parametrize("content", ["{", "{}", '{"weight_map": {}}', '{"weight_map": {"a": "../x.bin"}}'])
def test_index_that_names_nothing_here(content, folder):
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(content)
    assert_refused(folder, "model.safetensors.index.json cannot be read")


def test_folder_with_a_pickle(folder, weights):
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    checkpoint = load_checkpoint(folder)
    assert_holds(checkpoint, weights)
    assert checkpoint.format == "pytorch"


def test_a_pickle_of_another_protocol_is_read_without_a_warning(folder, weights):
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin", pickle_protocol=3)
    with warnings.catch_warnings(action="error"):
        assert_holds(load_checkpoint(folder), weights)


def test_safetensors_win_over_pickles(folder):
    (folder / "pytorch_model.bin").write_bytes(b"never opened")
    assert load_checkpoint(folder).format == "safetensors"


@pytest.mark.parametrize("wrap", ["bare", "model", "state_dict"])
def test_nvlabs_file(wrap, config, weights, tmp_path):
    published = from_canonical(weights)
    published["multi_label_logit_scale"] = torch.tensor(2.0)
    path = tmp_path / "groupvit.pth"
    torch.save(published if wrap == "bare" else {wrap: published, "epoch": 29}, path)
    checkpoint = load_checkpoint(path)
    assert_holds(checkpoint, weights)
    assert checkpoint.config == config
    assert checkpoint.format == "nvlabs"
    assert checkpoint.folder is None
    assert "heads of width 64" in checkpoint.notes[0] and "images of 16x16" in checkpoint.notes[0]


@pytest.mark.parametrize("prefix", ["module.", "model.", "model.module.", "_orig_mod."])
def test_what_a_wrapper_put_before_every_name_is_left_out(prefix, weights, folder, tmp_path):
    expected = load_checkpoint(folder).fingerprint
    published = {f"{prefix}{name}": value for name, value in from_canonical(weights).items()}
    torch.save({"model": published}, tmp_path / "groupvit.pth")
    checkpoint = load_checkpoint(tmp_path / "groupvit.pth")
    assert checkpoint.fingerprint == expected
    assert f'"{prefix}"' in checkpoint.notes[0]
    rewrite(folder, {f"{prefix}{name}": value for name, value in weights.items()})
    assert load_checkpoint(folder).fingerprint == expected


def test_entries_between_the_weights_that_are_no_tensors(weights, folder, tmp_path):
    published = {**from_canonical(weights), "epoch": 3, "name": "run", 7: torch.zeros(1)}
    for number, content in enumerate((published, {"state_dict": published})):
        torch.save(content, tmp_path / f"{number}.pth")
        assert load_checkpoint(tmp_path / f"{number}.pth").fingerprint == load_checkpoint(folder).fingerprint


@pytest.mark.parametrize("name", ["config.json", "model.safetensors.index.json"])
def test_a_byte_order_mark_before_json(name, folder, weights):
    expected = load_checkpoint(folder).fingerprint
    if name != "config.json":
        (folder / "model.safetensors").rename(folder / "model-1.safetensors")
        table = {"weight_map": dict.fromkeys(weights, "model-1.safetensors")}
        (folder / name).write_text(json.dumps(table))
    (folder / name).write_bytes(b"\xef\xbb\xbf" + (folder / name).read_bytes())
    assert load_checkpoint(folder).fingerprint == expected


def test_groups_that_are_not_as_many_as_group_tokens(config, tmp_path):
    """As NVlabs' code runs them: the projector is fed the tokens of the stage before, not its groups."""
    vision = dataclasses.replace(
        config.vision_config, num_group_tokens=(6, 3), num_output_groups=(5, 2), depths=(1, 1)
    )
    weights = GroupViTModel(config.replace(vision_config=vision)).state_dict()
    published = from_canonical(weights)
    assert published["img_encoder.layers.1.group_projector.1.fc1.weight"].shape[1] == 6
    torch.save({"model": published}, tmp_path / "groupvit.pth")
    checkpoint = load_checkpoint(tmp_path / "groupvit.pth")
    assert checkpoint.config.vision_config == vision
    assert_holds(checkpoint, weights)


def test_images_that_are_not_square_need_a_configuration(config, tmp_path):
    """64x16 pixels have as many patches as 32x32."""
    tall = config.replace(vision_config=dataclasses.replace(config.vision_config, image_size=(64, 16)))
    torch.save({"model": from_canonical(GroupViTModel(tall).state_dict())}, tmp_path / "groupvit.pth")
    tall.to_json_file(tmp_path / "tall.json")
    assert load_checkpoint(tmp_path / "groupvit.pth", config=tmp_path / "tall.json").config == tall
    (note,) = load_checkpoint(tmp_path / "groupvit.pth").notes
    assert "images of 32x32" in note and "--config" in note


def test_nvlabs_file_with_a_configuration(config, weights, tmp_path):
    torch.save({"model": from_canonical(weights)}, tmp_path / "groupvit.pth")
    given = config.replace(output_segmentation=True)
    given.to_json_file(tmp_path / "given.json")
    checkpoint = load_checkpoint(tmp_path / "groupvit.pth", config=tmp_path / "given.json")
    assert checkpoint.config == given
    assert checkpoint.notes == () and checkpoint.folder is None
    # Beside the weights, and with more heads than the shapes would be taken to mean.
    heads = config.replace(
        text_config=GroupViTTextConfig(**{**vars(config.text_config), "num_attention_heads": 2})
    )
    heads.to_json_file(tmp_path / "config.json")
    checkpoint = load_checkpoint(tmp_path / "groupvit.pth")
    assert checkpoint.config == heads
    assert checkpoint.notes == () and checkpoint.folder == tmp_path


def test_given_configuration_wins(folder, config, tmp_path):
    given = config.replace(output_segmentation=True)
    given.to_json_file(tmp_path / "given.json")
    assert load_checkpoint(folder, config=tmp_path / "given.json").config == given
    (folder / "config.json").unlink()
    assert load_checkpoint(folder, config=tmp_path / "given.json").config == given


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_become_float32(dtype, folder, weights):
    stored = {
        name: value.to(dtype) if value.is_floating_point() else value for name, value in weights.items()
    }
    rewrite(folder, stored)
    assert_holds(load_checkpoint(folder), stored)


def test_known_keys_that_are_no_weights(folder, weights):
    stored = {name: value for name, value in weights.items() if not name.endswith("num_batches_tracked")}
    stored["text_model.embeddings.position_ids"] = torch.arange(8).unsqueeze(0)
    rewrite(folder, stored)
    assert_holds(load_checkpoint(folder), weights)


def test_fingerprint_is_of_the_weights_not_of_the_file(folder, weights, tmp_path):
    fingerprint = load_checkpoint(folder).fingerprint
    assert len(fingerprint) == 64
    torch.save({"model": from_canonical(weights)}, tmp_path / "groupvit.pth")
    assert load_checkpoint(tmp_path / "groupvit.pth").fingerprint == fingerprint
    changed = {name: value.clone() for name, value in weights.items()}
    # A counter of training steps, which no output depends on.
    changed["visual_projection.1.num_batches_tracked"] += 5
    rewrite(folder, changed)
    assert load_checkpoint(folder).fingerprint == fingerprint
    changed["logit_scale"] += 1e-6
    rewrite(folder, changed)
    assert load_checkpoint(folder).fingerprint != fingerprint


def test_folder_that_transformers_saved_and_back(config, tmp_path):
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(1)
    theirs = transformers.GroupViTModel(transformers.GroupViTConfig(**config.to_dict()))
    theirs.save_pretrained(tmp_path / "theirs")
    checkpoint = load_checkpoint(tmp_path / "theirs")
    assert_holds(checkpoint, theirs.state_dict())

    (tmp_path / "ours").mkdir()
    checkpoint.config.to_json_file(tmp_path / "ours" / "config.json")
    save_file(checkpoint.state_dict, tmp_path / "ours" / "model.safetensors", metadata={"format": "pt"})
    again, report = transformers.GroupViTModel.from_pretrained(tmp_path / "ours", output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"]
    assert torch.equal(again.state_dict()["logit_scale"], theirs.state_dict()["logit_scale"])


# The model


def test_build_model_is_in_evaluation_and_a_copy(folder, weights):
    checkpoint = load_checkpoint(folder)
    model = build_model(checkpoint)
    assert not model.training
    assert {name: value.shape for name, value in model.state_dict().items()} == {
        name: value.shape for name, value in weights.items()
    }
    assert all(parameter.device.type == "cpu" for parameter in model.parameters())
    with torch.no_grad():
        model.logit_scale.add_(1)
    assert torch.equal(checkpoint.state_dict["logit_scale"], weights["logit_scale"])


def test_the_shipped_checkpoint_computes_what_transformers_does():
    transformers = pytest.importorskip("transformers")
    checkpoint = load_checkpoint(DEMO)
    ours = build_model(checkpoint)
    theirs = transformers.GroupViTModel.from_pretrained(DEMO, dtype=torch.float32).eval()
    torch.manual_seed(0)
    inputs = {
        "input_ids": torch.tensor([[1, 5, 29, 0], [1, 6, 7, 29]]),
        "pixel_values": torch.randn(2, 3, 224, 224),
        "output_segmentation": True,
    }
    with torch.no_grad():
        expected, got = theirs(**inputs), ours(**inputs)
        forced = tuple(soft.argmax(dim=-2) for soft in expected.vision_model_output.attentions)
        replay = ours(**inputs, forced=forced)
    scale = max(1.0, float(expected.segmentation_logits.abs().max()))
    # With their decisions, so that a near-tie that rounds away in their softmax is no difference here.
    assert (replay.segmentation_logits - expected.segmentation_logits).abs().max() / scale < 1e-5
    for mine, other in zip(got.vision_model_output.assignments, forced, strict=True):
        assert (mine == other).float().mean() > 0.99


# The hub, without a network


@pytest.fixture
def cached(folder, tmp_path) -> Path:
    """A hub cache that holds the folder as acme/groupvit."""
    cache = tmp_path / "cache"
    commit = "0123456789abcdef0123456789abcdef01234567"
    repository = cache / "models--acme--groupvit"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(commit)
    shutil.copytree(folder, repository / "snapshots" / commit)
    return cache


def test_hub_id_from_the_cache(cached, weights):
    checkpoint = load_checkpoint("acme/groupvit", cache_dir=cached, local_files_only=True)
    assert_holds(checkpoint, weights)
    assert checkpoint.source == "acme/groupvit@0123456789abcdef0123456789abcdef01234567"
    assert (checkpoint.folder / "config.json").is_file()


def test_what_a_bundle_recorded_is_loaded_at_its_commit_not_at_the_newest(cached, weights, tmp_path):
    recorded = load_checkpoint("acme/groupvit", cache_dir=cached, local_files_only=True).source
    repository = cached / "models--acme--groupvit"
    newer = "f" * 40
    (repository / "refs" / "main").write_text(newer)
    shutil.copytree(next((repository / "snapshots").iterdir()), repository / "snapshots" / newer)
    moved = {name: tensor + 1 for name, tensor in weights.items()}
    save_file(moved, repository / "snapshots" / newer / "model.safetensors")
    assert load_checkpoint("acme/groupvit", cache_dir=cached, local_files_only=True).source.endswith(newer)
    assert_holds(load_recorded(recorded, cache_dir=cached, local_files_only=True), weights)


def test_a_recorded_folder_may_have_an_at_in_its_name(folder, weights, tmp_path):
    odd = shutil.copytree(folder, tmp_path / "model@v2")
    assert_holds(load_recorded(str(odd)), weights)


def test_hub_id_with_only_a_pickle_in_the_cache(cached):
    snapshot = next((cached / "models--acme--groupvit" / "snapshots").iterdir())
    torch.save(load_file(snapshot / "model.safetensors"), snapshot / "pytorch_model.bin")
    (snapshot / "model.safetensors").unlink()
    checkpoint = load_checkpoint("acme/groupvit", cache_dir=cached, local_files_only=True)
    assert checkpoint.format == "pytorch"


def test_offline_mode_is_honored(cached, weights, monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert_holds(load_checkpoint("acme/groupvit", cache_dir=cached), weights)
    assert_refused("acme/other", "acme/other could not be had", "path", cache_dir=tmp_path / "empty")


def test_hub_id_that_is_not_in_the_cache(tmp_path):
    error = assert_refused(
        "acme/groupvit", "LocalEntryNotFoundError", "hf download", cache_dir=tmp_path, local_files_only=True
    )
    assert error.__cause__ is not None


def test_revision_that_is_not_in_the_cache(cached):
    assert_refused(
        "acme/groupvit",
        "acme/groupvit at revision v2",
        revision="v2",
        cache_dir=cached,
        local_files_only=True,
    )


def test_revision_of_a_local_folder_is_refused(folder):
    assert_refused(folder, "A revision was asked of a local checkpoint", revision="main")
