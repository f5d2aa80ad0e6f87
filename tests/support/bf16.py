"""What OpenVINO makes of a graph for bf16, on any processor."""

from __future__ import annotations

import numpy as np
import onnx
import openvino as ov

from groupvit_export.graph.grouping_attention_function import inlined
from groupvit_export.graph.matmul_to_mul_reduce import matmul_to_mul_reduce
from groupvit_export.graph.naming import grouping_nodes
from groupvit_export.targets.openvino.engine import check_bf16, deciding_layers, layer_precisions


def has_bf16() -> bool:
    """Whether OpenVINO takes the hint here; it emulates bf16 on a CPU with AVX-512 alone."""
    one = ov.opset13.parameter([1], np.float32)
    model = ov.Model([ov.opset13.relu(one)], [one])
    compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": ov.Type.bf16})
    return bool(compiled.get_property("INFERENCE_PRECISION_HINT") == ov.Type.bf16)


def missing_layers(model: onnx.ModelProto) -> set[str]:
    """Names that have to be float32 in bf16 and are no layer of what OpenVINO runs.

    Where the processor has bf16, the precisions themselves are checked too.

    Args:
        model: an image graph, the grouping attention still one node a stage.

    Raises:
        ExportError: a layer that decides is not float32.
    """
    stages = len(grouping_nodes(model))
    core = ov.Core()
    converted = core.read_model(matmul_to_mul_reduce(inlined(model)).SerializeToString())
    if has_bf16():
        check_bf16(converted, stages)
    # In float32, which every processor has.
    compiled = core.compile_model(converted, "CPU", {"INFERENCE_PRECISION_HINT": ov.Type.f32})
    return set(deciding_layers(converted, stages)) - layer_precisions(compiled).keys()
