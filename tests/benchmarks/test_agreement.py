"""A peer that computes something else stops the benchmark."""

import numpy as np
import pytest

from benchmarks.peers.agreement import (
    Agreement,
    DisagreementError,
    agreement,
    check_agreement,
    check_telling,
)

REFERENCE = np.repeat(np.arange(4), 250).reshape(40, 25)


def _with_wrong_pixels(count: int) -> np.ndarray:
    labels = REFERENCE.copy()
    labels.reshape(-1)[:count] += 1
    return labels


def test_a_wrong_peer_stops_it():
    found = {
        "transformers": agreement(REFERENCE, REFERENCE),
        "plain-openvino": agreement(_with_wrong_pixels(6), REFERENCE),
    }
    with pytest.raises(DisagreementError, match=r"plain-openvino agrees on 99\.4 %") as caught:
        check_agreement(found, list(found))
    assert "transformers" not in str(caught.value)


def test_five_of_a_thousand_pixels_may_differ():
    check_agreement({"plain-openvino": agreement(_with_wrong_pixels(5), REFERENCE)}, ["plain-openvino"])


def test_a_peer_in_half_precision_is_recorded_only():
    found = agreement(_with_wrong_pixels(500), REFERENCE)
    assert found.pixels == 50.0
    check_agreement({"plain-openvino-bf16": found}, [])


def test_an_agreement_that_is_no_number_stops_it():
    with pytest.raises(DisagreementError):
        check_agreement({"transformers": Agreement(float("nan"), {})}, ["transformers"])


def test_all_is_not_said_of_nearly_all():
    labels = np.zeros(1_000_000, np.int64)
    labels[0] = 1
    assert agreement(labels, np.zeros_like(labels)).pixels < 100


def test_differences_are_relative_to_the_reference():
    found = agreement(REFERENCE, REFERENCE, {"masks": np.array([2.0, 4.4])}, {"masks": np.array([2.0, 4.0])})
    assert found.largest_difference == {"masks": 0.1}


def test_other_shapes_do_not_broadcast():
    with pytest.raises(DisagreementError, match="other shapes"):
        agreement(REFERENCE[:1], REFERENCE)


def test_one_label_tells_nothing():
    with pytest.raises(DisagreementError, match="one label only"):
        check_telling(np.zeros((4, 4), int))
    assert check_telling(REFERENCE) == 4
