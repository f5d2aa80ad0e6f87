"""Files that weights are stored in, read without executing anything from them.

Pickles are read with ``weights_only=True`` and nothing else.
"""

from __future__ import annotations

import json
import pickle
import re
import struct
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from groupvit_export.checkpoint.hdf5 import HDF5_ENDING, read_hdf5
from groupvit_export.errors import CheckpointError
from groupvit_runtime.files import utf8_path

SAFETENSORS: Final = ("model.safetensors", "model.safetensors.index.json")
PICKLES: Final = ("pytorch_model.bin", "pytorch_model.bin.index.json")
TENSORFLOW: Final = ("tf_model.h5", "tf_model.h5.index.json")
WEIGHT_ENDINGS: Final = (".safetensors", ".pth", ".pt", ".bin", ".ckpt", HDF5_ENDING)
OF_A_TOWER: Final = re.compile(r"(?:img_encoder|text_encoder|vision_model|text_model)\.")
"""In the names of a GroupViT's weights, NVlabs' and transformers'."""

_INDEX_ENDING: Final = ".index.json"
_LISTED: Final = 8

# All that torch's reader was seen to raise for damage: it goes through instructions without looking ahead.
_DAMAGED: Final = (
    OSError, EOFError, RuntimeError, ValueError, LookupError, AttributeError, TypeError, AssertionError,
    ArithmeticError, struct.error,
)  # fmt: skip


def weights_in(folder: Path) -> Path:
    """The file that a Hugging Face folder's weights start from: safetensors, PyTorch's, or TensorFlow's.

    Raises:
        CheckpointError: there is none.
    """
    names = (*SAFETENSORS, *PICKLES, *TENSORFLOW)
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise CheckpointError(
        "The folder has no weights.",
        got=listing(folder),
        expected=f"one of {', '.join(names)}",
        fix="download the weights too; for an NVlabs checkpoint, pass the path of the .pth file itself",
    )


def read_weights(path: Path) -> dict[str, Tensor]:
    """Every tensor of a weight file, or of all that an index names, as they are stored.

    Raises:
        CheckpointError: not a file of weights, damaged, cut off, or one that would have to be executed.
        MissingDependencyError: what reads such a file is not installed.
    """
    if path.name.endswith(_INDEX_ENDING):
        return _read_shards(path)
    if path.suffix not in WEIGHT_ENDINGS:
        raise CheckpointError(
            "The file is not one that weights are stored in.",
            got=str(path),
            expected=f"a folder, or a file ending in {', '.join(WEIGHT_ENDINGS)}",
            fix="pass the folder that holds config.json and the weights",
        )
    _refuse_lfs_pointer(path)
    if path.suffix == HDF5_ENDING:
        return _read_hdf5(path)
    return _read_safetensors(path) if path.suffix == ".safetensors" else _read_pickle(path)


def _read_shards(index: Path) -> dict[str, Tensor]:
    try:
        shards = sorted(set(json.loads(index.read_text(encoding="utf-8-sig"))["weight_map"].values()))
        # A name with a folder in it would let an index read files outside its own; and one may name itself.
        sound = bool(shards) and all(
            Path(name).name == name and not name.endswith(_INDEX_ENDING) for name in shards
        )
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise _unreadable(index, error) from error
    if not sound:
        raise _unreadable(index, "the weight map names no files of this folder")
    absent = [name for name in shards if not (index.parent / name).is_file()]
    if absent:
        raise CheckpointError(
            f"{len(absent)} of {len(shards)} weight files are absent.",
            got=f"no {some_names(absent)} in {index.parent}",
            expected=f"every file that {index.name} names",
            fix="download the folder again; an interrupted download leaves files out",
        )
    merged: dict[str, Tensor] = {}
    for name in shards:
        merged.update(read_weights(index.parent / name))
    return merged


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        with utf8_path(path) as name:
            loaded: dict[str, Tensor] = load_file(name)
    except (SafetensorError, OSError, ValueError, KeyError, RuntimeError) as error:
        raise _unreadable(path, error) from error
    return loaded


