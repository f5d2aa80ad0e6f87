"""Damaged checkpoints, for as long as is asked: each is loaded, or refused by a `CheckpointError`.

python tests/soak/checkpoints.py SECONDS [--seed N] [--keep FOLDER] [KIND ...]

Every one is read in a process of its own, with little memory, because some readers are C.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import shutil
import sys
import tempfile
import time
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random
from types import MappingProxyType
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
_STORED: Final = ROOT / "tests" / "data" / "tf-checkpoint"

MOST_SECONDS: Final = 5
MOST_BYTES: Final = 2 << 30
_OUTCOMES: Final = ("loaded", "refused", "no memory", "another error", "takes too long")
_FINE: Final = ("loaded", "refused")
_JSON_VALUES: Final[tuple[Any, ...]] = (
    None, True, -1, 0, 1, 1 << 20, 1 << 62, 0.5, 1e308, "", "x", "..",
    "model.safetensors.index.json", [], {}, [0],
)  # fmt: skip
_NESTED: Final = b"[" * 100_000


def damaged(data: bytes, draw: Random, places: Sequence[int] | None = None) -> bytes:
    """Some bytes changed, moved or taken away; `places` are those that tell a reader what to do."""
    changed = bytearray(data)
    for _ in range(draw.choice([1, 1, 2, 4, 16])):
        at, other = (draw.choice(places) if places else draw.randrange(len(data)) for _ in range(2))
        length = draw.choice([1, 1, 2, 4, 8])
        match draw.randrange(5):
            case 0:
                changed[at] = draw.randrange(256)
            case 1:
                changed[at] ^= 1 << draw.randrange(8)
            case 2:
                changed[at : at + length] = bytes([draw.choice([0, 1, 0x7F, 0x80, 0xFF])]) * length
            case 3:
                changed[at : at + length] = data[other : other + length]
            case _:
                changed[at:at] = data[other : other + length]
        del changed[max(len(data), 1) + 64 :]
    return bytes(changed[: draw.randrange(len(changed))] if draw.random() < 0.05 else changed)


def changed_json(data: bytes, draw: Random) -> bytes:
    """Values replaced, or the text damaged."""
    if draw.random() < 0.3:
        return _NESTED if draw.random() < 0.1 else damaged(data, draw)
    value = json.loads(data)
    for _ in range(draw.choice([1, 1, 3])):
        table = value
        while True:
            keys = sorted(table) if isinstance(table, dict) else list(range(len(table)))
            if not keys:
                break
            key = draw.choice(keys)
            inner = table[key]
            if isinstance(inner, (dict, list)) and inner and draw.random() < 0.8:
                table = inner
                continue
            table[key] = draw.choice(_JSON_VALUES)
            break
    return json.dumps(value).encode()


def _seeds(folder: Path) -> Mapping[str, Callable[[Random], None]]:
    """Checkpoints in `folder`, and how each is damaged in place."""
    import h5py
    import torch
    from safetensors.torch import save_file

    from groupvit_export.checkpoint.weight_files import read_weights
    from groupvit_export.data.bundled import DEMO_CHECKPOINT

    weights = {
        name: tensor.contiguous() for name, tensor in read_weights(_STORED / "h5" / "tf_model.h5").items()
    }
    for kind in ("safetensors", "index", "config", "preprocessor", "pickle", "old-pickle", "hdf5"):
        (folder / kind).mkdir()
        shutil.copy(_STORED / "h5" / "config.json", folder / kind)
    shutil.copy(_STORED / "h5" / "tf_model.h5", folder / "hdf5")
    config = (_STORED / "h5" / "config.json").read_bytes()
    for kind in ("safetensors", "index", "config"):
        save_file(weights, folder / kind / ("w.safetensors" if kind == "index" else "model.safetensors"))
    shutil.copytree(DEMO_CHECKPOINT, folder / "preprocessor", dirs_exist_ok=True)
    stored = (folder / "safetensors" / "model.safetensors").read_bytes()
    head = range(8 + int.from_bytes(stored[:8], "little"))
    index = json.dumps({"weight_map": dict.fromkeys(weights, "w.safetensors"), "metadata": {}}).encode()
    preprocessor = (folder / "preprocessor" / "preprocessor_config.json").read_bytes()
    torch.save({"model": weights}, folder / "pickle" / "pytorch_model.bin")
    with zipfile.ZipFile(folder / "pickle" / "pytorch_model.bin") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    instructions = next(name for name in members if name.endswith("data.pkl"))
    torch.save(
        {"model": weights}, folder / "old-pickle" / "pytorch_model.bin", _use_new_zipfile_serialization=False
    )
    old = (folder / "old-pickle" / "pytorch_model.bin").read_bytes()
    hdf5 = (_STORED / "h5" / "tf_model.h5").read_bytes()
    with h5py.File(_STORED / "h5" / "tf_model.h5") as file:
        spans: list[tuple[int, int]] = []
        file.visititems(
            lambda _, found: (
                spans.append((found.id.get_offset(), found.id.get_storage_size()))
                if isinstance(found, h5py.Dataset) and found.id.get_offset() is not None
                else None
            )
        )
    free = bytearray(len(hdf5))
    for start, size in spans:
        free[start : start + size] = b"\1" * size
    structure = [place for place, used in enumerate(free) if not used]

    def write(kind: str, name: str, make: Callable[[Random], bytes]) -> Callable[[Random], None]:
        def once(draw: Random) -> None:
            (folder / kind / name).write_bytes(make(draw))

        return once

    def archive_of(draw: Random) -> bytes:
        out = io.BytesIO()
        method = draw.choice([zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
        with zipfile.ZipFile(out, "w", method) as archive:
            for name, data in members.items():
                if draw.random() > 0.02:
                    archive.writestr(name, damaged(data, draw) if name == instructions else data)
        return out.getvalue() if draw.random() < 0.7 else damaged(out.getvalue(), draw)

    return MappingProxyType(
        {
            "safetensors": write(
                "safetensors", "model.safetensors", lambda draw: damaged(stored, draw, head)
            ),
            "index": write("index", "model.safetensors.index.json", lambda draw: changed_json(index, draw)),
            "config": write("config", "config.json", lambda draw: changed_json(config, draw)),
            "preprocessor": write(
                "preprocessor", "preprocessor_config.json", lambda draw: changed_json(preprocessor, draw)
            ),
            "pickle": write("pickle", "pytorch_model.bin", archive_of),
            "old-pickle": write(
                "old-pickle", "pytorch_model.bin", lambda draw: damaged(old, draw, range(len(old) // 8))
            ),
            "hdf5": write("hdf5", "tf_model.h5", lambda draw: damaged(hdf5, draw, structure)),
        }
    )


def _outcome(folder: Path) -> int:
    from groupvit_export.checkpoint.load import load_checkpoint
    from groupvit_export.checkpoint.preprocessor import read_preprocessing
    from groupvit_export.errors import CheckpointError

    start = time.process_time()
    try:
        load_checkpoint(str(folder))
        read_preprocessing(folder, (32, 32))
        found = 0
    except CheckpointError:
        found = 1
    except MemoryError:
        found = 2
    except BaseException:  # noqa: BLE001 - whatever it is is what is looked for
        traceback.print_exc()
        found = 3
    return 4 if time.process_time() - start > MOST_SECONDS else found


def _in_a_process(folder: Path) -> str:
    child = os.fork()
    if child == 0:
        size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + MOST_BYTES,) * 2)
        resource.setrlimit(resource.RLIMIT_CPU, (4 * MOST_SECONDS,) * 2)
        os._exit(_outcome(folder))
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return f"ends the process ({os.WTERMSIG(status)})"
    return _OUTCOMES[os.WEXITSTATUS(status)]


def run(
    seconds: float,
    *,
    seed: int = 0,
    keep: Path | None = None,
    most: int | None = None,
    only: Sequence[str] = (),
) -> dict[str, int]:
    """Fuzz.

    Args:
        seconds: for how long.
        seed: of the damage.
        keep: a folder for what was neither loaded nor refused.
        most: inputs; None for as many as the time allows.
        only: kinds of checkpoints; none for all.

    Returns:
        How many inputs there were, by kind and by what came of them, and ``failures``.
    """
    draw = Random(seed)
    counts: Counter[str] = Counter(inputs=0, failures=0)
    with tempfile.TemporaryDirectory() as name:
        seeds = _seeds(Path(name))
        kinds = only or sorted(seeds)
        # What is imported only once is imported here.
        _outcome(Path(name) / "hdf5")
        end = time.monotonic() + seconds
        while time.monotonic() < end and counts["inputs"] != most:
            kind = kinds[counts["inputs"] % len(kinds)]
            seeds[kind](draw)
            found = _in_a_process(Path(name) / kind)
            counts.update(["inputs", f"{kind}: {found}"])
            if found not in _FINE:
                counts["failures"] += 1
                if keep is not None:
                    shutil.copytree(
                        Path(name) / kind, keep / f"{kind}-{seed}-{counts['inputs']}", dirs_exist_ok=True
                    )
    return dict(counts)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("seconds", type=float)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("kind", nargs="*")
    given = parser.parse_args()
    counts = run(given.seconds, seed=given.seed, keep=given.keep, only=given.kind)
    print(json.dumps(counts, indent=1, sort_keys=True))
    sys.exit(counts["failures"] > 0)


if __name__ == "__main__":
    main()
