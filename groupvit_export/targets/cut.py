"""The record of a cut-out grouping attention."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from groupvit_export.graph.naming import grouping_value
from groupvit_kernels.grouping_attention_contract import INPUTS, OUTPUTS
from groupvit_runtime.manifest import EngineInfo, FileInfo, TensorInfo


def cut_info(info: EngineInfo, stage: int, folder: Path, names: tuple[str, ...]) -> EngineInfo:
    """Describe the grouping attention that was cut out of an engine.

    Args:
        info: of the image engine.
        stage: from 1.
        folder: that the small engine lies in.
        names: of its files, the one that the runtime opens first.
    """
    return replace(
        info,
        files=tuple(FileInfo.of(folder, name) for name in names),
        inputs=tuple(_tensor(stage, name) for name in INPUTS),
        outputs=tuple(_tensor(stage, name) for name in OUTPUTS),
        source=None,
    )


def _tensor(stage: int, name: str) -> TensorInfo:
    dtype = "int64" if name == "index" else "float32"
    rank = 2 if name in ("bias", "index", "count") else 3
    return TensorInfo(grouping_value(stage, name), dtype, (-1,) * rank)
