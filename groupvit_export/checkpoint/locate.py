"""Where a checkpoint lies: a path, or a repository of the Hugging Face hub, which is then downloaded."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from groupvit_export.checkpoint.image_processor import IMAGE_PROCESSOR_FILES
from groupvit_export.checkpoint.weight_files import PICKLES, SAFETENSORS, TENSORFLOW, WEIGHT_ENDINGS
from groupvit_export.errors import CheckpointError, MissingDependencyError
from groupvit_runtime.install_hint import install_hint

HUB_ID: Final = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_HUB_ALWAYS: Final = (
    "config.json",
    *IMAGE_PROCESSOR_FILES,
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.json",
    "merges.txt",
    *SAFETENSORS,
    "model-*.safetensors",
)
_HUB_OTHERS: Final = (
    (PICKLES, (*PICKLES, "pytorch_model-*.bin")),
    (TENSORFLOW, (*TENSORFLOW, "tf_model-*.h5")),
)
"""Files that weights start from and all that they are in, fetched in turn while there are none."""


def locate(
    source: str | Path, revision: str | None, cache_dir: str | Path | None, local_files_only: bool
) -> tuple[Path, str]:
    """Where `source` is on this machine, and what to call it, a hub id with its commit.

    Raises:
        CheckpointError: nothing is there, or it could not be downloaded.
        MissingDependencyError: the hub's client is not installed.
    """
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
    if not HUB_ID.fullmatch(name) or name.endswith(WEIGHT_ENDINGS):
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
        had = SAFETENSORS
        for names, patterns in _HUB_OTHERS:
            # Only now, so that a repository with several is not downloaded several times over.
            if not any((folder / name).is_file() for name in had):
                folder, had = fetch((*_HUB_ALWAYS, *patterns)), names
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
