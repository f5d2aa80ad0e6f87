"""What OpenVINO makes of a graph for bf16, on any processor."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnx
import openvino as ov

from groupvit_export.graph.grouping_attention_function import inlined
from groupvit_export.graph.naming import grouping_nodes
from groupvit_export.targets.openvino.engine import check_bf16, deciding_layers, layer_precisions
from groupvit_export.targets.openvino.float32 import deciding, mark, transpose_inside_products


def has_bf16() -> bool:
    """Whether OpenVINO takes the hint here; it emulates bf16 on a CPU with AVX-512 alone."""
    one = ov.opset13.parameter([1], np.float32)
    model = ov.Model([ov.opset13.relu(one)], [one])
    compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": ov.Type.bf16})
    return bool(compiled.get_property("INFERENCE_PRECISION_HINT") == ov.Type.bf16)


def marked(model: onnx.ModelProto) -> ov.Model:
    """As an export in bf16 writes an image graph, the grouping attention still one node a stage."""
    core = ov.Core()
    converted = core.read_model(inlined(model).SerializeToString())
    transpose_inside_products(converted)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "image.xml")
        ov.save_model(converted, path, compress_to_fp16=False)
        mark(path, deciding(converted, len(grouping_nodes(model))))
        # Held in memory: the folder goes.
        weights = np.frombuffer(path.with_suffix(".bin").read_bytes(), np.uint8)
        return core.read_model(path.read_text(), ov.Tensor(weights))


def missing_layers(model: onnx.ModelProto) -> set[str]:
    """Names that have to be float32 in bf16 and are no layer of what OpenVINO runs.

    Where the processor has bf16, the precisions themselves are checked too.

    Args:
        model: an image graph, the grouping attention still one node a stage.

    Raises:
        ExportError: a layer that decides is not float32.
    """
    stages = len(grouping_nodes(model))
    converted = marked(model)
    if has_bf16():
        check_bf16(converted, stages)
    # In float32, which every processor has.
    compiled = ov.Core().compile_model(converted, "CPU", {"INFERENCE_PRECISION_HINT": ov.Type.f32})
    return set(deciding_layers(converted, stages)) - layer_precisions(compiled).keys()
