"""Flips, margins and regret, by hand and by properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from groupvit_export.verification.decisions import (
    StageView,
    compare_stage,
    logit_error,
    margins,
    output_error,
)


def view(logits: np.ndarray, index: np.ndarray | None = None) -> StageView:
    """logits [B, G, N]."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    soft = powers / powers.sum(axis=1, keepdims=True)
    chosen = logits.argmax(axis=1) if index is None else index
    return StageView.of({"soft_map_1": soft, "assignment_1": chosen}, 1)


# Three groups, four tokens; the best and the second best are 1, 0.1, 0.01 and 2 apart.
LOGITS = np.array([[[2.0, 0.1, 0.0, 1.0], [1.0, 0.0, 0.01, -1.0], [0.0, -1.0, -3.0, -2.0]]])


def test_margins_by_hand() -> None:
    np.testing.assert_allclose(margins(view(LOGITS)), [[1.0, 0.1, 0.01, 2.0]], atol=1e-12)


def test_one_group_leaves_no_choice() -> None:
    assert np.isinf(margins(view(np.zeros((1, 1, 3))))).all()


def test_the_same_decisions() -> None:
    found = compare_stage(view(LOGITS), view(LOGITS), budget=0.02)
    assert (found.tokens, found.flips, found.safe_flips, found.inconsistent) == (4, 0, (), ())
    assert (found.at_risk, found.regret, found.shift) == (1, 0.0, 0)


def test_a_flip_within_the_margin_is_excused_and_one_beyond_is_not() -> None:
    index = np.array([[0, 1, 0, 0]])
    near = LOGITS.copy()
    near[0, :, 1], near[0, :, 2] = (0.0, 0.1, -1.0), (0.01, 0.0, -3.0)
    candidate = view(near, index)
    excused = compare_stage(candidate, view(LOGITS), budget=0.06)
    assert (excused.flips, excused.safe_flips, excused.at_risk) == (2, (), 2)
    assert excused.regret == pytest.approx(0.1)
    assert excused.shift == 0  # one went there, one came back
    found = compare_stage(candidate, view(LOGITS), budget=0.02)
    assert (found.flips, found.safe_flips) == (2, ((0, 1),))


def test_a_group_that_is_not_the_best_of_its_own_map_is_inconsistent() -> None:
    found = compare_stage(view(LOGITS, np.array([[0, 0, 1, 2]])), view(LOGITS), budget=0.0)
    assert found.inconsistent == ((0, 3),)
    assert found.safe_flips == ((0, 3),)
    assert found.regret == pytest.approx(3.0)
    assert found.shift == 1


def test_probabilities_that_a_softmax_rounded_together_are_equally_good() -> None:
    soft = np.full((1, 2, 1), 0.5, np.float32)
    candidate = StageView.of({"soft_map_1": soft, "assignment_1": np.array([[1]])}, 1)
    assert compare_stage(candidate, candidate, budget=0.0).inconsistent == ()


def test_errors_say_where_they_are() -> None:
    other = LOGITS.copy()
    other[0, 1, 2] += 0.25
    error, where = logit_error(view(other), view(LOGITS))
    assert (where[0], where[2]) == (0, 2)
    assert 0.1 < error < 0.25
    values = np.zeros((2, 3))
    values[1, 2] = np.nan
    assert output_error(values, np.zeros((2, 3))) == (np.inf, (1, 2))
    assert output_error(np.float32(1.5), np.array(1.0)) == (0.5, (0,))


def test_irrelevant_groups_are_left_out() -> None:
    far = LOGITS.copy()
    far[0, 2] = -60
    nudged = far.copy()
    nudged[0, 2] = -50
    assert logit_error(view(nudged), view(far))[0] < 1e-9


@given(
    arrays(np.float64, (2, 4, 5), elements=st.floats(-5, 5)),
    arrays(np.float64, (2, 4, 5), elements=st.floats(-1, 1)),
    st.floats(1e-3, 0.5),
)
def test_an_error_within_the_budget_never_flips_a_safe_token(
    logits: np.ndarray, noise: np.ndarray, budget: float
) -> None:
    found = compare_stage(view(logits + 0.999 * budget * noise), view(logits), budget)
    assert found.safe_flips == () and found.inconsistent == ()
    assert found.regret <= 2 * budget
