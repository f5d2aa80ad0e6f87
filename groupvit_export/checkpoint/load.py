"""A published checkpoint, wherever it lies and whoever wrote it, as one canonical state dict.

Nothing is executed from a file: pickles are read with ``weights_only=True`` and nothing else. Every
weight is accounted for, because a model with one layer left at random looks like a model.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from groupvit_export.checkpoint import nvlabs
from groupvit_export.checkpoint.image_processor import IMAGE_PROCESSOR_FILES
from groupvit_export.errors import CheckpointError, MissingDependencyError
from groupvit_export.model import GroupViTModel
from groupvit_export.model.config import GroupViTConfig
from groupvit_runtime.install_hint import install_hint

__all__ = ["IGNORED_KEYS", "Checkpoint", "build_model", "load_checkpoint", "load_recorded"]

#: Keys that may be in a file and are not weights of the model.
IGNORED_KEYS = {
    "text_model.embeddings.position_ids": "0, 1, 2, ...; older transformers stored it",
    **nvlabs.DROPPED,
}
#: Key endings that may be absent: counters that only training reads.
_OPTIONAL_SUFFIX = "num_batches_tracked"

_SAFETENSORS = ("model.safetensors", "model.safetensors.index.json")
_PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json")
_HUB_ALWAYS = (
    "config.json",
    *IMAGE_PROCESSOR_FILES,
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.json",
    "merges.txt",
    *_SAFETENSORS,
    "model-*.safetensors",
)
_HUB_PICKLES = (*_PICKLES, "pytorch_model-*.bin")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_PICKLE_ENDINGS = (".pth", ".pt", ".bin", ".ckpt")
_WEIGHT_ENDINGS = (".safetensors", *_PICKLE_ENDINGS)
_LISTED = 8


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A loaded checkpoint.

    Attributes:
        config: what the model is made of.
        state_dict: float32 weights under the canonical names, those of transformers' ``GroupViTModel``.
        source: where it came from, for people: a path, or ``owner/name@commit``.
        folder: where the files around the weights lie (tokenizer, preprocessor); None for a single
            file without a ``config.json`` beside it, as NVlabs publishes.
        format: ``safetensors``, ``pytorch`` or ``nvlabs``.
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
        source: a Hugging Face folder (``model.safetensors`` or ``pytorch_model.bin``, whole or
            sharded), one such weight file, an NVlabs ``.pth``, or a hub id like
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
    """
    path, description = _locate(source, revision, cache_dir, local_files_only)
    folder = path if path.is_dir() else path.parent
    weights = _weights_in(path) if path.is_dir() else path
    beside = folder / "config.json"
    config_path = Path(config) if config is not None else beside if beside.is_file() else None
    if config_path is None and path.is_dir():
        raise _no_config(_listing(path))

    # The configuration first: another model is refused before gigabytes are read.
    known = None if config_path is None else GroupViTConfig.from_json_file(config_path)
    raw = _read_weights(weights)
    notes: tuple[str, ...] = ()
    from_nvlabs = nvlabs.is_nvlabs(raw)
    if from_nvlabs:
        raw = nvlabs.to_canonical(raw)
        if known is None:
            known = nvlabs.infer_config(raw)
            notes = (_inferred(known),)
    if known is None:
        raise _no_config(str(weights))
    state_dict = _canonical(raw, known, description)
    return Checkpoint(
        config=known,
        state_dict=state_dict,
        source=description,
        folder=folder if path.is_dir() or beside.is_file() else None,
        format="nvlabs" if from_nvlabs else "safetensors" if ".safetensors" in weights.name else "pytorch",
        fingerprint=_fingerprint(state_dict),
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
    if at and not Path(source).expanduser().exists() and _HUB_ID.fullmatch(name):
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


# Where it lies


def _locate(
    source: str | Path, revision: str | None, cache_dir: str | Path | None, local_files_only: bool
) -> tuple[Path, str]:
    path = Path(source).expanduser()
    if path.exists():
        if revision is not None:
            raise CheckpointError(
                "A revision was asked of a local checkpoint.",
                got=f"revision {revision!r} of {path}",
                expected="a revision together with a hub id only",
                fix="leave the revision out, or check that revision out in the folder",
            )
        return path, str(path)
    name = str(source)
    if not _HUB_ID.fullmatch(name) or name.endswith(_WEIGHT_ENDINGS):
        raise CheckpointError(
            f"There is no checkpoint at {name}.",
            got="no such file or folder, and not of the form of a hub id",
            expected="a Hugging Face folder, an NVlabs .pth, or a hub id like nvidia/groupvit-gcc-yfcc",
            fix="check the path; relative ones start at the current folder",
        )
    folder = _download(name, revision, cache_dir, local_files_only)
    # The cache names a snapshot's folder after its commit.
    return folder, f"{name}@{folder.name}"


def _download(
    hub_id: str, revision: str | None, cache_dir: str | Path | None, local_files_only: bool
) -> Path:
    try:
        import huggingface_hub
    except ImportError as error:
        raise MissingDependencyError(
            f"{hub_id} is on the Hugging Face hub, and its client is not installed.",
            expected="the package huggingface_hub",
            fix=f"{install_hint('export')}, or download the folder and pass its path",
        ) from error

    def fetch(patterns: Iterable[str]) -> Path:
        return Path(
            huggingface_hub.snapshot_download(
                hub_id,
                revision=revision,
                cache_dir=cache_dir,
                local_files_only=local_files_only,
                allow_patterns=list(patterns),
            )
        )

    try:
        folder = fetch(_HUB_ALWAYS)
        if not any((folder / name).is_file() for name in _SAFETENSORS):
            # Only now, so that a repository with both is not downloaded twice over.
            folder = fetch((*_HUB_ALWAYS, *_HUB_PICKLES))
    except Exception as error:
        where = "the local cache only" if local_files_only else "the Hugging Face hub and its local cache"
        at = "" if revision is None else f" at revision {revision}"
        first_line = str(error).strip().split("\n")[0]
        raise CheckpointError(
            f"{hub_id}{at} could not be had.",
            got=f"{type(error).__name__}: {first_line}",
            expected=f"a local folder of that name (there is none), or a GroupViT in {where}",
            fix=f"where there is a network, run `hf download {hub_id} --local-dir checkpoint`, copy the "
            "folder here and pass its path; for a private model, run `hf auth login` first",
        ) from error
    return folder


def _no_config(got: str) -> CheckpointError:
    return CheckpointError(
        "The weights come without a configuration.",
        got=got,
        expected="config.json beside the weights",
        fix="put the model's config.json into the same folder, or pass its path (`config=`)",
    )


def _inferred(config: GroupViTConfig) -> str:
    return (
        "The configuration was inferred from the shapes of the weights, with heads of width "
        f"{nvlabs.HEAD_DIM} as published ({config.vision_config.num_attention_heads} in the vision tower, "
        f"{config.text_config.num_attention_heads} in the text tower): pass a config.json if that is not so."
    )


def _weights_in(folder: Path) -> Path:
    for name in (*_SAFETENSORS, *_PICKLES):
        if (folder / name).is_file():
            return folder / name
    raise CheckpointError(
        "The folder has no weights.",
        got=_listing(folder),
        expected=f"one of {', '.join((*_SAFETENSORS, *_PICKLES))}",
        fix="download the weights too; for an NVlabs checkpoint, pass the path of the .pth file itself",
    )


def _listing(folder: Path) -> str:
    names = sorted(path.name for path in folder.iterdir())
    return f"{folder} with {_some(names)}" if names else f"{folder}, which is empty"


def _some(names: list[str]) -> str:
    more = f", and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


# What is in it


def _read_weights(path: Path) -> dict[str, Tensor]:
    if path.name.endswith(".index.json"):
        return _read_shards(path)
    if path.suffix not in _WEIGHT_ENDINGS:
        raise CheckpointError(
            "The file is not one that weights are stored in.",
            got=str(path),
            expected=f"a folder, or a file ending in {', '.join(_WEIGHT_ENDINGS)}",
            fix="pass the folder that holds config.json and the weights",
        )
    _refuse_lfs_pointer(path)
    return _read_safetensors(path) if path.suffix == ".safetensors" else _read_pickle(path)


def _read_shards(index: Path) -> dict[str, Tensor]:
    try:
        shards = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        # A name with a folder in it would let an index read files outside its own.
        sound = bool(shards) and all(Path(name).name == name for name in shards)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unreadable(index, error) from error
    if not sound:
        raise _unreadable(index, "the weight map names no files of this folder")
    absent = [name for name in shards if not (index.parent / name).is_file()]
    if absent:
        raise CheckpointError(
            f"{len(absent)} of {len(shards)} weight files are absent.",
            got=f"no {_some(absent)} in {index.parent}",
            expected=f"every file that {index.name} names",
            fix="download the folder again; an interrupted download leaves files out",
        )
    merged: dict[str, Tensor] = {}
    for name in shards:
        merged.update(_read_weights(index.parent / name))
    return merged


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        loaded: dict[str, Tensor] = load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError, RuntimeError) as error:
        raise _unreadable(path, error) from error
    return loaded


