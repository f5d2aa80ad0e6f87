"""Label maps of a backend against the reference's, by both decodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from groupvit_export.errors import GroupViTError
from groupvit_export.plural import counted
from groupvit_export.verification.backends import Backend, in_batches
from groupvit_export.verification.cells import count_cell, information, risk_cell
from groupvit_export.verification.checks.pixels import (
    LabelTally,
    LabelView,
    PaperBudgets,
    compare_labels,
    hf_grid_scores,
    hf_view,
    paper_tables,
    paper_view,
)
from groupvit_export.verification.details import Counted, Refusal, Remark
from groupvit_export.verification.reference import Arrays, assignments, decided_alike
from groupvit_export.verification.report import Cell, broken, not_run
from groupvit_export.verification.rows import RowKey, RowKind
from groupvit_export.verification.specification import ClassPrompts, ReferenceContext, VerificationSpec
from groupvit_runtime.contract import PaperDecode
from groupvit_runtime.decode import hf_decode
from groupvit_runtime.paper import paper_decode
from groupvit_runtime.preprocess import prepare_whole, prepare_windows
from groupvit_runtime.windows import WindowPlan, plan_windows

Images = Mapping[str, NDArray[np.uint8]]
Cells = dict[RowKey, Cell]

_BATCH: Final = 8

SHOWN: Final = 12
"""Images a column whose label maps a report shows."""


@dataclass(frozen=True)
class LabelNoise:
    """What eager PyTorch is off in label maps, and in what they are made of.

    Attributes:
        score, paper: errors, of which the budgets of scores come.
        shares: by decode, share of pixels with another class than the free reference's; empty where no
            criterion asks for it.
    """

    score: float
    paper: PaperBudgets
    shares: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class LabeledImage:
    """A candidate's and the reference's label map of one image, for people.

    Attributes:
        name: of the image.
        rgb: uint8 [H, W, 3].
        labels: uint16 [H, W], the candidate's.
        reference: uint16 [H, W], of the reference left to itself: replayed it would repeat the candidate's
            wrong decisions.
        margin: float32 [H, W], of the reference's two best scores.
        at_risk: bool [H, W], where the margin is at most twice the budget.
        names: class names.
    """

    name: str
    rgb: NDArray[np.uint8]
    labels: NDArray[np.uint16]
    reference: NDArray[np.uint16]
    margin: NDArray[np.float32]
    at_risk: NDArray[np.bool_]
    names: tuple[str, ...]

    @property
    def interest(self) -> tuple[int, int]:
        """Pixels that differ, then pixels at risk: what people should see first."""
        return int((self.labels != self.reference).sum()), int(self.at_risk.sum())


def label_noise(
    eager: Backend, truth: ReferenceContext, words: ClassPrompts, images: Images, shapes: Images
) -> LabelNoise:
    """How far eager PyTorch is from float64.

    Args:
        eager: the reference model in the precision under test.
        truth: the reference in float64.
        words: the classes.
        images, shapes: what the `hf` and the `paper` decode will be compared on; scores are taken of both.
    """
    score = _score_noise(eager, truth, words, {**images, **shapes})
    paper = _paper_noise(eager, truth, words, {**images, **shapes})
    noise = LabelNoise(score, paper)
    if truth.budgets.labels is None:
        return noise
    shares = {"hf": _compare_hf(eager, truth, noise, words, images, keep=0).free.share}
    if truth.subject.paper is not None and shapes:
        shares["paper"] = _compare_paper(eager, truth, truth.subject.paper, noise, words, shapes).free.share
    return replace(noise, shares=shares)


def _score_noise(eager: Backend, truth: ReferenceContext, words: ClassPrompts, images: Images) -> float:
    own, true = words.of(eager), words.true(truth.reference)
    score = 0.0
    for _, value in _batches(truth.subject, images, eager.max_batch):
        outputs = eager.image(value)
        replay = truth.reference.replay(value, assignments(outputs))
        for index in range(len(value)):
            found, expected = hf_grid_scores(outputs, index, own), hf_grid_scores(replay, index, true)
            score = max(score, float(np.abs(found - expected).max()))
    return score


def _paper_noise(
    eager: Backend, truth: ReferenceContext, words: ClassPrompts, images: Images
) -> PaperBudgets:
    subject = truth.subject
    if subject.paper is None:
        return PaperBudgets(0.0, 0.0, 0.0)
    own, true = words.of(eager), words.true(truth.reference)
    mask = affinity = relevance = 0.0
    for rgb in images.values():
        _, value = _windows(subject, subject.paper, rgb)
        outputs = eager.image(value)
        replay = truth.reference.replay(value, assignments(outputs))
        mask = max(mask, float(np.abs(outputs["masks"] - replay["masks"]).max()))
        ours = paper_tables(outputs, own, subject.logit_scale, subject.paper)
        theirs = paper_tables(replay, true, subject.logit_scale, subject.paper)
        differences = [float(np.abs(a - b).max()) for a, b in zip(ours, theirs, strict=True)]
        relevance, affinity = max(relevance, differences[0]), max(affinity, differences[1])
    # A score is a product of two softmaxes, each of which may be off.
    return PaperBudgets(mask, 2 * affinity, relevance)


@dataclass
class _Compared:
    """Label maps against the reference replayed with the backend's assignments, and left to itself."""

    replayed: LabelTally
    free: LabelTally
    shown: list[LabeledImage]

    @staticmethod
    def of(words: ClassPrompts) -> _Compared:
        return _Compared(LabelTally(len(words.names)), LabelTally(len(words.names)), [])


