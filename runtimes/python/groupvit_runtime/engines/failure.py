"""Errors of inference engines in the words of this package."""

from __future__ import annotations

import re

from groupvit_runtime.engines import Tensors
from groupvit_runtime.errors import EngineError
from groupvit_runtime.manifest import EngineInfo

_LONGEST = 300


def load_failed(runtime: str, info: EngineInfo, error: Exception, fix: str) -> EngineError:
    """The runtime (name and version) refused the engine's file."""
    return EngineError(
        f"{runtime} refused the engine",
        got=one_line(error),
        expected=f"a file exported with {', '.join(f'{name} {v}' for name, v in info.versions.items())}",
        fix=fix,
    )


def run_failed(runtime: str, info: EngineInfo, inputs: Tensors, error: Exception) -> EngineError:
    """The runtime could not execute the engine on these inputs."""
    given = {name: (array.dtype.name, array.shape) for name, array in inputs.items()}
    return EngineError(
        f"{runtime} could not run the engine",
        got=f"{given}: {one_line(error)}",
        expected={tensor.name: (tensor.dtype, tensor.shape) for tensor in info.inputs},
    )


def one_line(error: Exception | str) -> str:
    """The message of a foreign library, short and on one line."""
    return re.sub(r"\s+", " ", str(error))[:_LONGEST]
