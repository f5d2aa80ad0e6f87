"""ONNX Runtime's session with the CUDA operator of kernels/cuda."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
from numpy.typing import NDArray

from benchmarks.gpu.cuda_kernels import OPERATOR
from groupvit_export.errors import EngineError
from groupvit_kernels.grouping_attention_contract import DOMAIN, OP_NAME
from groupvit_runtime.without_telemetry.onnxruntime import onnxruntime as ort

__all__ = ["OPERATOR", "session_with_operator"]


def session_with_operator(
    model: Path, outputs: Sequence[str]
) -> tuple[Callable[[Mapping[str, NDArray[Any]]], Mapping[str, NDArray[Any]]], int]:
    """What runs the model by the operator, and how many nodes of it the optimized graph has.

    Raises:
        EngineError: the library does not load, or CUDA's provider is not there.
    """
    options = ort.SessionOptions()
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory() as folder:
        options.optimized_model_filepath = str(Path(folder) / "optimized.onnx")
        try:
            options.register_custom_ops_library(str(OPERATOR))
            session = ort.InferenceSession(
                model, options, providers=[("CUDAExecutionProvider", {"use_tf32": "0"})]
            )
        except Exception as error:
            raise EngineError("ONNX Runtime cannot use the operator's library", got=str(error)) from error
        graph = onnx.load(options.optimized_model_filepath, load_external_data=False).graph
    if session.get_providers()[0] != "CUDAExecutionProvider":
        raise EngineError("ONNX Runtime did not take CUDA's provider", got=", ".join(session.get_providers()))
    nodes = sum((node.domain, node.op_type) == (DOMAIN, OP_NAME) for node in graph.node)

    def run(inputs: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        binding = session.io_binding()
        for name, array in inputs.items():
            binding.bind_ortvalue_input(name, ort.OrtValue.ortvalue_from_numpy(array, "cuda", 0))
        for name in outputs:
            binding.bind_output(name, "cuda", 0)
        session.run_with_iobinding(binding)
        return dict(zip(outputs, binding.copy_outputs_to_cpu(), strict=True))

    return run, nodes