def _read_hdf5(path: Path) -> dict[str, Tensor]:
    try:
        return read_hdf5(path)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise _unreadable(path, error) from error


def _read_pickle(path: Path) -> dict[str, Tensor]:
    _refuse_bomb(path)
    try:
        with utf8_path(path) as name, warnings.catch_warnings():
            # It is read, or refused below in words of our own.
            warnings.filterwarnings("ignore", "Detected pickle protocol", UserWarning)
            loaded = torch.load(name, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if not _was_refused(error):
            raise _unreadable(path, error) from error
        raise CheckpointError(
            "The file holds Python objects besides weights, and loading those could run any code.",
            got=f"{path}: {_reason(error)}",
            expected="a file with tensors only (torch.load(..., weights_only=True))",
            fix="on a machine where you trust the file, save its weights alone, in Python:\n" + _recipe(path),
        ) from error
    except _DAMAGED as error:
        raise _unreadable(path, error) from error
    return _state_dict_of(loaded, path)


def _recipe(path: Path) -> str:
    """Python that runs wherever it is pasted: whole paths, no indentation."""
    source = path.expanduser().resolve()
    return (
        "import torch\n"
        f'c = torch.load({str(source)!r}, map_location="cpu", weights_only=False)\n'
        'w = c.get("model") or c.get("state_dict") or c\n'
        "w = {k: v for k, v in w.items() if isinstance(v, torch.Tensor)}\n"
        f'torch.save({{"model": w}}, {str(source.with_name(f"{source.stem}-weights.pth"))!r})'
    )


def _state_dict_of(loaded: Any, path: Path) -> dict[str, Tensor]:
    candidates = [loaded]
    if isinstance(loaded, Mapping):
        candidates = [loaded.get("model"), loaded.get("state_dict"), loaded]
    for candidate in candidates:
        if not isinstance(candidate, Mapping):
            continue
        tensors = {
            key: value.detach()
            for key, value in candidate.items()
            if isinstance(key, str) and isinstance(value, Tensor)
        }
        # A step or a date between the weights is none of them; whether all are there is asked later.
        if tensors and (len(tensors) == len(candidate) or any(map(OF_A_TOWER.search, tensors))):
            return tensors
    got = some_names([str(key) for key in loaded]) if isinstance(loaded, Mapping) else type(loaded).__name__
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


def _refuse_bomb(path: Path) -> None:
    """torch.save compresses nothing, and torch.load takes the memory that an archive's directory says."""
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
        # Older files are no archives; of damaged ones torch says what is wrong.
        return
    if unpacked > path.stat().st_size:
        raise _unreadable(path, f"its members are {unpacked:,} bytes, more than the file has")


def _refuse_lfs_pointer(path: Path) -> None:
    with path.open("rb") as file:
        if file.read(40).startswith(b"version https://git-lfs"):
            raise CheckpointError(
                f"{path.name} is a Git LFS pointer, not the weights.",
                got=str(path),
                expected="the file that the pointer stands for",
                fix="run `git lfs pull` in that folder",
            )


def without_prefix(weights: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], str]:
    """Leave out what wrappers put before every name: `module.` by DataParallel, `model.` by Lightning.

    Returns:
        The weights, and what was left out; empty where nothing was.

    Raises:
        CheckpointError: there are weights of several models.
    """
    found = {match.string[: match.start()] for match in map(OF_A_TOWER.search, weights) if match}
    if len(found) > 1:
        raise CheckpointError(
            "The file has the weights of several models, which differ in what their names begin with.",
            got=", ".join(repr(prefix) for prefix in sorted(found)),
            expected="those of one",
            fix="save one of them: torch.save({'model': {...}}, 'weights.pth') with the names of that one",
        )
    prefix = found.pop() if found else ""
    return {name.removeprefix(prefix): value for name, value in weights.items()}, prefix


def listing(folder: Path) -> str:
    """A folder and what is in it, for a message."""
    names = sorted(path.name for path in folder.iterdir())
    return f"{folder} with {some_names(names)}" if names else f"{folder}, which is empty"


def some_names(names: list[str]) -> str:
    """The first of many names, for a message."""
    more = f", and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more