def _read_pickle(path: Path) -> dict[str, Tensor]:
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if not _was_refused(error):
            raise _unreadable(path, error) from error
        raise CheckpointError(
            "The file holds Python objects besides weights, and loading those could run any code.",
            got=f"{path}: {_reason(error)}",
            expected="a file with tensors only (torch.load(..., weights_only=True))",
            fix="on a machine where you trust the file, save its weights alone:\n"
            "    import torch\n"
            f'    c = torch.load("{path.name}", map_location="cpu", weights_only=False)\n'
            f'    torch.save({{"model": c["model"]}}, "{path.stem}-weights.pth")',
        ) from error
    except (OSError, EOFError, RuntimeError, ValueError, KeyError, IndexError, AttributeError) as error:
        raise _unreadable(path, error) from error
    return _state_dict_of(loaded, path)


def _state_dict_of(loaded: Any, path: Path) -> dict[str, Tensor]:
    candidates = [loaded]
    if isinstance(loaded, Mapping):
        candidates = [loaded.get("model"), loaded.get("state_dict"), loaded]
    for candidate in candidates:
        if (
            isinstance(candidate, Mapping)
            and candidate
            and all(isinstance(k, str) and isinstance(v, Tensor) for k, v in candidate.items())
        ):
            return {key: value.detach() for key, value in candidate.items()}
    got = _some([str(key) for key in loaded]) if isinstance(loaded, Mapping) else type(loaded).__name__
    raise CheckpointError(
        "The file holds no weights.",
        got=f"{path} with {got or 'nothing'}",
        expected='a table of tensors, alone or under "model" or "state_dict"',
        fix='save the weights alone: torch.save({"model": model.state_dict()}, "weights.pth")',
    )


