"""A whole verification: every section on every backend, as one matrix."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from groupvit_export.verification.backends import Backend, checked, eager
from groupvit_export.verification.budgets import load_budgets
from groupvit_export.verification.cases import Case, edge_cases, image_cases, synthetic_cases, text_cases
from groupvit_export.verification.checks.graph_labels import graph_label_cells
from groupvit_export.verification.checks.labels import (
    LabeledImage,
    LabelNoise,
    hf_cells,
    label_noise,
    paper_cells,
)
from groupvit_export.verification.checks.operator import operator_cells
from groupvit_export.verification.checks.outputs import image_cells, run_cases
from groupvit_export.verification.checks.passes import pass_cells
from groupvit_export.verification.checks.stability import stability_cells
from groupvit_export.verification.checks.text import text_cells
from groupvit_export.verification.details import Note
from groupvit_export.verification.inputs import images_for_windows
from groupvit_export.verification.reference import Reference
from groupvit_export.verification.report import Cell, Report, Row, settled
from groupvit_export.verification.rows import RowKey, in_order
from groupvit_export.verification.specification import (
    ClassPrompts,
    ReferenceContext,
    VerificationSpec,
    measure_noise,
)
from groupvit_export.verification.workload import WITH_REFERENCE, ImageCounts, Workload, WorkReport, cost

Progress = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Plan:
    """What to run.

    Attributes:
        image, text: cases of the engines.
        batch: the case among `image` whose images are run again and one by one.
        images: uint8 [H, W, 3] by name, whose label maps are compared; none skips these rows.
        shapes: images of different shapes for the sliding windows.
        words: the classes of the label maps; None where `images` and `shapes` are empty.
    """

    image: list[Case]
    text: list[Case]
    batch: Case
    images: Mapping[str, NDArray[np.uint8]] = field(default_factory=dict)
    shapes: Mapping[str, NDArray[np.uint8]] = field(default_factory=dict)
    words: ClassPrompts | None = None


def synthetic_plan(subject: VerificationSpec, max_batch: int | None = None) -> Plan:
    """Made images, edge cases and text; no label maps. This is what an export in float32 runs.

    Args:
        subject: the truth.
        max_batch: the largest batch that the engines take; None where there is no limit.
    """
    size, spec = subject.image_size, subject.whole
    images = synthetic_cases(size, spec, max_batch)
    return Plan(
        image=[*images, *edge_cases(size, spec, max_batch)],
        text=text_cases(subject.model.config.text_config),
        batch=largest_batch(images),
    )


def label_plan(
    subject: VerificationSpec,
    words: ClassPrompts,
    images: Mapping[str, NDArray[np.uint8]],
    max_batch: int | None = None,
    limit: int | None = None,
) -> Plan:
    """The synthetic plan, and images whose label maps are compared.

    Args:
        subject: the truth.
        words: the classes.
        images: uint8 [H, W, 3] by name, of any sizes.
        max_batch: the largest batch that the engines take; None where there is no limit.
        limit: at most so many images of different shapes; None for all.
    """
    cases = image_cases(images, subject.image_size, subject.whole, max_batch=max_batch)
    synthetic = synthetic_plan(subject, max_batch)
    return replace(
        synthetic,
        image=[*cases, *synthetic.image],
        batch=largest_batch([*cases, synthetic.batch]),
        images=images,
        shapes=images_for_windows(subject.image_size[0], limit),
        words=words,
    )


def largest_batch(cases: Sequence[Case]) -> Case:
    """The case with the most images, the first on ties."""
    return max(cases, key=lambda case: len(case.value))


@dataclass(frozen=True, eq=False)
class Candidate:
    """A column.

    Attributes:
        backend: what computes.
        cells: of rows that were settled beforehand.
        shown: of how many images the label maps are kept for people.
        passes: graph passes that have their rows in this column.
    """

    backend: Backend
    cells: Mapping[RowKey, Cell] = field(default_factory=dict)
    shown: int = 0
    passes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Examination:
    """The matrix, and by column the label maps that are kept for people."""

    report: Report
    shown: Mapping[str, tuple[LabeledImage, ...]]


def examine(
    subject: VerificationSpec,
    candidates: Sequence[Candidate],
    plan: Plan,
    *,
    precision: str,
    bundle: str,
    checkpoint: str,
    notes: Sequence[Note] = (),
    progress: Progress = lambda line: None,
    report: WorkReport = lambda what, share, seconds: None,
    reference: Reference | None = None,
) -> Examination:
    """Run every backend on everything.

    Args:
        subject: the truth.
        candidates: what is judged, in the order of the columns.
        plan: what is run.
        precision: of the engines, which chooses the budgets.
        bundle, checkpoint: names for the report.
        notes: what the reader must know.
        progress: called with a line a step.
        report: told how far it is.
        reference: of another examination of the same model, which knows its images; None for a new one.
    """
    start = time.perf_counter()
    reference = reference or Reference(subject.model)
    counts = ImageCounts.of(plan.image, plan.batch, plan.images, plan.shapes, subject.paper)
    work = Workload(
        [counts.noise, *(counts.candidate(candidate.backend.column.precision) for candidate in candidates)],
        report,
    )
    yardstick = work.counted(eager(subject.model, precision), WITH_REFERENCE)
    progress(f"reference in float64, noise of PyTorch in {precision} ...")
    work.begin("reference in float64")
    budgets = load_budgets(precision)
    truth = ReferenceContext(
        subject, reference, budgets, measure_noise(yardstick, reference, plan.image, plan.text)
    )
    scores = (
        None if plan.words is None else label_noise(yardstick, truth, plan.words, plan.images, plan.shapes)
    )
    columns: dict[str, dict[RowKey, Cell]] = {}
    shown: dict[str, tuple[LabeledImage, ...]] = {}
    for candidate in candidates:
        name = candidate.backend.column.name
        progress(f"{name} ...")
        work.begin(name)
        counted = work.counted(candidate.backend, cost(candidate.backend.column.precision))
        cells, images = _column_cells(replace(candidate, backend=counted), plan, truth, yardstick, scores)
        columns[name] = {row: settled(row, cell, precision) for row, cell in cells.items()}
        if candidate.shown:
            shown[name] = tuple(images)
    rows = tuple(
        Row(key, MappingProxyType({c: cells[key] for c, cells in columns.items() if key in cells}))
        for key in in_order(dict.fromkeys(key for cells in columns.values() for key in cells))
    )
    found = Report(
        bundle=bundle,
        checkpoint=checkpoint,
        columns=tuple(candidate.backend.column for candidate in candidates),
        rows=rows,
        cases=tuple(case.name for case in (*plan.image, *plan.text)),
        notes=tuple(notes),
        seconds=time.perf_counter() - start,
    )
    return Examination(found, MappingProxyType(shown))


def _column_cells(
    candidate: Candidate, plan: Plan, truth: ReferenceContext, yardstick: Backend, scores: LabelNoise | None
) -> tuple[dict[RowKey, Cell], list[LabeledImage]]:
    """Every section on one backend, and the label maps that are kept for people."""
    backend = checked(candidate.backend, truth.reference)
    runs = run_cases(backend, plan.image)
    cells = {**candidate.cells, **pass_cells(truth, candidate.passes, plan.image[0])}
    cells |= image_cells(truth, runs)
    cells |= operator_cells(backend, truth, yardstick)
    cells |= text_cells(backend, truth, plan.text)
    cells |= graph_label_cells(backend, truth, plan.batch, plan.words)
    cells |= stability_cells(backend, truth, plan.batch, runs[plan.batch])
    if plan.words is None or scores is None:
        return cells, []
    found, images = hf_cells(backend, truth, scores, plan.words, plan.images, candidate.shown)
    cells |= found
    if plan.shapes:
        cells |= paper_cells(backend, truth, scores, plan.words, plan.shapes)
    return cells, images
