"""Target `litert`: an encoder as a .tflite file."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Final
from weakref import WeakKeyDictionary

import onnx
import torch
from torch import nn

from groupvit_export.graph import checks
from groupvit_export.graph.half_weights import W16
from groupvit_export.targets.base import BuildRequest, BuiltEngine
from groupvit_export.targets.litert.convert import Signature, convert
from groupvit_export.targets.litert.flatbuffer import Graph
from groupvit_export.targets.litert.layers import quantized_layers
from groupvit_export.targets.litert.options import LiteRTOptions
from groupvit_export.targets.litert.program import capture, fixed
from groupvit_export.targets.litert.quantize import QUANTIZER, byte_weights, half_weights
from groupvit_runtime.engines.litert import SIGNATURE
from groupvit_runtime.manifest import TensorInfo

TOOLS: Final = ("ai-edge-litert", "litert-converter", "litert-torch")
"""Distributions that have a part in a file."""

_FILES: Final = WeakKeyDictionary[nn.Module, dict[tuple[TensorInfo, ...], bytes]]()


def build(model: onnx.ModelProto, folder: Path, request: BuildRequest[LiteRTOptions]) -> BuiltEngine:
    """Write `ROLE.tflite`, converted from the module; the graph says what its inputs and outputs are.

    Raises:
        ExportError: PyTorch cannot capture the module, or the converter not convert it.
    """
    data, inputs, outputs = _converted(model, request)
    tools: tuple[str, ...] = TOOLS
    if request.precision == W16:
        data, tools = half_weights(data), (*TOOLS, QUANTIZER)
    elif request.precision == "int8":
        data, tools = byte_weights(data, quantized_layers(Graph(data), model)), (*TOOLS, QUANTIZER)
    name = f"{request.role}.tflite"
    (folder / name).write_bytes(data)
    return BuiltEngine(
        files=(name,),
        versions={"torch": torch.__version__, **{tool: version(tool) for tool in tools}},
        hardware="any CPU",
        inputs=inputs,
        outputs=outputs,
    )


def _converted(
    model: onnx.ModelProto, request: BuildRequest[LiteRTOptions]
) -> tuple[bytes, tuple[TensorInfo, ...], tuple[TensorInfo, ...]]:
    """The module in float32, and what it takes and gives.

    As long as the module lives its file is kept: int8 is tried with many choices of layers, and is float32
    with the weights of some of them in bytes.
    """
    sizes = (request.options.batch,) if request.role == "image" else (1, request.text_max_length)
    inputs = fixed(checks.tensor_infos(model.graph.input), *sizes)
    outputs = fixed(checks.tensor_infos(model.graph.output), *sizes)
    known = _FILES.setdefault(request.module, {})
    if inputs not in known:
        program = capture(request.module, inputs, [tensor.name for tensor in outputs])
        signature = Signature(SIGNATURE, program, [tensor.name for tensor in inputs])
        known[inputs] = convert([signature], keep_64_bits=True)
    return known[inputs], inputs, outputs
