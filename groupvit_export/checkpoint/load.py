"""A published checkpoint, wherever it lies and whoever wrote it, as one canonical state dict."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from groupvit_export.checkpoint import nvlabs, tensorflow
from groupvit_export.checkpoint.canonical import canonical, fingerprint
from groupvit_export.checkpoint.locate import HUB_ID, locate
from groupvit_export.checkpoint.weight_files import listing, read_weights, weights_in, without_prefix
from groupvit_export.errors import CheckpointError
from groupvit_export.model import GroupViTModel
from groupvit_export.model.config import GroupViTConfig

__all__ = ["Checkpoint", "build_model", "load_checkpoint", "load_recorded"]


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A loaded checkpoint.

    Attributes:
        config: what the model is made of.
        state_dict: float32 weights under the canonical names, those of transformers' ``GroupViTModel``.
        source: where it came from, for people: a path, or ``owner/name@commit``.
        folder: where the files around the weights lie (tokenizer, preprocessor); None for a single
            file without a ``config.json`` beside it, as NVlabs publishes.
        format: ``safetensors``, ``pytorch``, ``tensorflow`` or ``nvlabs``.
        fingerprint: SHA-256 of the names, shapes and float32 values, whatever file they came in.
        notes: what had to be assumed, in sentences for people; empty where nothing was.
    """

    config: GroupViTConfig
    state_dict: dict[str, Tensor]
    source: str
    folder: Path | None
    format: str
    fingerprint: str
    notes: tuple[str, ...] = ()


def load_checkpoint(
    source: str | Path,
    *,
    config: str | Path | None = None,
    revision: str | None = None,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
) -> Checkpoint:
    """Load weights and configuration.

    Args:
        source: a Hugging Face folder (``model.safetensors``, else ``pytorch_model.bin``, else
            ``tf_model.h5``, whole or sharded), one such weight file, an NVlabs ``.pth``, or a hub id like
            ``nvidia/groupvit-gcc-yfcc``. A path that exists wins over a hub id.
        config: a ``config.json`` to use instead of the one beside the weights. NVlabs files come
            without one; what their shapes do not tell is then assumed and said in ``notes``.
        revision: branch, tag or commit on the hub.
        cache_dir: the hub's cache; its own default where absent.
        local_files_only: use the hub's cache only. ``HF_HUB_OFFLINE=1`` does the same.

    Returns:
        The checkpoint, in float32 whatever it was stored in.

    Raises:
        CheckpointError: nothing there, another model, unreadable or refused files, missing,
            unexpected or misshapen weights, or weights that are not finite.
        MissingDependencyError: a hub id without huggingface_hub, or ``tf_model.h5`` without h5py.
    """
    path, description = locate(source, revision, cache_dir, local_files_only)
    folder = path if path.is_dir() else path.parent
    weights = weights_in(path) if path.is_dir() else path
    beside = folder / "config.json"
    config_path = Path(config) if config is not None else beside if beside.is_file() else None
    if config_path is None and path.is_dir():
        raise _no_config(listing(path))

    # The configuration first: another model is refused before gigabytes are read.
    known = None if config_path is None else GroupViTConfig.from_json_file(config_path)
    raw = read_weights(weights)
    from_tensorflow = tensorflow.is_tensorflow(raw)
    if from_tensorflow:
        raw = tensorflow.to_canonical(raw)
    raw, prefix = without_prefix(raw)
    notes: tuple[str, ...] = ()
    if prefix:
        notes = (f'The names of the weights begin with "{prefix}", which was left out.',)
    from_nvlabs = nvlabs.is_nvlabs(raw)
    if from_nvlabs:
        raw = nvlabs.to_canonical(raw)
        if known is None:
            known = nvlabs.infer_config(raw)
            notes = (*notes, _inferred(known))
    if known is None:
        raise _no_config(str(weights))
    state_dict = canonical(raw, known, description)
    return Checkpoint(
        config=known,
        state_dict=state_dict,
        source=description,
        folder=folder if path.is_dir() or beside.is_file() else None,
        format=_format(weights, from_tensorflow=from_tensorflow, from_nvlabs=from_nvlabs),
        fingerprint=fingerprint(state_dict),
        notes=notes,
    )


def load_recorded(
    source: str,
    *,
    config: str | Path | None = None,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
) -> Checkpoint:
    """Load again what ``Checkpoint.source`` names: a path, or a hub id at exactly the commit it had.

    Raises:
        CheckpointError: as :func:`load_checkpoint`.
    """
    name, at, revision = source.rpartition("@")
    if at and not Path(source).expanduser().exists() and HUB_ID.fullmatch(name):
        return load_checkpoint(
            name,
            config=config,
            revision=revision,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
        )
    return load_checkpoint(source, config=config)


def build_model(checkpoint: Checkpoint) -> GroupViTModel:
    """The reference model with the checkpoint's weights (a copy), float32, in evaluation mode."""
    with torch.device("meta"):
        model = GroupViTModel(checkpoint.config)
    model.to_empty(device="cpu")
    model.load_state_dict(checkpoint.state_dict)
    return model.eval()


def _format(weights: Path, *, from_tensorflow: bool, from_nvlabs: bool) -> str:
    if from_tensorflow:
        return "tensorflow"
    if from_nvlabs:
        return "nvlabs"
    return "safetensors" if ".safetensors" in weights.name else "pytorch"


def _no_config(got: str) -> CheckpointError:
    return CheckpointError(
        "The weights come without a configuration.",
        got=got,
        expected="config.json beside the weights",
        fix="put the model's config.json into the same folder, or give --config PATH (in Python config=)",
    )


def _inferred(config: GroupViTConfig) -> str:
    vision = config.vision_config
    (height, width), (rows, columns) = vision.image_shape, vision.patch_grid
    return (
        f"The configuration was inferred from the shapes of the weights, with images of {height}x{width}, "
        f"because {vision.num_patches} positions can be {rows}x{columns} patches (and no more is known), "
        f"and with heads of width {nvlabs.HEAD_DIM} as published ({vision.num_attention_heads} in the vision "
        f"tower, {config.text_config.num_attention_heads} in the text tower): if that is not so, give the "
        "model's config.json with --config (in Python config=)."
    )
