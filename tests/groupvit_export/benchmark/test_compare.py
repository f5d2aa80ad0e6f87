"""Verdicts, what is compared with what, and what makes it doubtful."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from groupvit_export.benchmark.bootstrap import Interval
from groupvit_export.benchmark.compare import (
    compare_records,
    count_unmatched,
    disambiguate_names,
    regressed,
    verdict_of,
)
from groupvit_export.benchmark.records import Record
from groupvit_export.benchmark.settings import Setting
from groupvit_export.cli.bench_report import comparison_blocks
from groupvit_export.cli.tables import plain
from groupvit_export.errors import GroupViTError


@pytest.fixture
def noisy(make_record: Callable[..., Record]) -> Callable[..., Record]:
    def make(median: float, name: str = "demo", seed: int = 0, rounds: int = 60, **changes: object) -> Record:
        random = np.random.default_rng(seed)
        record = make_record((median * np.exp(random.normal(scale=0.03, size=rounds))).tolist(), **changes)
        return replace(record, bundle=replace(record.bundle, name=name))

    return make


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [
        (Interval(1.2, 1.1, 1.3), "slower"),
        (Interval(0.8, 0.7, 0.9), "faster"),
        (Interval(1.1, 0.9, 1.3), "no difference"),
        (Interval(1.0, 1.0, 1.0), "no difference"),
    ],
)
def test_verdicts(interval: Interval, verdict: str) -> None:
    assert verdict_of(interval) == verdict


def test_a_regression_is_beyond_what_is_allowed_with_all_of_its_interval() -> None:
    assert regressed(Interval(1.2, 1.1, 1.3), 5)
    assert not regressed(Interval(1.2, 1.1, 1.3), 10.1)
    assert not regressed(Interval(1.2, 1.04, 1.3), 5)
    assert not regressed(Interval(9.0, 9.0, 9.0), None)


def test_faster_slower_and_the_same(noisy: Callable[..., Record]) -> None:
    for median, verdict in ((12.0, "slower"), (8.0, "faster")):
        (found,) = compare_records([noisy(10.0)], [noisy(median, seed=1, run="other")], 5)
        assert found.verdict == verdict and not found.paired
        assert found.interval.low < median / 10 < found.interval.high
        assert found.regressed == (verdict == "slower")
    (found,) = compare_records([noisy(10.0)], [noisy(10.0, seed=1)], 5)
    assert found.verdict == "no difference" and found.paired and not found.regressed


def test_settings_are_matched(noisy: Callable[..., Record]) -> None:
    batches = [Setting(2, batch, 1, None) for batch in (1, 2, 4)]
    first = [noisy(10.0 * s.batch, setting=s) for s in batches[:2]]
    second = [noisy(20.0 * s.batch, "other", setting=s) for s in batches[1:]]
    found = compare_records(first, second, None)
    assert [(c.setting, round(c.interval.ratio)) for c in found] == [(batches[1].words, 2)]
    assert count_unmatched(first, second, found) == 2


def test_several_bundles_are_matched_by_name(noisy: Callable[..., Record]) -> None:
    first = [noisy(10.0, "a"), noisy(20.0, "b")]
    second = [noisy(40.0, "b", run="x"), noisy(10.0, "c", run="x")]
    (found,) = compare_records(first, second, None)
    assert (found.first, found.second, round(found.interval.ratio)) == ("b", "b", 2)


def test_nothing_in_common(noisy: Callable[..., Record]) -> None:
    with pytest.raises(GroupViTError, match="nothing in common"):
        compare_records([noisy(1.0)], [noisy(1.0, decode="paper")], None)


def test_a_bundle_twice(noisy: Callable[..., Record]) -> None:
    with pytest.raises(GroupViTError, match="twice"):
        compare_records([noisy(1.0), noisy(1.0)], [noisy(1.0)], None)


def test_too_few_rounds(noisy: Callable[..., Record]) -> None:
    with pytest.raises(GroupViTError, match="too few rounds"):
        compare_records([noisy(1.0)], [noisy(1.0, rounds=9)], None)


def test_another_machine_is_told_loudly(noisy: Callable[..., Record]) -> None:
    here = noisy(10.0)
    there = replace(here, run="x", machine=replace(here.machine, cores=64, cpu="Another"))
    (found,) = compare_records([here], [there], None)
    (note,) = found.notes
    assert "THE MACHINES ARE NOT THE SAME" in note and "cores: 8, 64" in note and "Another" in note
    assert f"warning: {note}" in plain(comparison_blocks([found], None))


def test_other_circumstances_are_noted(noisy: Callable[..., Record]) -> None:
    here = noisy(10.0)
    there = replace(
        here,
        run="x",
        versions={**here.versions, "numpy": "3.0", "openvino": "2026.1"},
        steadiness=replace(here.steadiness, unsteady=True),
        device="cpu",
        image=replace(here.image, name="other.png"),
    )
    (found,) = compare_records([here], [there], None)
    text = "\n".join(found.notes)
    assert "numpy 2.0.0, 3.0" in text and "openvino absent, 2026.1" in text
    assert "not left alone" in text and "other.png" in text and "devices differ" in text


def test_sides_of_the_same_names_are_told_apart(noisy: Callable[..., Record]) -> None:
    ours, theirs = disambiguate_names([noisy(1.0)], [noisy(2.0)])
    assert (ours[0].bundle.name, theirs[0].bundle.name) == ("demo (first)", "demo (second)")
    ours, theirs = disambiguate_names([noisy(1.0)], [noisy(2.0, "other")])
    assert (ours[0].bundle.name, theirs[0].bundle.name) == ("demo", "other")


def test_the_text_has_the_verdict(noisy: Callable[..., Record]) -> None:
    found = compare_records([noisy(10.0)], [noisy(20.0, "slow", seed=1)], 5)
    text = plain(comparison_blocks(found, 5))
    assert "slower (REGRESSION)" in text and "1 of 1 settings are slower by more than 5 %" in text
    assert "no setting is slower" in plain(
        comparison_blocks(compare_records([noisy(10.0)], [noisy(10.0, "b")], 5), 5)
    )
