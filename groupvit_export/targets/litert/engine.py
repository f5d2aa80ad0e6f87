"""Target `litert`: an encoder as a .tflite file."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Final

import onnx
import torch

from groupvit_export.graph import checks
from groupvit_export.targets.base import BuildRequest, BuiltEngine
from groupvit_export.targets.litert.convert import Signature, convert
from groupvit_export.targets.litert.options import LiteRTOptions
from groupvit_export.targets.litert.program import capture, fixed
from groupvit_runtime.engines.litert import SIGNATURE

TOOLS: Final = ("ai-edge-litert", "litert-converter", "litert-torch")
"""Distributions that have a part in a file."""


def build(model: onnx.ModelProto, folder: Path, request: BuildRequest[LiteRTOptions]) -> BuiltEngine:
    """Write `ROLE.tflite`, converted from the module; the graph says what its inputs and outputs are.

    Raises:
        ExportError: PyTorch cannot capture the module, or the converter not convert it.
    """
    sizes = (request.options.batch,) if request.role == "image" else (1, request.text_max_length)
    inputs = fixed(checks.tensor_infos(model.graph.input), *sizes)
    outputs = fixed(checks.tensor_infos(model.graph.output), *sizes)
    program = capture(request.module, inputs, [tensor.name for tensor in outputs])
    name = f"{request.role}.tflite"
    signature = Signature(SIGNATURE, program, [tensor.name for tensor in inputs])
    (folder / name).write_bytes(convert([signature], keep_64_bits=True))
    return BuiltEngine(
        files=(name,),
        versions={"torch": torch.__version__, **{tool: version(tool) for tool in TOOLS}},
        hardware="any CPU",
        inputs=inputs,
        outputs=outputs,
    )
