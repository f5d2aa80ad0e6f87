"""NNCF: quantize a whole graph once. The only module that imports it."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray

from groupvit_export.errors import ExportError, MissingDependencyError
from groupvit_export.graph.grouping_attention_function import inlined
from groupvit_export.quantization.layers import QuantizedGraph
from groupvit_export.quantization.options import Feed
from groupvit_export.quantization.signed import signed
from groupvit_runtime.install_hint import install_hint
from groupvit_runtime.without_telemetry import telemetry_off

_PASSES: Final = 2
"""How often NNCF reads the images: for smoothing, and for ranges."""


def method(*, symmetric: bool, weight_bits: int) -> str:
    """Tool, version and settings, for the manifest."""
    weights = "int8" if weight_bits == 8 else f"{weight_bits} bits of int8"
    return (
        f"NNCF {version('nncf')}: SmoothQuant, transformer mode; weights in {weights} per channel, "
        f"activations per tensor{', symmetric and signed' if symmetric else ''}"
    )


def quantize(
    model: onnx.ModelProto,
    inputs: Sequence[NDArray[np.float32]],
    feed: Feed,
    kept: Mapping[str, str],
    *,
    symmetric: bool,
    weight_bits: int,
    report: Callable[[float], None] = lambda share: None,
) -> QuantizedGraph:
    """Take ranges from `inputs` and quantize every layer that NNCF knows.

    Args:
        model: captured in float32, the grouping attention still one node a stage.
        inputs: pixel_values float32 [1, 3, H, W] each.
        feed: makes the graph's inputs of them.
        kept: nodes that stay in float32, by name.
        symmetric: whether zero is always the middle of a range and bytes are signed, which TensorRT demands.
        weight_bits: 8, or 7 for weights of at most 64 (see `groupvit_export.quantization.saturation`).
        report: told which share is done.

    Raises:
        MissingDependencyError: NNCF is not installed.
        ExportError: it refused the graph.
    """
    nncf = _import()
    flat = _named(inlined(model), model)
    names = {node.name for node in model.graph.node}
    ignored = [
        node.name
        for node in flat.graph.node
        if node.name in kept or node.name not in names  # the bodies of the grouping attention
    ]
    done = 0

    def counted(pixel_values: NDArray[np.float32]) -> dict[str, NDArray[np.generic]]:
        nonlocal done
        done += 1
        report(min(1.0, done / (_PASSES * len(inputs))))
        return dict(feed(pixel_values))

    # Left alone, it gives 7 bits to the first convolution only.
    overflow = None if weight_bits == 8 else nncf.OverflowFix.ENABLE
    preset = nncf.QuantizationPreset.PERFORMANCE if symmetric else nncf.QuantizationPreset.MIXED
    try:
        with _quiet():
            quantized = nncf.quantize(
                flat,
                nncf.Dataset(list(inputs), counted),
                preset=preset,
                model_type=nncf.ModelType.TRANSFORMER,
                subset_size=len(inputs),
                advanced_parameters=nncf.AdvancedQuantizationParameters(
                    overflow_fix=overflow,
                    # Of no use here (measured).
                    disable_bias_correction=True,
                ),
                # Not validated: it drops casts of float32 to float32 before it looks for the names.
                ignored_scope=nncf.IgnoredScope(names=ignored, validate=False),
            )
    except Exception as error:
        raise ExportError(
            "NNCF could not quantize the graph",
            got=f"{type(error).__name__}: {str(error).strip().splitlines()[0]}",
            fix="install the versions of constraints.txt",
        ) from error
    return QuantizedGraph.of(model, signed(quantized) if symmetric else quantized)


def _import() -> Any:
    try:
        # It imports these two by itself, the first only while it quantizes.
        import groupvit_runtime.without_telemetry.onnxruntime
        import groupvit_runtime.without_telemetry.openvino  # noqa: F401

        with telemetry_off("nncf"):
            import nncf
    except ImportError as error:
        raise MissingDependencyError(
            "int8 needs the package nncf",
            got=str(error),
            fix=install_hint("export"),
        ) from error
    return nncf


def _named(flat: onnx.ModelProto, model: onnx.ModelProto) -> onnx.ModelProto:
    """Names for the nodes that came out of function bodies, so that NNCF can be told to leave them alone."""
    named = onnx.ModelProto()
    named.CopyFrom(flat)
    for number, node in enumerate(named.graph.node):
        if not node.name:
            node.name = f"body_{number}_{node.op_type}"
    return named


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep NNCF's bars and remarks off the terminal."""
    logger = logging.getLogger("nncf")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)
