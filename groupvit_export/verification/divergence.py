"""Where the columns that failed first go wrong inside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from groupvit_export.graph.capture import capture_image_encoder
from groupvit_export.graph.decode import attach_decode
from groupvit_export.graph.encoders import ImageEncoder
from groupvit_export.graph.passes import apply_passes
from groupvit_export.graph.pixel_inputs import pixels_of
from groupvit_export.verification.bisect import FirstDivergence, bisect
from groupvit_export.verification.candidate_engines import CandidateEngines
from groupvit_export.verification.examine import Plan
from groupvit_export.verification.report import Report
from groupvit_export.verification.specification import VerificationSpec
from groupvit_runtime.contract import CLASSES_INPUT, IMAGE_INPUT, LABELS_OUTPUT, PIXELS_INPUT, SIZE_INPUT
from groupvit_runtime.manifest import EngineInfo

Progress = Callable[[str], None]


def first_divergences(
    report: Report,
    columns: Mapping[str, CandidateEngines],
    subject: VerificationSpec,
    plan: Plan,
    progress: Progress,
) -> dict[str, FirstDivergence | None]:
    """Bisect every column that failed.

    Returns:
        By column the first node that leaves its budget; None where every value is within it.
    """
    failed = [name for name in columns if report.column_verdict(name) == "FAIL"]
    if not failed:
        return {}
    progress("capture the graph afresh, to look for the first node ...")
    clean: dict[object, onnx.ModelProto] = {}
    divergences: dict[str, FirstDivergence | None] = {}
    for name in failed:
        place = next(finding.cell.place for finding in report.findings if finding.column == name)
        case = next((c for c in plan.image if place and c.name == place.case), plan.image[0])
        image = place.index[0] if place and place.index and place.index[0] < len(case.value) else 0
        column = columns[name]
        engine = column.engine("image")
        key = (engine.normalizes, tuple(tensor.name for tensor in engine.inputs), column.passes)
        if key not in clean:
            clean[key] = _clean_graph(subject, engine, column.passes)
        progress(f"bisect {name} ...")
        divergences[name] = bisect(
            clean[key],
            engine.target,
            engine.files[0].locate(column.root),
            _feeds(subject, engine, case.value[image : image + 1]),
        )
    return divergences


def _clean_graph(subject: VerificationSpec, engine: EngineInfo, passes: Sequence[str]) -> onnx.ModelProto:
    """The graph of an engine with these inputs, from the checkpoint."""
    spec = None if engine.normalizes is None else getattr(subject.contracts, engine.normalizes)
    encoder = ImageEncoder(subject.model, subject.image_size, spec)
    apply_passes(encoder, passes)
    graph = capture_image_encoder(encoder)
    if _decodes(engine):
        attach_decode(graph, subject.image_size, subject.model.config.projection_dim)
    return graph


def _feeds(
    subject: VerificationSpec, engine: EngineInfo, pixel_values: NDArray[np.float32]
) -> dict[str, NDArray[Any]]:
    feeds: dict[str, NDArray[Any]] = {IMAGE_INPUT: np.ascontiguousarray(pixel_values)}
    if engine.normalizes is not None:
        feeds = {PIXELS_INPUT: pixels_of(pixel_values, getattr(subject.contracts, engine.normalizes))}
    if _decodes(engine):
        width = subject.model.config.projection_dim
        # The first axes as classes: what is decoded is of no interest where an output is off before.
        feeds[CLASSES_INPUT] = np.eye(min(width, 8), width, dtype=np.float32)
        feeds[SIZE_INPUT] = np.array(subject.image_size, np.int64)
    return feeds


def _decodes(engine: EngineInfo) -> bool:
    return any(tensor.name == LABELS_OUTPUT for tensor in engine.outputs)
