"""TensorFlow's checkpoints, held against the PyTorch checkpoints that transformers made them of."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from checkpoints import assert_refused
from safetensors.torch import load_file, save_file

from groupvit_export.checkpoint.load import load_checkpoint
from groupvit_export.errors import MissingDependencyError

STORED = Path(__file__).resolve().parents[2] / "data" / "tf-checkpoint"


@pytest.fixture
def folder(tmp_path):
    return Path(shutil.copytree(STORED / "h5", tmp_path / "checkpoint"))


@pytest.mark.parametrize("kind", ["h5", "h5-shards", "safetensors"])
def test_every_weight_is_the_one_that_it_was_made_of(kind):
    expected = load_file(STORED / "pytorch" / "model.safetensors")
    checkpoint = load_checkpoint(STORED / kind)
    assert checkpoint.state_dict.keys() == expected.keys()
    for name, value in expected.items():
        # A counter of training steps, which TensorFlow does not have.
        if not name.endswith("num_batches_tracked"):
            assert torch.equal(checkpoint.state_dict[name], value), name
    assert checkpoint.fingerprint == load_checkpoint(STORED / "pytorch").fingerprint
    assert checkpoint.format == "tensorflow" and checkpoint.notes == ()


def test_a_file_by_its_path(folder):
    assert load_checkpoint(folder / "tf_model.h5").fingerprint == load_checkpoint(folder).fingerprint


@pytest.mark.parametrize("other", ["model.safetensors", "pytorch_model.bin"])
def test_other_files_come_first(other, folder):
    (folder / other).write_bytes(b"not weights")
    assert_refused(folder, f"{other} cannot be read")


def test_hub_id_with_only_tensorflow_in_the_cache(tmp_path):
    commit = "0123456789abcdef0123456789abcdef01234567"
    repository = tmp_path / "models--acme--groupvit"
    shutil.copytree(STORED / "h5-shards", repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    checkpoint = load_checkpoint("acme/groupvit", cache_dir=tmp_path, local_files_only=True)
    assert checkpoint.format == "tensorflow"


def test_scopes_around_the_model_are_left_out(folder):
    """As Keras' own `save_weights` names them."""
    expected = load_checkpoint(folder).fingerprint
    with h5py.File(folder / "tf_model.h5", "r+") as file:
        file.move("groupvit", "outer")
        for part in list(file["outer"]):
            file.move(f"outer/{part}", f"layers/my_model/tf_group_vi_t_model_3/groupvit/{part}")
        del file["outer"]
    assert load_checkpoint(folder).fingerprint == expected


def test_a_scale_without_an_axis(folder):
    expected = load_checkpoint(folder).fingerprint
    with h5py.File(folder / "tf_model.h5", "r+") as file:
        ((_, name),) = _find(file, "logit_scale:0")
        value = file[name][0]
        del file[name]
        file[name] = value
    assert load_checkpoint(folder).fingerprint == expected


@pytest.mark.parametrize("dtype", ["<f2", ">f4", "<f8"])
def test_other_precisions_and_byte_orders(dtype, folder):
    with h5py.File(folder / "tf_model.h5", "r+") as file:
        ((_, name),) = _find(file, "patch_embeddings/projection/kernel:0")
        value = file[name][()].astype(dtype)
        del file[name]
        file[name] = value
    got = load_checkpoint(folder).state_dict["vision_model.embeddings.patch_embeddings.projection.weight"]
    assert np.array_equal(got.numpy(), value.astype("<f4").transpose(3, 2, 0, 1))


def test_missing_unexpected_and_misshapen(folder):
    with h5py.File(folder / "tf_model.h5", "r+") as file:
        ((group, name),) = _find(file, "text_projection.1/moving_variance:0")
        del file[name]
        file[group]["surplus:0"] = np.zeros(3, np.float32)
        file["elsewhere/count:0"] = np.zeros(3, np.float32)
        ((_, name),) = _find(file, "text_projection.0/kernel:0")
        value = file[name][()]
        del file[name]
        file[name] = value.T.copy()
    assert_refused(
        folder,
        "1 missing: text_projection.1.running_var",
        "2 unexpected",
        "elsewhere/count:0",
        "text_projection.1.surplus",
        "text_projection.0.weight [16, 12] instead of [12, 16]",
    )


def test_one_weight_under_two_names(folder):
    with h5py.File(folder / "tf_model.h5", "r+") as file:
        file["copy/logit_scale:0"] = np.ones(1, np.float32)
    assert_refused(folder, "a weight twice", "copy/logit_scale:0", "groupvit/logit_scale:0")


def test_weights_that_are_no_floats(folder):
    with h5py.File(folder / "tf_model.h5", "r+") as file:
        ((_, name),) = _find(file, "logit_scale:0")
        del file[name]
        file[name] = np.ones(1, np.int64)
    assert_refused(folder, "not floating point: logit_scale")


def test_a_shard_that_is_absent(tmp_path):
    folder = Path(shutil.copytree(STORED / "h5-shards", tmp_path / "checkpoint"))
    shard = sorted(set(json.loads((folder / "tf_model.h5.index.json").read_text())["weight_map"].values()))[0]
    (folder / shard).unlink()
    assert_refused(folder, "1 of 2 weight files are absent", shard)


def test_without_h5py(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MissingDependencyError) as caught:
        load_checkpoint(folder)
    assert "h5py" in caught.value.expected and "tf-checkpoint" in caught.value.fix
    # Only where it is needed.
    assert load_checkpoint(STORED / "pytorch").format == "safetensors"


def test_the_names_of_a_tower_alone(tmp_path):
    """What `TFGroupViTTextModel` saves is no whole model."""
    (tmp_path / "config.json").write_bytes((STORED / "h5" / "config.json").read_bytes())
    whole = load_file(STORED / "safetensors" / "model.safetensors")
    tower = {name: value for name, value in whole.items() if "text_model" in name}
    save_file(tower, tmp_path / "model.safetensors")
    assert_refused(tmp_path, "missing: logit_scale")


def _find(file: h5py.File, ending: str) -> list[tuple[str, str]]:
    """The group and the path of every array whose path ends so."""
    names: list[str] = []
    file.visit(names.append)
    found = [name for name in names if name.endswith(ending) and isinstance(file[name], h5py.Dataset)]
    return [(name.rpartition("/")[0], name) for name in found]
