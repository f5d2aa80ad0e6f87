"""Label maps that an engine decoded itself, against the runtime's decode of the same outputs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from groupvit_export.errors import GroupViTError
from groupvit_export.verification.backends import Backend
from groupvit_export.verification.cases import Case
from groupvit_export.verification.cells import count_cell
from groupvit_export.verification.checks.pixels import (
    LabelTally,
    LabelView,
    compare_labels,
    hf_grid_scores,
    hf_scores_at,
    hf_view,
)
from groupvit_export.verification.details import GraphLabels, Refusal
from groupvit_export.verification.report import Cell, broken
from groupvit_export.verification.rows import RowKey, RowKind
from groupvit_export.verification.specification import ClassPrompts, ReferenceContext
from groupvit_runtime.decode import hf_decode, hf_scores
from groupvit_runtime.resize import bilinear

_ROW = RowKey(RowKind.GRAPH_LABELS)
_CLASSES = 21


def graph_label_cells(
    backend: Backend, truth: ReferenceContext, case: Case, words: ClassPrompts | None
) -> dict[RowKey, Cell]:
    """The row of an engine that decodes; none of another.

    A pixel is safe where the two best scores of the engine's own outputs, in float64, lie further apart than
    what plain float32 may be off.

    Args:
        backend: what is judged.
        truth: the budgets and the size of the engine's images.
        case: a batch of images.
        words: the classes; None for random unit vectors.
    """
    if backend.decoded is None:
        return {}
    height, width = truth.subject.image_size
    # The engine's own size, a smaller one with odd sides, a larger one of another shape.
    sizes = ((height, width), (height // 3 + 1, width // 2 + 1), (height + 57, 2 * width + 3))
    try:
        classes = _random_classes(truth) if words is None else words.of(backend)
        tally = LabelTally(len(classes))
        for size in sizes:
            outputs, labels = backend.decoded(case.value, classes, size)
            for index in range(len(case.value)):
                masks, groups = (np.asarray(outputs[n][index], np.float32) for n in ("masks", "group_embeds"))
                ours = hf_decode(masks, groups, classes, truth.subject.image_size, size)
                scores = hf_grid_scores(outputs, index, classes)
                margin = hf_view(scores, truth.subject.image_size, size).margin
                plain = bilinear(bilinear(hf_scores(masks, groups, classes), truth.subject.image_size), size)
                noise = np.abs(plain - hf_scores_at(scores, truth.subject.image_size, size)).max()
                found = compare_labels(
                    labels[index],
                    LabelView(ours.astype(np.int64), margin),
                    truth.budgets.budget(float(noise)),
                    len(classes),
                )
                tally.add(f"{case.name}, {size[0]}x{size[1]}, image {index}", found)
    except GroupViTError as error:
        return {_ROW: broken(Refusal(str(error)))}
    detail = GraphLabels(tally.wrong, tally.pixels, tally.at_risk)
    return {_ROW: count_cell(tally.wrong_safe, tally.first, detail)}


def _random_classes(truth: ReferenceContext) -> NDArray[np.float32]:
    shape = (_CLASSES, truth.subject.model.config.projection_dim)
    vectors = np.random.default_rng(0).normal(size=shape)
    unit: NDArray[np.float32] = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit
