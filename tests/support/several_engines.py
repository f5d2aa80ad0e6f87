"""Bundles with several image engines whose files are all the same graph: what is in the manifest decides."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from groupvit_runtime.manifest import MeasuredInfo, read_manifest


def with_alternatives(
    bundle: Path, folder: Path, *precisions: str, measured: MeasuredInfo | None = None
) -> Path:
    """A copy of a float32 bundle, at `folder`, that has its image engine under these names, too."""
    shutil.copytree(bundle, folder)
    manifest = read_manifest(folder)
    image, alternatives = manifest.engine("image"), []
    for precision in precisions:
        (folder / precision).mkdir()
        for file in image.files:
            shutil.copyfile(folder / file.path, folder / precision / file.path)
        files = tuple(replace(file, path=f"{precision}/{file.path}") for file in image.files)
        alternatives.append(replace(image, precision=precision, files=files))
    changed = replace(manifest, alternatives=tuple(alternatives), measured=measured)
    (folder / "manifest.json").write_text(changed.to_text(), encoding="utf-8")
    return folder
