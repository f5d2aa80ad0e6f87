"""The grouping attention cut out of an engine's file, as an engine of its own.

Not built anew from a fresh graph: what is in the file is what is tested. The values around the op carry
fixed names (`groupvit_export.graph.naming`) that survive a conversion.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from groupvit_export.graph.naming import grouping_value
from groupvit_export.targets.inspection import Missing
from groupvit_export.targets.registry import target_of_engine
from groupvit_export.verification.backends import Grouping
from groupvit_export.verification.reference import Arrays
from groupvit_kernels.grouping_attention_contract import OUTPUTS
from groupvit_runtime.engines import Engine, EngineOptions, load_engine
from groupvit_runtime.manifest import EngineInfo


def isolate(
    info: EngineInfo, root: Path, stages: int, folder: Path, options: EngineOptions
) -> tuple[Grouping, ...] | Missing:
    """Cut the op of every stage out of the image engine.

    Args:
        info: of the image engine.
        root: the bundle's folder.
        stages: how many blocks there are.
        folder: where the small engines are written.
        options: how they are run.

    Returns:
        A function a stage, or why there is none.
    """
    target = target_of_engine(info.target)
    groupings = []
    for stage in range(1, stages + 1):
        own = target.cut_op(info, root, stage, folder)
        if isinstance(own, Missing):
            return own
        groupings.append(_grouping(load_engine(own, folder, options), stage))
    return tuple(groupings)


def _grouping(engine: Engine, stage: int) -> Grouping:
    def run(query: NDArray[np.float32], tokens: NDArray[np.float32], bias: NDArray[np.float32]) -> Arrays:
        given = {"query": query, "tokens": tokens, "bias": bias}
        outputs = engine.run({grouping_value(stage, name): array for name, array in given.items()})
        return {name: outputs[grouping_value(stage, name)] for name in OUTPUTS}

    return run
