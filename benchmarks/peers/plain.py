"""The plain ONNX export of transformers' image path, as anybody would write it, in two runtimes."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.peers.hugging_face import HuggingFace, Reader, label_map
from benchmarks.peers.material import Material
from benchmarks.peers.sides import ENGINE_OUTPUTS, LabelMap, Outputs, Side
from groupvit_runtime.without_telemetry import telemetry_off
from groupvit_runtime.without_telemetry.onnxruntime import onnxruntime
from groupvit_runtime.without_telemetry.openvino import openvino as ov

_Run = Callable[[NDArray[np.float32]], list[NDArray[np.float32]]]


def export_plain(hugging_face: HuggingFace, image: Path, path: Path, dynamic: bool) -> None:
    """Write the ONNX file.

    Args:
        hugging_face: whose image path it is.
        image: any.
        path: to write.
        dynamic: whether the batch is; else it is 1.
    """
    pixels, _ = hugging_face.read(image)
    # A batch of one would be taken for a constant.
    example = torch.cat([pixels, pixels]) if dynamic else pixels
    torch.onnx.export(
        hugging_face.path,
        (example,),
        str(path),
        input_names=["pixel_values"],
        output_names=list(ENGINE_OUTPUTS),
        dynamic_shapes=({0: torch.export.Dim("batch", max=64)},) if dynamic else None,
        dynamo=True,
        external_data=False,
        verbose=False,
    )


def quantize_by_nncf(path: Path, images: list[NDArray[np.float32]], to: Path) -> None:
    """Post-training quantization with NNCF's settings for transformers; `to` is an OpenVINO model."""
    with telemetry_off("nncf"):
        import nncf  # type: ignore[import-not-found]  # optional

    model = ov.Core().read_model(path)
    quantized = nncf.quantize(model, nncf.Dataset(images), model_type=nncf.ModelType.TRANSFORMER)
    ov.save_model(quantized, to, compress_to_fp16=False)


def quantize_by_onnxruntime(path: Path, to: Path) -> None:
    """What ONNX Runtime recommends for transformers: weights in int8, activations when they are there."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(path, to, per_channel=True, weight_type=QuantType.QInt8)


def in_onnxruntime(material: Material, path: Path, threads: int | None, kind: str = "float32") -> Side:
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

    return _side(material, run, f"ONNX Runtime {onnxruntime.__version__}, {kind}", setup_s)


def in_openvino(
    material: Material, path: Path, threads: int | None, precision: str, int8: bool = False
) -> Side:
    """OpenVINO on the CPU, for latency.

    Args:
        material: image and text.
        path: an ONNX file, or OpenVINO's.
        threads: None for its own choice.
        precision: "f32" or "bf16", as INFERENCE_PRECISION_HINT.
        int8: whether the file has quantized products.

    Raises:
        RuntimeError: it computes in another precision than was asked for.
    """
    start = time.perf_counter()
    core = ov.Core()
    settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"}
    if threads is not None:
        settings["INFERENCE_NUM_THREADS"] = threads
    compiled = core.compile_model(core.read_model(path), "CPU", settings)
    setup_s = time.perf_counter() - start
    active = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
    if active != precision:
        raise RuntimeError(f"OpenVINO computes in {active} where {precision} was asked for")

    def run(pixels: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        result = compiled(pixels)
        return [result[name] for name in ENGINE_OUTPUTS]

    kind = f"int8 and {active}" if int8 else active
    shape = "x".join(str(side) for side in compiled.input(0).get_partial_shape())
    return _side(material, run, f"OpenVINO {ov.__version__.split('-')[0]}, {kind}, input {shape}", setup_s)


def _side(material: Material, run: _Run, runs: str, setup_s: float) -> Side:
    with np.load(material.texts) as stored:
        texts, scale = torch.from_numpy(stored["embeds"]), torch.from_numpy(stored["scale"])
    read, image = Reader(), material.image
    pixels = read(image)[0].numpy()

    @torch.inference_mode()
    def label(path: Path) -> LabelMap:
        fresh, size = read(path)
        _, groups, masks = run(fresh.numpy())
        return label_map(torch.from_numpy(masks), torch.from_numpy(groups), texts, scale, size)

    def outputs() -> Outputs:
        return dict(zip(ENGINE_OUTPUTS, run(pixels), strict=True))

    calls = {"image": lambda: label(image), "engine": lambda: run(pixels)}
    return Side(calls, label, outputs, runs, setup_s)
