"""The arrays of an HDF5 file, read without following anything that leads out of it.

HDF5 can lead to other files (external links, external storage, virtual data sets), back to itself (soft
links, groups in themselves) and to more than it holds (chunks that are compressed or absent, data stored once
and named often). Weights need none of it: TensorFlow's are plain arrays in plain groups, and only those are
read.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from groupvit_export.errors import CheckpointError, MissingDependencyError
from groupvit_runtime.install_hint import install_hint

HDF5_ENDING: Final = ".h5"


def read_hdf5(path: Path) -> dict[str, Tensor]:
    """Every array of a file, under its groups' names and its own: ``"a/b/kernel:0"``.

    Raises:
        CheckpointError: it has something else than plain arrays of numbers in it.
        MissingDependencyError: h5py is not installed.
        OSError, RuntimeError, KeyError, ValueError, TypeError: it is damaged, cut off or of another format.
    """
    h5py = _h5py(path)
    available = path.stat().st_size
    arrays: dict[str, Tensor] = {}
    # The driver is given, or the file would choose it; and a lock needs a file system that has locks.
    with h5py.File(path, "r", driver="sec2", locking=False) as file:
        for name, dataset in _datasets(h5py, file.id, path):
            shape, dtype = _plain(h5py, dataset, name, path)
            available -= math.prod(shape) * dtype.itemsize
            if available < 0:
                raise _refusal(path, f"arrays of more bytes than the file has, up to {name}")
            array = np.empty(shape, dtype.newbyteorder("="))
            dataset.read(h5py.h5s.ALL, h5py.h5s.ALL, array)
            arrays[name] = torch.from_numpy(array)
    return arrays


def _h5py(path: Path) -> ModuleType:
    try:
        import h5py
    except ImportError as error:
        raise MissingDependencyError(
            f"{path.name} is an HDF5 file, as TensorFlow saves models; what reads those is not installed.",
            got=str(path),
            expected="the package h5py",
            fix=install_hint("export", "tf-checkpoint"),
        ) from error
    module: ModuleType = h5py
    return module


def _datasets(h5py: ModuleType, root: Any, path: Path) -> Iterator[tuple[str, Any]]:
    """The data sets under a group, each by a hard link from its own group: no name leads through another."""
    seen: set[int] = set()
    groups = [("", root)]
    while groups:
        prefix, group = groups.pop()
        for raw in list(group):
            name = prefix + raw.decode("utf-8", "backslashreplace")
            # A slash is no part of a name in sound files, and would be taken for a path.
            if not raw or b"/" in raw or raw in (b".", b".."):
                raise _refusal(path, f"{name!r}, which is no name")
            if group.links.get_info(raw).type != h5py.h5l.TYPE_HARD:
                raise _refusal(path, f"{name}, which is a link to another place or file")
            found = h5py.h5o.open(group, raw)
            address = h5py.h5o.get_info(found).addr
            if address in seen:
                raise _refusal(path, f"{name}, which is in it twice")
            seen.add(address)
            if isinstance(found, h5py.h5g.GroupID):
                groups.append((name + "/", found))
            elif isinstance(found, h5py.h5d.DatasetID):
                yield name, found
            else:
                raise _refusal(path, f"{name}, which is neither a group nor an array")


def _plain(h5py: ModuleType, dataset: Any, name: str, path: Path) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of an array of numbers whose bytes lie in the file one after the other."""
    # The layout first: the shape of a virtual data set is asked of the files that it is made of.
    created = dataset.get_create_plist()
    if created.get_layout() not in (h5py.h5d.CONTIGUOUS, h5py.h5d.COMPACT):
        raise _refusal(path, f"{name}, which is stored in chunks or virtually")
    if created.get_external_count() or created.get_nfilters():
        raise _refusal(path, f"{name}, which is stored in another file or filtered")
    shape, dtype = dataset.shape, dataset.dtype
    if shape is None or dtype.kind not in "fiu" or dtype.metadata:
        raise _refusal(path, f"{name} of {dtype}, which is no array of numbers")
    if dataset.get_storage_size() != math.prod(shape) * dtype.itemsize:
        raise _refusal(path, f"{name} {list(shape)}, whose values are not in it")
    return shape, dtype


def _refusal(path: Path, found: str) -> CheckpointError:
    return CheckpointError(
        f"{path.name} has something else in it than plain arrays of numbers.",
        got=f"{path} with {found}",
        expected="groups and arrays as TensorFlow saves weights: whole, uncompressed, in one file and once",
        fix="where you trust the file, load it with the transformers that wrote it, and save it again",
    )
