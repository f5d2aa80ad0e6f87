"""The plain ONNX export of transformers' image path, as anybody would write it, in two runtimes."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.peers.hugging_face import HuggingFace, label_map
from benchmarks.peers.sides import ENGINE_OUTPUTS, LabelMap, Outputs, Side
from groupvit_runtime.without_telemetry import telemetry_off
from groupvit_runtime.without_telemetry.onnxruntime import onnxruntime
from groupvit_runtime.without_telemetry.openvino import openvino as ov

_Run = Callable[[NDArray[np.float32]], list[NDArray[np.float32]]]


def export_plain(hugging_face: HuggingFace, path: Path) -> Path:
    """Write the ONNX file, at batch 1: a fixed batch is to the peer's advantage."""
    pixels, _ = hugging_face.read()
    torch.onnx.export(
        hugging_face.path,
        (pixels,),
        str(path),
        input_names=["pixel_values"],
        output_names=list(ENGINE_OUTPUTS),
        dynamo=True,
        verbose=False,
    )
    return path


def in_onnxruntime(hugging_face: HuggingFace, path: Path, threads: int | None) -> Side:
    """ONNX Runtime on the CPU with its defaults."""
    start = time.perf_counter()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if threads is not None:
        options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    setup_s = time.perf_counter() - start

    def run(pixels: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        values: list[NDArray[np.float32]] = session.run(list(ENGINE_OUTPUTS), {"pixel_values": pixels})
        return values

    return _side(hugging_face, run, f"ONNX Runtime {onnxruntime.__version__}, float32", setup_s)


def in_openvino(
    hugging_face: HuggingFace, path: Path, threads: int | None, precision: str, quantize: bool = False
) -> Side:
    """OpenVINO on the CPU, for latency.

    Args:
        precision: "f32" or "bf16", as INFERENCE_PRECISION_HINT.
        quantize: to int8 by NNCF first, which has to be installed.

    Raises:
        RuntimeError: it computes in another precision than was asked for.
    """
    start = time.perf_counter()
    core = ov.Core()
    model = core.read_model(path)
    if quantize:
        model = _quantized(model, hugging_face)
    settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"}
    if threads is not None:
        settings["INFERENCE_NUM_THREADS"] = threads
    compiled = core.compile_model(model, "CPU", settings)
    setup_s = time.perf_counter() - start
    active = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
    if active != precision:
        raise RuntimeError(f"OpenVINO computes in {active} where {precision} was asked for")

    def run(pixels: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        result = compiled(pixels)
        return [result[name] for name in ENGINE_OUTPUTS]

    kind = f"int8 and {active}" if quantize else active
    return _side(hugging_face, run, f"OpenVINO {ov.__version__.split('-')[0]}, {kind}", setup_s)


def _quantized(model: Any, hugging_face: HuggingFace) -> Any:
    with telemetry_off("nncf"):
        import nncf  # type: ignore[import-not-found]  # optional

    data = nncf.Dataset([hugging_face.read()[0].numpy()])
    return nncf.quantize(model, data, model_type=nncf.ModelType.TRANSFORMER, subset_size=1)


def _side(hugging_face: HuggingFace, run: _Run, runs: str, setup_s: float) -> Side:
    texts, scale = hugging_face.text_embeds(), hugging_face.model.logit_scale.detach().exp()
    pixels = hugging_face.read()[0].numpy()

    @torch.inference_mode()
    def image() -> LabelMap:
        fresh, size = hugging_face.read()
        _, groups, masks = run(fresh.numpy())
        return label_map(torch.from_numpy(masks), torch.from_numpy(groups), texts, scale, size)

    def engine() -> object:
        return run(pixels)

    def outputs() -> Outputs:
        return dict(zip(ENGINE_OUTPUTS, run(pixels), strict=True))

    return Side(image, engine, outputs, runs, setup_s)
