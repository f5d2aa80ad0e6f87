"""How many pixels change their class when one layer alone is quantized."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
import onnx
from numpy.typing import NDArray

from groupvit_export.metrics.decoding import RunImage
from groupvit_export.metrics.judge import LabelMaps, agreement
from groupvit_export.quantization.layers import QuantizedGraph
from groupvit_export.quantization.options import Feed
from groupvit_runtime.without_telemetry.onnxruntime import onnxruntime as ort

Segment = Callable[[RunImage], LabelMaps]


def sensitivities(
    graphs: QuantizedGraph, feed: Feed, segment: Segment, report: Callable[[float], None] = lambda share: None
) -> dict[str, float]:
    """Measure every layer; ONNX Runtime computes, whatever the target is.

    Which layer is how sensitive is a property of the ranges and weights, and not of who multiplies.

    Args:
        graphs: the layers.
        feed: makes the graphs' inputs of pixel_values.
        segment: images to label maps.
        report: told which share is done.

    Returns:
        Percent of the pixels, by name of a layer in the order of the graph.
    """
    plain = segment(run_unoptimized(graphs.plain, feed))
    found = {}
    for number, name in enumerate(graphs.layers, 1):
        maps = segment(run_unoptimized(graphs.choose([name]), feed))
        found[name] = 100 - agreement(maps, plain)
        report(number / len(graphs.layers))
    return found


def run_unoptimized(model: onnx.ModelProto, feed: Feed) -> RunImage:
    """The graph in ONNX Runtime as it stands, with the roundings that are written in it and no others."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    # A session lives for a few images: optimizing it would take longer than they do.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names: Final = [output.name for output in session.get_outputs()]

    def run(pixel_values: NDArray[np.float32]) -> Mapping[str, NDArray[np.generic]]:
        values = session.run(names, dict(feed(np.ascontiguousarray(pixel_values))))
        return dict(zip(names, values, strict=True))

    return run
