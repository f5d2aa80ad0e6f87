"""The Python runtime reaches the golden results that the C++ runtime has to reach as well."""

from __future__ import annotations

from collections import Counter

import golden_scores
import pytest
from golden_image import Case, digest, load_cases, result_of

CASES = load_cases()
SCORES = golden_scores.load_cases()


def test_every_function_is_covered() -> None:
    functions = Counter(case["function"] for case in CASES)
    assert min(functions.values()) >= 2
    assert set(functions) == {
        "resize_image", "prepare_whole", "prepare_windows", "hf_decode", "hf_groups", "paper_decode",
        "window_groups",
    }  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['seed']}-{case['function']}")
def test_golden(case: Case) -> None:
    assert digest(result_of(case)) == case["sha256"]


@pytest.mark.parametrize("case", SCORES, ids=lambda case: f"{case['seed']}-{case['function']}")
def test_golden_scores(case: Case) -> None:
    assert digest(golden_scores.result_of(case)) == case["sha256"]
