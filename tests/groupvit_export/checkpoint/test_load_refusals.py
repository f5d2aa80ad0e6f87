"""Checkpoints that cannot be loaded, and what is said of them."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from checkpoints import assert_refused, rewrite
from nvlabs_names import from_canonical

from groupvit_export.checkpoint.load import load_checkpoint
from groupvit_export.checkpoint.preprocessor import read_preprocessing
from groupvit_export.errors import CheckpointError


@pytest.mark.parametrize(
    "name", ["nope", "./nope/here", "/nope/here", "a/b/c", "owner/model.pth", "bad name/x"]
)
def test_path_that_does_not_exist(name):
    assert_refused(name, f"no checkpoint at {name}", "hub id")


def test_empty_folder(tmp_path):
    assert_refused(tmp_path, "The folder has no weights", "which is empty", "model.safetensors")


def test_folder_without_a_configuration(folder):
    (folder / "config.json").unlink()
    assert_refused(folder, "without a configuration", "config.json")
    assert_refused(folder / "model.safetensors", "without a configuration", "config.json")


def test_folder_without_weights(folder):
    (folder / "model.safetensors").rename(folder / "weights.safetensors")
    assert_refused(folder, "no weights", "weights.safetensors", "pytorch_model.bin")


def test_another_model_is_refused_before_its_weights_are_read(folder):
    (folder / "config.json").write_text('{"model_type": "clip"}')
    (folder / "model.safetensors").write_bytes(b"never opened")
    assert_refused(folder, "'clip'", "'groupvit'")


def test_file_of_another_kind(folder):
    assert_refused(folder / "config.json", "not one that weights are stored in", ".safetensors")


@pytest.mark.parametrize("keep", [0, 4, 100, 0.5, 0.999])
def test_truncated_safetensors(keep, folder):
    path = folder / "model.safetensors"
    data = path.read_bytes()
    path.write_bytes(data[: keep if isinstance(keep, int) else int(keep * len(data))])
    error = assert_refused(folder, "model.safetensors cannot be read", "download the file again")
    assert error.__cause__ is not None


@pytest.mark.parametrize("content", ["empty", "half", "garbage"])
def test_damaged_pickle(content, weights, tmp_path):
    path = tmp_path / "groupvit.pth"
    torch.save({"model": from_canonical(weights)}, path)
    data = path.read_bytes()
    path.write_bytes({"empty": b"", "half": data[: len(data) // 2], "garbage": b"garbage" * 99}[content])
    error = assert_refused(path, "groupvit.pth cannot be read")
    assert error.__cause__ is not None


class Payload:
    """An object that writes a file while it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_pickle_with_objects_is_refused_and_not_run(weights, tmp_path):
    torch.save({"model": weights, "config": Payload(tmp_path / "ran")}, tmp_path / "groupvit.pth")
    error = assert_refused(tmp_path / "groupvit.pth", "could run any code", "weights_only", "torch.save")
    assert error.__cause__ is not None
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "instructions", [b"J\x01", b"X\x01", b"}}}s.", b"ctorch._utils\n_rebuild_tensor_v2\nK\x01R."]
)
def test_pickles_of_nonsense(instructions, tmp_path):
    path = tmp_path / "groupvit.pth"
    path.write_bytes(b"\x80\x02" + instructions)
    assert_refused(path, "groupvit.pth cannot be read", "download the file again")


def test_archives_that_unpack_to_more_than_they_are(weights, tmp_path):
    stored, path = tmp_path / "stored.pth", tmp_path / "groupvit.pth"
    torch.save({"model": {**weights, "more": torch.zeros(1 << 20)}}, stored)
    with zipfile.ZipFile(stored) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    assert_refused(path, "more than the file has")


@pytest.mark.parametrize("shard", ["model.safetensors.index.json", "other.index.json"])
def test_an_index_of_indices(shard, folder):
    (folder / "model.safetensors").unlink()
    for name in ("model.safetensors.index.json", "other.index.json"):
        (folder / name).write_text(json.dumps({"weight_map": {"a": shard}}))
    assert_refused(folder, "index.json cannot be read", "names no files of this folder")


def test_deep_files(folder):
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text("[" * 100_000)
    assert_refused(folder, "index.json cannot be read", "RecursionError")
    (folder / "config.json").write_text("[" * 100_000)
    assert_refused(folder, "The configuration is not JSON")
    (folder / "preprocessor_config.json").write_text("[" * 100_000)
    with pytest.raises(CheckpointError, match="preprocessor_config.json cannot be followed"):
        read_preprocessing(folder, (32, 32))