def hf_cells(
    backend: Backend,
    truth: ReferenceContext,
    noise: LabelNoise,
    words: ClassPrompts,
    images: Images,
    keep: int,
) -> tuple[Cells, list[LabeledImage]]:
    """The `hf` decode of every image, and the `keep` most interesting label maps.

    The reference is replayed with the backend's assignments; beside it stands, for information, how much
    the labels agree with the reference left to itself.
    """
    if not backend.takes(truth.subject.contracts.hf):
        return _named("hf", not_run(Remark.NORMALIZES_AS_PAPER)), []
    try:
        found = _compare_hf(backend, truth, noise, words, images, keep)
    except GroupViTError as error:
        return _named("hf", broken(Refusal(str(error)))), []
    return _tally_cells("hf", found, truth, noise), found.shown


def _compare_hf(
    backend: Backend,
    truth: ReferenceContext,
    noise: LabelNoise,
    words: ClassPrompts,
    images: Images,
    keep: int,
) -> _Compared:
    subject, reference = truth.subject, truth.reference
    budget = truth.budgets.budget(noise.score)
    found = _Compared.of(words)
    own, true = words.of(backend), words.true(reference)
    for names, value in _batches(subject, images, backend.max_batch):
        outputs = _float32(backend.image(value))
        replay = reference.replay(value, assignments(outputs))
        alone = reference.free(value)
        for index, name in enumerate(names):
            size = (images[name].shape[0], images[name].shape[1])
            labels = hf_decode(
                outputs["masks"][index], outputs["group_embeds"][index], own, subject.image_size, size
            )
            view = hf_view(hf_grid_scores(replay, index, true), subject.image_size, size)
            found.replayed.add(name, compare_labels(labels, view, budget, len(words.names)))
            free_view = view
            if not decided_alike(replay, alone, index):
                free_view = hf_view(hf_grid_scores(alone, index, true), subject.image_size, size)
            found.free.add(name, compare_labels(labels, free_view, budget, len(words.names)))
            shown = [*found.shown, _image(name, images[name], labels, free_view, budget, words.names)]
            # Keep few at all times: whole photographs are in them.
            found.shown = sorted(shown, key=lambda image: image.interest, reverse=True)[:keep]
    return found


def _image(
    name: str,
    rgb: NDArray[np.uint8],
    labels: NDArray[np.uint16],
    view: LabelView,
    budget: float,
    names: tuple[str, ...],
) -> LabeledImage:
    return LabeledImage(
        name=name,
        rgb=rgb,
        labels=labels,
        reference=view.labels.astype(np.uint16),
        margin=view.margin.astype(np.float32),
        at_risk=view.margin <= 2 * budget,
        names=names,
    )


