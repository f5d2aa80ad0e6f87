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
    dtypes = {"index": "int64"}
    return replace(
        info,
        files=tuple(FileInfo.of(folder, name) for name in names),
        inputs=tuple(TensorInfo(grouping_value(stage, name), "float32", ()) for name in INPUTS),
        outputs=tuple(
            TensorInfo(grouping_value(stage, name), dtypes.get(name, "float32"), ()) for name in OUTPUTS
        ),
        source=None,
    )
