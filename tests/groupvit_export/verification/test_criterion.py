"""The criterion of precisions below float32: label maps decide, tokens at risk inform."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from verifying import demo_subject

from groupvit_export.build.manifest_parts import model_info
from groupvit_export.data.bundled import DEMO_CHECKPOINT
from groupvit_export.verification.backends import Backend, eager, in_batches
from groupvit_export.verification.budgets import load_budgets
from groupvit_export.verification.cells import risk_cell
from groupvit_export.verification.checks.labels import LabelNoise, hf_cells, label_noise
from groupvit_export.verification.checks.pixels import PaperBudgets
from groupvit_export.verification.criterion import LabelCriterion
from groupvit_export.verification.details import Counted, LabelAgreement, LoadedEngine, Part
from groupvit_export.verification.inputs import bundled_scenes, class_words
from groupvit_export.verification.reference import Arrays, Reference
from groupvit_export.verification.report import Column
from groupvit_export.verification.rows import RowKey, RowKind
from groupvit_export.verification.specification import ReferenceContext

CRITERION = LabelCriterion(share=0.01, factor=2.0, noise_limit=0.2)


@pytest.mark.parametrize(("eager_share", "limit"), [(None, 0.01), (0.0, 0.01), (0.004, 0.01), (0.03, 0.06)])
def test_the_limit_is_one_percent_or_what_eager_excuses(eager_share: float | None, limit: float) -> None:
    assert CRITERION.limit(eager_share) == pytest.approx(limit)


@pytest.mark.parametrize(
    ("found", "eager_share", "verdict"),
    [
        (0.01, None, "PASS"),
        (0.0101, None, "FAIL"),
        (0.06, 0.03, "PASS"),
        (0.061, 0.03, "FAIL"),
        (0.0, 0.21, "AMBIGUOUS"),
        (1.0, 0.21, "AMBIGUOUS"),
    ],
)
def test_verdicts(found: float, eager_share: float | None, verdict: str) -> None:
    assert CRITERION.cell(LabelAgreement(found, 0.9), eager_share).verdict == verdict


def test_tokens_at_risk_inform_where_labels_decide() -> None:
    cell = risk_cell(9, 10, None, Counted.PIXELS)
    assert (cell.verdict, cell.value, cell.budget, cell.detail) == (
        None,
        0.9,
        None,
        Part(9, 10, Counted.PIXELS),
    )


@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
def test_either_margins_or_labels_decide(precision: str) -> None:
    budgets = load_budgets(precision)
    assert (budgets.at_risk_limit is None) == (budgets.labels is not None) == (precision != "fp32")
    # Reviewed means that somebody wrote down against what.
    assert "python -m benchmarks." in budgets.reviewed


def test_label_maps_can_fail_alone() -> None:
    """Two of the classes change places: no logit, margin or mask is off, and only the labels show it."""
    subject = demo_subject()
    path = DEMO_CHECKPOINT / "tokenizer.json"
    model = model_info(subject.model, subject.image_size, path)
    words = class_words(path, model, ("a photo of a {}.",), nvlabs_cleaning=False)
    truth = ReferenceContext(subject, Reference(subject.model), load_budgets("fp16"), {})
    images = dict(list(bundled_scenes().items())[:3])
    sound = eager(subject.model, "fp16")
    noise = label_noise(sound, truth, words, images, {})
    row = RowKey(RowKind.DECODE_FREE_REFERENCE, name="hf")
    cells, _ = hf_cells(sound, truth, noise, words, images, keep=0)
    assert cells[row].verdict == "PASS" and cells[row].value == noise.shares["hf"]

    def exchanged(ids: np.ndarray) -> np.ndarray:
        embeds = sound.text(ids)
        return embeds[[1, 0, *range(2, len(embeds))]]

    cells, _ = hf_cells(replace(sound, text=exchanged), truth, noise, words, images, keep=0)
    assert cells[row].verdict == "FAIL" and cells[row].value > cells[row].budget


def test_float32_is_judged_as_before() -> None:
    subject = demo_subject()
    truth = ReferenceContext(subject, Reference(subject.model), load_budgets("fp32"), {})
    path = DEMO_CHECKPOINT / "tokenizer.json"
    model = model_info(subject.model, subject.image_size, path)
    words = class_words(path, model, ("a photo of a {}.",), nvlabs_cleaning=False)
    images = dict(list(bundled_scenes().items())[:1])
    noise = LabelNoise(1e-6, PaperBudgets(0.0, 0.0, 0.0))
    cells, _ = hf_cells(eager(subject.model, "fp32"), truth, noise, words, images, keep=0)
    assert cells[RowKey(RowKind.DECODE_FREE_REFERENCE, name="hf")].verdict is None
    assert cells[RowKey(RowKind.DECODE_PIXELS_AT_RISK, name="hf")].verdict == "PASS"


@pytest.mark.parametrize("limit", [None, 1, 2, 5, 9])
def test_no_run_is_larger_than_the_backend_takes(limit: int | None) -> None:
    seen: list[int] = []

    def image(pixel_values: np.ndarray) -> Arrays:
        seen.append(len(pixel_values))
        return {"masks": pixel_values * 2}

    column = Column("x", LoadedEngine(""), None, "fp32", "cpu")
    backend = Backend(column, image, lambda ids: ids, (), max_batch=limit)
    value = np.arange(5, dtype=np.float32)[:, None]
    np.testing.assert_array_equal(in_batches(backend, value)["masks"], value * 2)
    assert max(seen) <= (limit or 5) and sum(seen) == 5