def _was_refused(error: pickle.UnpicklingError) -> bool:
    # torch raises one class for damaged files and for objects that it would not construct; only the
    # latter are told how to be allowed.
    text = str(error)
    return any(sign in text for sign in ("add_safe_globals", "Unsupported global", "Unsupported class"))


def _reason(error: BaseException | str) -> str:
    if not isinstance(error, BaseException):
        return error
    # torch explains its loading modes first and says what it found after this mark.
    told = str(error).rpartition("WeightsUnpickler error:")[2].strip().split("\n")[0]
    return f"{type(error).__name__}: {told[:200]}"


def _unreadable(path: Path, error: BaseException | str) -> CheckpointError:
    return CheckpointError(
        f"{path.name} cannot be read: it is damaged, cut off, or of another format.",
        got=f"{path}: {_reason(error)}",
        expected="a complete file",
        fix="download the file again and compare its size or checksum with the published one",
    )


def _refuse_lfs_pointer(path: Path) -> None:
    with path.open("rb") as file:
        if file.read(40).startswith(b"version https://git-lfs"):
            raise CheckpointError(
                f"{path.name} is a Git LFS pointer, not the weights.",
                got=str(path),
                expected="the file that the pointer stands for",
                fix="run `git lfs pull` in that folder",
            )


# Whether it is whole


def _canonical(raw: Mapping[str, Tensor], config: GroupViTConfig, source: str) -> dict[str, Tensor]:
    with torch.device("meta"):
        expected = GroupViTModel(config).state_dict()
    _audit(raw, expected, source)
    state_dict = {
        name: (
            raw[name].to(torch.float32).contiguous()
            if like.is_floating_point()
            else raw.get(name, torch.zeros(like.shape)).to(like.dtype)
        )
        for name, like in expected.items()
    }
    broken = [name for name, value in state_dict.items() if not bool(torch.isfinite(value).all())]
    if broken:
        raise CheckpointError(
            f"{len(broken)} weights hold NaN or infinity.",
            got=f"{source}: {_some(broken)}",
            expected="finite numbers (within the range of float32)",
            fix="take an earlier checkpoint of that training run, or download the file again",
        )
    return state_dict


def _audit(raw: Mapping[str, Tensor], expected: Mapping[str, Tensor], source: str) -> None:
    missing = [name for name in expected if name not in raw and not name.endswith(_OPTIONAL_SUFFIX)]
    unexpected = [name for name in raw if name not in expected and name not in IGNORED_KEYS]
    misshapen = [
        f"{name} {list(raw[name].shape)} instead of {list(like.shape)}"
        for name, like in expected.items()
        if name in raw and raw[name].shape != like.shape
    ]
    not_floats = [
        f"{name} {raw[name].dtype}"
        for name, like in expected.items()
        if name in raw and like.is_floating_point() and not raw[name].is_floating_point()
    ]
    found = {
        "missing": missing,
        "unexpected": unexpected,
        "misshapen": misshapen,
        "not floating point": not_floats,
    }
    if any(found.values()):
        problems = [f"{len(names)} {kind}: {_some(names)}" for kind, names in found.items() if names]
        raise CheckpointError(
            "The weights are not those of the configured model.",
            got="\n    ".join([source, *problems]),
            expected=f"the {len(expected)} weights of the configuration, each of its shape",
            fix="use the config.json that was published with these weights",
        )


def _fingerprint(state_dict: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(state_dict):
        # The counters differ between files of one model, and no output depends on them.
        if name.endswith(_OPTIONAL_SUFFIX):
            continue
        value = state_dict[name]
        digest.update(f"{name} {list(value.shape)}\n".encode())
        digest.update(value.reshape(-1).numpy().astype("<f4", copy=False).tobytes())
    return digest.hexdigest()
