"""The engines of a bundle as a backend."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from groupvit_export.graph.pixel_inputs import pixels_of
from groupvit_export.targets.base import lead_engine
from groupvit_export.targets.registry import target_of_engine
from groupvit_export.verification.backends import Backend
from groupvit_export.verification.details import LoadedEngine
from groupvit_export.verification.isolate import isolate
from groupvit_export.verification.report import Column
from groupvit_export.verification.specification import VerificationSpec
from groupvit_runtime.contract import TEXT_INPUT, TEXT_OUTPUT
from groupvit_runtime.engines import Engine, EngineOptions, load_engine
from groupvit_runtime.image_engine import ImageEngine
from groupvit_runtime.manifest import EngineInfo, Role

_ROLES: Final[tuple[Role, ...]] = ("image", "text")


def load_backend(
    name: str,
    engines: Sequence[EngineInfo],
    root: Path,
    *,
    subject: VerificationSpec,
    scratch: Path,
    options: EngineOptions,
) -> Backend:
    """Load the image and the text engine, and cut the grouping attention out of the former.

    Engines of a GPU that is not here are replaced, and the backend says so.

    Args:
        name: of the column.
        engines: of a bundle, one a role.
        root: the bundle's folder.
        subject: what is verified, whose preprocessing is taken where the engine normalizes by itself.
        scratch: a folder for what is cut out; it must outlive the backend.
        options: how the engines are run.

    Raises:
        BundleError: a file is missing or was changed.
        EngineError: an engine cannot run here as asked.
    """
    infos = {engine.role: engine for engine in engines}
    lead = lead_engine(infos)
    substitute = target_of_engine(lead.target).substitute(infos, root, scratch, options)
    if substitute is not None:
        infos, root = dict(substitute.engines), substitute.root
    loaded, text = (load_engine(infos[role], root, options) for role in _ROLES)
    image = ImageEngine(infos["image"], loaded)
    spec = None if image.normalizes is None else getattr(subject.contracts, image.normalizes)

    def images(pixel_values: NDArray[np.float32]) -> NDArray[Any]:
        return np.ascontiguousarray(pixel_values) if spec is None else pixels_of(pixel_values, spec)

    return Backend(
        Column(
            name if substitute is None else f"{name} (stand-in)",
            LoadedEngine(image.description),
            lead.target,
            lead.precision,
            image.device,
            None if substitute is None else substitute.substitution,
        ),
        image=lambda pixel_values: image.run(images(pixel_values)),
        text=lambda ids: _encoded(text, ids, infos["text"].max_batch),
        grouping=isolate(infos["image"], root, subject.stages, scratch, options),
        normalizes=spec,
        decoded=(lambda values, classes, size: image.label(images(values), classes, size))
        if image.decodes
        else None,
        max_batch=infos["image"].max_batch,
    )


def _encoded(text: Engine, ids: NDArray[np.int64], max_batch: int | None) -> NDArray[Any]:
    size = max_batch or len(ids)
    parts = [np.ascontiguousarray(ids[start : start + size]) for start in range(0, len(ids), size)]
    return np.concatenate([text.run({TEXT_INPUT: part})[TEXT_OUTPUT] for part in parts])