def paper_cells(
    backend: Backend, truth: ReferenceContext, noise: LabelNoise, words: ClassPrompts, images: Images
) -> Cells:
    """The `paper` decode: sliding windows over images of different shapes."""
    if truth.subject.paper is None:
        return _named("paper", not_run(Remark.NOT_SQUARE))
    if not backend.takes(truth.subject.contracts.paper):
        return _named("paper", not_run(Remark.NORMALIZES_AS_HF))
    try:
        found = _compare_paper(backend, truth, truth.subject.paper, noise, words, images)
    except GroupViTError as error:
        return _named("paper", broken(Refusal(str(error))))
    return _tally_cells("paper", found, truth, noise)


def _compare_paper(
    backend: Backend,
    truth: ReferenceContext,
    paper: PaperDecode,
    noise: LabelNoise,
    words: ClassPrompts,
    images: Images,
) -> _Compared:
    subject, reference = truth.subject, truth.reference
    decode = replace(paper, background_threshold=None)
    budgets = PaperBudgets(
        *(truth.budgets.budget(x) for x in (noise.paper.mask, noise.paper.affinity, noise.paper.relevance))
    )
    found = _Compared.of(words)
    own, true = words.of(backend), words.true(reference)
    for name, rgb in images.items():
        size = (rgb.shape[0], rgb.shape[1])
        plan, value = _windows(subject, decode, rgb)
        outputs = _float32(in_batches(backend, value))
        labels = paper_decode(
            plan,
            outputs["masks"],
            outputs["group_embeds"],
            outputs["image_embeds"],
            own,
            subject.logit_scale,
            decode,
            size,
        ).labels
        replay, alone = reference.replay(value, assignments(outputs)), reference.free(value)
        view = paper_view(replay, true, subject.logit_scale, decode, plan, size, budgets)
        title = f"{name}, {rgb.shape[1]}x{rgb.shape[0]}, {counted(len(value), 'window')}"
        found.replayed.add(title, compare_labels(labels, view, budgets.affinity, len(words.names)))
        if not decided_alike(replay, alone):
            view = paper_view(alone, true, subject.logit_scale, decode, plan, size, budgets)
        found.free.add(title, compare_labels(labels, view, budgets.affinity, len(words.names)))
    return found


def _tally_cells(decode: str, found: _Compared, truth: ReferenceContext, noise: LabelNoise) -> Cells:
    replayed, free, budgets = found.replayed, found.free, truth.budgets
    return {
        RowKey(RowKind.DECODE_SAFE_PIXELS, name=decode): count_cell(
            replayed.wrong_safe, replayed.first, replayed.agreement
        ),
        RowKey(RowKind.DECODE_PIXELS_AT_RISK, name=decode): risk_cell(
            replayed.at_risk, replayed.pixels, budgets.at_risk_limit, Counted.PIXELS
        ),
        RowKey(RowKind.DECODE_FREE_REFERENCE, name=decode): information(free.share, free.agreement)
        if budgets.labels is None
        else budgets.labels.cell(free.agreement, noise.shares.get(decode)),
    }


def _named(decode: str, cell: Cell) -> Cells:
    return {RowKey(RowKind.DECODE_SAFE_PIXELS, name=decode): cell}


def _batches(
    subject: VerificationSpec, images: Images, max_batch: int | None
) -> list[tuple[list[str], NDArray[np.float32]]]:
    size = min(_BATCH, max_batch or _BATCH)
    parts = [list(images)[start : start + size] for start in range(0, len(images), size)]
    spec = subject.contracts.hf
    return [
        (names, np.stack([prepare_whole(images[name], subject.image_size, spec) for name in names]))
        for names in parts
    ]


def _windows(
    subject: VerificationSpec, decode: PaperDecode, rgb: NDArray[np.uint8]
) -> tuple[WindowPlan, NDArray[np.float32]]:
    plan = plan_windows((rgb.shape[0], rgb.shape[1]), decode.window)
    return plan, prepare_windows(rgb, subject.contracts.paper, plan)


def _float32(outputs: Arrays) -> Arrays:
    return {
        name: value if name.startswith("assignment_") else np.ascontiguousarray(value, np.float32)
        for name, value in outputs.items()
    }
