"""The engines of a bundle as a backend."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from groupvit_export.verify.backends import Backend
from groupvit_export.verify.isolate import isolate
from groupvit_runtime.contract import IMAGE_INPUT, TEXT_INPUT, TEXT_OUTPUT
from groupvit_runtime.engines import EngineOptions, load_engine
from groupvit_runtime.manifest import EngineInfo


def load_backend(
    name: str,
    engines: Sequence[EngineInfo],
    root: Path,
    *,
    stages: int,
    scratch: Path,
    options: EngineOptions,
) -> Backend:
    """Load the image and the text engine, and cut the grouping attention out of the former.

    Args:
        name: of the column.
        engines: of a bundle, one a role.
        root: the bundle's folder.
        stages: how many grouping blocks there are.
        scratch: a folder for what is cut out; it must outlive the backend.
        options: how the engines are run.

    Raises:
        BundleError: a file is missing or was changed.
        EngineError: an engine cannot run here as asked.
    """
    infos = {engine.role: engine for engine in engines}
    image, text = (load_engine(infos[role], root, options) for role in ("image", "text"))
    return Backend(
        name=name,
        description=image.description,
        image=lambda pixel_values: image.run({IMAGE_INPUT: np.ascontiguousarray(pixel_values)}),
        text=lambda ids: text.run({TEXT_INPUT: np.ascontiguousarray(ids)})[TEXT_OUTPUT],
        grouping=isolate(infos["image"], root, stages, scratch, options),
    )