@pytest.mark.parametrize("key", ["model", "state_dict"])
def test_the_recipe_for_objects_runs_wherever_it_is_pasted(key, weights, tmp_path, monkeypatch):
    home = tmp_path / 'it\'s a "folder"'
    home.mkdir()
    torch.save({key: {**weights, "epoch": 1}, "config": Payload(tmp_path / "ran")}, home / "groupvit.pth")
    error = assert_refused(home / "groupvit.pth", "GLOBAL getattr")
    monkeypatch.chdir(tmp_path)
    exec(error.fix.partition(":\n")[2], {})
    written = torch.load(home / "groupvit-weights.pth", weights_only=True)["model"]
    assert written.keys() == weights.keys()


@pytest.mark.slow
def test_the_recipe_for_a_configuration_beside_the_weights(weights, folder, tmp_path):
    omegaconf = pytest.importorskip("omegaconf", reason="OmegaConf is not installed: pip install omegaconf")
    beside = omegaconf.OmegaConf.create({"model": {"depths": [6, 3, 3]}, "lr": "${oc.env:LR,0.1}"})
    torch.save({"state_dict": weights, "config": beside, "epoch": 3}, tmp_path / "groupvit.pth")
    error = assert_refused(tmp_path / "groupvit.pth", "omegaconf.dictconfig.DictConfig", "could run any code")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    recipe = error.fix.partition(":\n")[2]
    # Line by line, as a prompt takes it.
    subprocess.run([sys.executable, "-i", "-q"], input=recipe + "\n", text=True, cwd=elsewhere, check=True)
    found = load_checkpoint(tmp_path / "groupvit-weights.pth", config=folder / "config.json")
    torch.save({"model": weights}, tmp_path / "plain.pth")
    plain = load_checkpoint(tmp_path / "plain.pth", config=folder / "config.json")
    assert found.fingerprint == plain.fingerprint


def test_weights_of_several_models(weights, tmp_path):
    twice = {f"{prefix}{name}": value for prefix in ("model.", "ema.") for name, value in weights.items()}
    torch.save({"state_dict": twice}, tmp_path / "groupvit.pth")
    assert_refused(tmp_path / "groupvit.pth", "several models", "'ema.', 'model.'")


@pytest.mark.parametrize("content", [{}, {"model": {}}, {"model": {"a": 1}}, [1, 2], {"epoch": 3}])
def test_pickle_without_weights(content, tmp_path):
    torch.save(content, tmp_path / "groupvit.pth")
    assert_refused(tmp_path / "groupvit.pth", "holds no weights")


def test_git_lfs_pointer(folder):
    (folder / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    assert_refused(folder, "Git LFS pointer", "git lfs pull")


def test_missing_unexpected_and_misshapen_in_one_message(folder, weights):
    stored = {name: value.clone() for name, value in weights.items()}
    del stored["logit_scale"]
    stored["classifier.weight"] = torch.zeros(3)
    stored["visual_projection.3.bias"] = torch.zeros(9)
    stored["text_projection.3.bias"] = torch.zeros(8, dtype=torch.int32)
    rewrite(folder, stored)
    assert_refused(
        folder,
        "1 missing: logit_scale",
        "1 unexpected: classifier.weight",
        "1 misshapen: visual_projection.3.bias [9] instead of [8]",
        "1 not floating point: text_projection.3.bias torch.int32",
    )


def test_long_lists_are_capped_and_counted(folder):
    rewrite(folder, {f"weight.{i}": torch.zeros(1) for i in range(50)})
    error = assert_refused(folder, "50 unexpected:", "and 42 more")
    assert len(str(error)) < 2500


def test_configuration_of_another_size(folder, config):
    config.replace(projection_dim=16).to_json_file(folder / "config.json")
    assert_refused(folder, "4 misshapen", "visual_projection.3.weight [8, 12] instead of [16, 12]")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite(value, folder, weights):
    stored = {name: tensor.clone() for name, tensor in weights.items()}
    stored["visual_projection.0.weight"][1, 1] = value
    rewrite(folder, stored)
    assert_refused(folder, "1 weights hold NaN or infinity", "visual_projection.0.weight")


def test_too_large_for_float32(folder, weights):
    rewrite(folder, {**weights, "logit_scale": torch.tensor(1e300, dtype=torch.float64)})
    assert_refused(folder, "NaN or infinity", "logit_scale")


def test_nvlabs_file_with_a_missing_third_of_a_projection(weights, tmp_path):
    published = from_canonical(weights)
    name = "img_encoder.layers.0.blocks.0.attn.qkv.weight"
    published[name] = published[name][:128]
    torch.save({"model": published}, tmp_path / "groupvit.pth")
    assert_refused(tmp_path / "groupvit.pth", "3 misshapen", "self_attn.q_proj.weight")
