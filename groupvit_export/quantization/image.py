"""The image graph in int8: calibrate, rank the layers, give back, and say what was done."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

import numpy as np
import onnx
from numpy.typing import NDArray

from groupvit_export.errors import ExportError
from groupvit_export.graph.precision import TypedGraph, deciding_nodes
from groupvit_export.metrics.budget import LabelBudget
from groupvit_export.metrics.decoding import RunImage
from groupvit_export.metrics.judge import Judge, Quality
from groupvit_export.provenance import Calibration, QuantizationRecord, QuantizedLayer
from groupvit_export.quantization.calibrate import method, quantize
from groupvit_export.quantization.options import Feed
from groupvit_export.quantization.saturation import LARGEST_WEIGHT, layers_at_risk
from groupvit_export.quantization.search import find_fallback_layers
from groupvit_export.quantization.sensitivity import sensitivities
from groupvit_export.utf8 import utf8_text
from groupvit_runtime.instruction_sets import byte_products
from groupvit_runtime.manifest import QuantizationInfo
from groupvit_runtime.processor import processor_flags

FEW_IMAGES: Final = 8
"""Fewer for the ranges than this are worth a note (`docs/precision.md` has the measurement)."""

Precision = Literal["fp32", "int8"]

_RANKED_ON: Final = 4
_INPUTS: Final = 256


@dataclass(frozen=True, eq=False)
class QuantizedImage:
    """The outcome.

    Attributes:
        graph: the graph to build, and what stays in float32 in it.
        info: for the manifest.
        record: for the provenance.
        quality, fp32_quality: of the held-out label maps.
    """

    graph: TypedGraph
    info: QuantizationInfo
    record: QuantizationRecord
    quality: Quality
    fp32_quality: Quality


@dataclass(frozen=True, eq=False)
class QuantizationContext:
    """What quantizing needs beside the graph.

    Attributes:
        calibration: images that ranges are taken from, and that layers are ranked on.
        held_out: other images, which the budget is judged on.
        embeddings: float32 [K, P] of the judges' words.
        feed: makes the graph's inputs of pixel_values.
        build: a graph, its precision and an empty folder to an engine of the target, or what stands in for
            one.
        scratch: a folder for engines that are tried.
        symmetric: whether the target wants signed bytes, and zero in the middle of every range.
        weight_bits: of the target.
        own_method: how the target makes int8 of the layers that are chosen; None where the graph says it.
        on_cpu: whether a processor runs what `build` gives.
        substitute: what `build` gives in place of the target's own engines, and why; None where it gives
            those.
        note: told a line at a time what was tried.
        report: what goes on, the share done, seconds since it began.
    """

    calibration: Judge
    held_out: Judge
    embeddings: NDArray[np.float32]
    feed: Feed
    build: Callable[[onnx.ModelProto, Precision, Path], RunImage]
    scratch: Path
    symmetric: bool
    weight_bits: int
    own_method: str | None
    on_cpu: bool
    substitute: str | None
    note: Callable[[str], None]
    report: Callable[[str, float, float], None]


def quantize_image(
    model: onnx.ModelProto, budget: LabelBudget, context: QuantizationContext
) -> QuantizedImage:
    """Quantize what the budget allows.

    Args:
        model: captured in float32, the grouping attention still one node a stage.
        budget: what must hold on the held-out images.
        context: images, words and engines.

    Raises:
        MissingDependencyError: NNCF is not installed.
        ParityError: the budget cannot be met.
        ExportError: a step refused the graph.
    """
    _warn_of_few_images(context)
    kept = kept_in_float(model, weight_bits=context.weight_bits)
    graphs = quantize(
        model,
        _inputs(context.calibration),
        context.feed,
        kept,
        symmetric=context.symmetric,
        weight_bits=context.weight_bits,
        report=_since_now(context, "take ranges from images"),
    )
    ranked_on = _ranking(context.calibration)
    sensitivity = sensitivities(
        graphs,
        context.feed,
        lambda run: ranked_on.label_maps(run, context.embeddings),
        report=_since_now(context, "measure the sensitivity of layers"),
    )
    held_out = context.held_out
    fp32 = context.build(model, "fp32", _empty(context.scratch, "fp32"))
    truth = held_out.label_maps(fp32, context.embeddings)
    fp32_quality = held_out.compare(truth, truth)

    def judge(layers: Sequence[str]) -> Quality:
        folder = _empty(context.scratch, f"int8-{len(layers)}")
        run = context.build(graphs.choose(layers), "int8", folder)
        return held_out.compare(held_out.label_maps(run, context.embeddings), truth)

    choice = find_fallback_layers(sensitivity, judge, budget, fp32_quality, context.note)
    chosen = graphs.choose([name for name in graphs.layers if name not in choice.fallback_layers])
    info = QuantizationInfo(
        instruction_set=_judged_on(context), never_saturates=_never_saturates(chosen, context.weight_bits)
    )
    record = QuantizationRecord(
        method=_method(context),
        calibration=_calibration(context),
        budget=budget.limits,
        layers=tuple(
            QuantizedLayer(name, name not in choice.fallback_layers, sensitivity[name])
            for name in graphs.layers
        ),
    )
    return QuantizedImage(TypedGraph(chosen, kept), info, record, choice.quality, fp32_quality)


def _warn_of_few_images(context: QuantizationContext) -> None:
    count = len(context.calibration.judged.images)
    if count < FEW_IMAGES:
        context.note(
            f"note: ranges are taken from {count} images; with {FEW_IMAGES} or more "
            "they are steadier (as many again are held out)"
        )


def _never_saturates(graph: onnx.ModelProto, weight_bits: int) -> bool:
    """Whether no sum of two products can leave 16 bits.

    Raises:
        ExportError: one can although the weights are narrower than a byte, which is to prevent it.
    """
    at_risk = layers_at_risk(graph)
    if at_risk and weight_bits < 8:
        raise ExportError(
            "sums of products would saturate on processors without VNNI",
            got="; ".join(f"{name}: {why}" for name, why in at_risk.items()),
            expected=f"weights of at most {LARGEST_WEIGHT}",
            fix="install the versions of constraints.txt",
        )
    return not at_risk


def kept_in_float(model: onnx.ModelProto, *, weight_bits: int) -> dict[str, str]:
    """Why nodes are never quantized, by name: what decides, and what NNCF cannot or need not touch.

    Args:
        model: captured in float32.
        weight_bits: below 8, products of two activations are among them: no bound holds for those.
    """
    kept = deciding_nodes(model)
    weights = {tensor.name for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type != "MatMul":
            continue
        if node.input[0] in weights:
            kept.setdefault(node.name, "mixes a few tokens: too small to gain")
        elif weight_bits < 8 and node.input[1] not in weights:
            kept.setdefault(node.name, "multiplies two activations: nothing bounds the sum of a pair")
    return kept


def _inputs(judge: Judge) -> list[NDArray[np.float32]]:
    """What the engine is given for the images, one window each."""
    windows = [
        np.ascontiguousarray(window[None])
        for rgb in judge.judged.images.values()
        for window in judge.decoding.inputs(rgb)
    ]
    count = min(len(windows), _INPUTS)
    return [windows[index * len(windows) // count] for index in range(count)]


def _ranking(judge: Judge) -> Judge:
    names = list(judge.judged.images)
    count = min(len(names), _RANKED_ON)
    return replace(
        judge, judged=judge.judged.of([names[index * len(names) // count] for index in range(count)])
    )


def _calibration(context: QuantizationContext) -> Calibration:
    images, held_out = context.calibration.judged, context.held_out.judged
    return Calibration(
        source="bundled" if images.folder is None else "folder",
        folder=None if images.folder is None else utf8_text(str(images.folder)),
        has_masks=held_out.truth is not None,
        images=len(images.images),
        ranked=min(len(images.images), _RANKED_ON),
        held_out=len(held_out.images),
    )


def _judged_on(context: QuantizationContext) -> str | None:
    found = byte_products(processor_flags()) if context.on_cpu else None
    return None if found is None else found.flag


def _method(context: QuantizationContext) -> str:
    tried = "" if context.substitute is None else f". Layers were tried on a stand-in: {context.substitute}"
    made = method(symmetric=context.symmetric, weight_bits=context.weight_bits)
    if context.own_method is not None:
        made = f"{context.own_method}. Layers were ranked by {made}"
    return made + tried


def _since_now(context: QuantizationContext, what: str) -> Callable[[float], None]:
    start = time.perf_counter()
    return lambda share: context.report(what, share, time.perf_counter() - start)


def _empty(scratch: Path, name: str) -> Path:
    folder = scratch / name
    folder.mkdir()
    return folder
