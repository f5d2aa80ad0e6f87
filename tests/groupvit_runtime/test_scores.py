"""Score planes against their definition to the bit, and against float64; abstaining; groups of all stages."""

from __future__ import annotations

import math
import tracemalloc
from typing import Any

import numpy as np
import pytest
import torch
from decoding_support import embeddings, seeds, soft_maps, torch_resize
from hypothesis import given, settings
from hypothesis import strategies as st

from groupvit_runtime.contract import PaperDecode, SlidingWindow
from groupvit_runtime.decode import hf_logits, hf_scores
from groupvit_runtime.errors import EngineError, UsageError
from groupvit_runtime.exponential import (
    LN2_HIGH,
    LN2_LOW,
    LOG2_E,
    POLYNOMIAL,
    SMALLEST_ARGUMENT,
    exponential,
)
from groupvit_runtime.group_maps import StageMaps, WholeGroups, words_of_groups
from groupvit_runtime.hf_planes import HfPlanes
from groupvit_runtime.paper import paper_average
from groupvit_runtime.paper_planes import PaperPlanes
from groupvit_runtime.resize import bilinear, composed_matrix
from groupvit_runtime.score_planes import ScorePlanes, abstain, rows_at_once
from groupvit_runtime.upsampled_argmax import upsampled_argmax
from groupvit_runtime.windows import plan_windows

THROUGH = (48, 80)


@pytest.fixture(autouse=True)
def poisoned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory that was not written is NaN, so that no result can be made of it."""

    def empty(shape: Any, dtype: Any = np.float32, **_: Any) -> np.ndarray:
        return np.full(shape, np.nan if np.dtype(dtype).kind == "f" else 123, dtype)

    for module in ("hf_planes", "paper_planes", "score_planes"):
        poisoned = type("numpy", (), {**vars(np), "empty": staticmethod(empty)})
        monkeypatch.setattr(f"groupvit_runtime.{module}.np", poisoned)


def literal_exponential(x: np.ndarray) -> np.ndarray:
    """The docstring of the module, an operation a line."""
    n: np.ndarray = np.rint(x * LOG2_E)
    r: np.ndarray = x - n * LN2_HIGH
    r = r - n * LN2_LOW
    y: np.ndarray = np.full_like(x, POLYNOMIAL[0])
    for coefficient in POLYNOMIAL[1:]:
        y = y * r
        y = y + coefficient
    return np.where(x < SMALLEST_ARGUMENT, np.float32(0), np.ldexp(y, n.astype(np.int32)))


def exp_of(x: np.ndarray) -> np.ndarray:
    result = np.array(x, np.float32)
    exponential(result, (np.empty_like(result), np.empty_like(result)))
    return result


class TestExponential:
    def test_errs_by_two_units_in_the_last_place_at_most(self) -> None:
        x = np.concatenate([np.linspace(-87.3, 0, 300_001), -np.logspace(-40, 1.9, 20_001)]).astype(
            np.float32
        )
        x = np.maximum(x, SMALLEST_ARGUMENT)
        exact = np.exp(x.astype(np.float64))
        result = exp_of(x)
        units = np.abs(result - exact) / np.spacing(exact.astype(np.float32))
        assert units.max() <= 2
        assert result.max() == 1 and result.min() >= np.finfo(np.float32).tiny
        np.testing.assert_array_equal(result, literal_exponential(x))

    def test_ends(self) -> None:
        below = np.nextafter(SMALLEST_ARGUMENT, np.float32(-100))
        x = np.array([0, -0.0, -1e-45, SMALLEST_ARGUMENT, below, -1e4, -3e38], np.float32)
        assert exp_of(x).tolist() == [1, 1, 1, float(exp_of(x[3:4])[0]), 0, 0, 0]
        assert exp_of(x[3:4]) > 0


def literal_upsampled(scores: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The docstring of upsampled_argmax, before its last step."""

    def along_last(values: np.ndarray, matrix: np.ndarray) -> np.ndarray:
        outputs = []
        for row in matrix:
            nodes = np.flatnonzero(row)
            value = values[..., nodes[0]].copy()
            for node in nodes[1:]:
                value += row[node] * (values[..., node] - values[..., nodes[0]])
            outputs.append(value)
        return np.stack(outputs, axis=-1)

    columns = along_last(scores, composed_matrix(scores.shape[2], THROUGH[1], size[1]))
    rows = along_last(columns.swapaxes(1, 2), composed_matrix(scores.shape[1], THROUGH[0], size[0]))
    return rows.swapaxes(1, 2)


def literal_probabilities(scores: np.ndarray, logit_scale: float) -> np.ndarray:
    """The docstring of hf_planes."""
    t = np.float32(math.exp(logit_scale))
    e = literal_exponential(t * (scores - scores.max(axis=0)))
    total = np.zeros(scores.shape[1:], np.float32)
    for plane in e:
        total = total + plane
    return e / total


def hf_case(seed: int, classes: int, size: tuple[int, int], scale: float) -> HfPlanes:
    rng = np.random.default_rng(seed)
    masks, groups, text = soft_maps(rng, 6, 3, 5), embeddings(rng, 6, 32), embeddings(rng, classes, 32)
    return HfPlanes(hf_scores(masks, groups, text), scale, THROUGH, size)


def whole(planes: ScorePlanes) -> np.ndarray:
    out = np.full((planes.count, *planes.size), np.nan, np.float32)
    planes.fill(0, out)
    return out


def check_parts(planes: ScorePlanes, rows: int) -> None:
    """Strips, single planes and the best are the whole's, to the bit."""
    full = whole(planes)
    height, width = planes.size
    best = np.full(planes.size, np.nan, np.float32)
    planes.fill_best(0, best)
    np.testing.assert_array_equal(best, full.max(axis=0))
    for first in range(0, height, rows):
        last = min(first + rows, height)
        part = np.full((planes.count, last - first, width), np.nan, np.float32)
        planes.fill(first, part)
        np.testing.assert_array_equal(part, full[:, first:last])
        planes.fill_best(first, part[0])
        np.testing.assert_array_equal(part[0], best[first:last])
    for index in {0, planes.count // 2, planes.count - 1}:
        planes.fill_plane(index, 0, best)
        np.testing.assert_array_equal(best, full[index])


sizes = st.tuples(st.integers(1, 60), st.integers(1, 90))


class TestHuggingFace:
    @settings(max_examples=60)
    @given(seeds, st.integers(1, 30), sizes, st.floats(-2, 6), st.integers(1, 70))
    def test_is_the_definition_to_the_bit(
        self, seed: int, classes: int, size: tuple[int, int], scale: float, rows: int
    ) -> None:
        planes = hf_case(seed, classes, size, scale)
        full = whole(planes)
        upsampled = literal_upsampled(planes.scores, size)
        np.testing.assert_array_equal(full, literal_probabilities(upsampled, scale))
        np.testing.assert_array_equal(planes.coarse(), literal_probabilities(planes.scores, scale))
        check_parts(planes, rows)
        labels = upsampled_argmax(planes.scores, size, through=THROUGH)
        np.testing.assert_array_equal(
            np.take_along_axis(full, labels[None].astype(int), 0)[0], full.max(axis=0)
        )
        assert np.abs(full.sum(axis=0, dtype=np.float64) - 1).max() <= classes * 2.0**-23

    @settings(max_examples=30)
    @given(seeds, st.integers(1, 30), sizes, st.floats(0, 4.6))
    def test_is_the_softmax_of_transformers_logits_over_one_scale(
        self, seed: int, classes: int, size: tuple[int, int], scale: float
    ) -> None:
        rng = np.random.default_rng(seed)
        masks, groups, text = soft_maps(rng, 6, 3, 5), embeddings(rng, 6, 32), embeddings(rng, classes, 32)
        logits = torch.from_numpy(hf_logits(masks, groups, text, scale, THROUGH)).double()
        expected = (torch_resize(logits, size) / math.exp(scale)).softmax(dim=0)
        planes = HfPlanes(hf_scores(masks, groups, text), scale, THROUGH, size)
        np.testing.assert_allclose(whole(planes), expected, atol=2e-6 * math.exp(scale))

    @pytest.mark.parametrize(
        ("classes", "size"), [(150, (3, 2000)), (2500, (9, 70)), (1, (300, 300)), (21, (130, 700))]
    )
    @pytest.mark.parametrize("columns_at_once", [0, 1 << 21])
    def test_blocks_are_seamless(
        self, classes: int, size: tuple[int, int], columns_at_once: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("groupvit_runtime.hf_planes._COLUMN_VALUES", columns_at_once)
        planes = hf_case(classes, classes, size, 3.0)
        expected = literal_probabilities(literal_upsampled(planes.scores, size), 3.0)
        np.testing.assert_array_equal(whole(planes), expected)

    def test_strips_of_a_large_image_take_little_memory(self) -> None:
        planes = hf_case(0, 150, (3000, 4000), 2.6)
        rows = rows_at_once(150, 4000)
        tracemalloc.start()
        try:
            for first in (0, rows, 3000 - rows):
                planes.fill(first, np.empty((150, rows, 4000), np.float32))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 40 << 20

    @given(seeds, sizes)
    def test_permuting_words_permutes_planes(self, seed: int, size: tuple[int, int]) -> None:
        planes = hf_case(seed, 7, size, 1.0)
        order = np.random.default_rng(seed).permutation(7)
        permuted = HfPlanes(planes.scores[order], 1.0, THROUGH, size)
        # The sum's order is another one, so it may round otherwise.
        np.testing.assert_allclose(whole(permuted), whole(planes)[order], rtol=7 * 2.0**-23)


WINDOW = SlidingWindow(size=48, stride=24, long_side_max=120)


def paper_case(
    seed: int, size: tuple[int, int], *, classes: int = 9, threshold: float | None = None, top: int = 5
) -> tuple[PaperPlanes, np.ndarray]:
    """Planes, and the same in float64 from the paper's description."""
    rng = np.random.default_rng(seed)
    spec = PaperDecode(window=WINDOW, background_threshold=threshold, top_classes=top)
    plan = plan_windows(size, WINDOW)
    n = len(plan.boxes)
    masks, text, images = soft_maps(rng, n, 4, 3, 3), embeddings(rng, classes, 32), embeddings(rng, n, 32)
    groups = embeddings(rng, n, 4, 32) + text[rng.integers(0, classes, (n, 4))]
    groups = (groups / np.linalg.norm(groups, axis=-1, keepdims=True)).astype(np.float32)
    planes = PaperPlanes(paper_average(plan, masks, groups, images, text, 2.0, spec), size)
    total = torch.zeros(classes + (threshold is not None), *plan.padded_size, dtype=torch.float64)
    seen = torch.zeros(plan.padded_size, dtype=torch.float64)
    for index, (top_edge, left) in enumerate(plan.boxes):
        group_of = bilinear(masks[index], (48, 48)).argmax(axis=0)
        logits = torch.from_numpy(groups[index]).double() @ torch.from_numpy(text).double().T * math.exp(2.0)
        kept = torch.zeros(classes, dtype=torch.bool)
        relevance = torch.from_numpy(text).double() @ torch.from_numpy(images[index]).double()
        kept[relevance.topk(min(top, classes)).indices] = True
        table = logits.softmax(1) * logits.masked_fill(~kept, -math.inf).softmax(1)
        if threshold is not None:
            limit = min(threshold, float(table.max()))
            table = torch.cat([(table.amax(1, keepdim=True) < limit).double(), table], 1)
        total[:, top_edge : top_edge + 48, left : left + 48] += table[group_of].permute(2, 0, 1)
        seen[top_edge : top_edge + 48, left : left + 48] += 1
    height, width = plan.size
    return planes, torch_resize((total / seen)[:, :height, :width], size).numpy()


class TestPaper:
    @settings(max_examples=60)
    @given(
        seeds,
        sizes,
        st.integers(1, 12),
        st.one_of(st.none(), st.sampled_from([0.0, 0.35, 0.95])),
        st.integers(1, 6),
        st.integers(1, 70),
    )
    def test_is_the_papers_formula(
        self,
        seed: int,
        size: tuple[int, int],
        classes: int,
        threshold: float | None,
        top: int,
        rows: int,
    ) -> None:
        planes, expected = paper_case(seed, size, classes=classes, threshold=threshold, top=top)
        full = whole(planes)
        np.testing.assert_allclose(full, expected, atol=2e-5)
        np.testing.assert_array_equal(full.argmax(axis=0), planes.average.labels(size))
        check_parts(planes, rows)
        coarse = planes.coarse()
        assert coarse.shape == (planes.count, *planes.average.codes.shape)
        np.testing.assert_array_equal(full, bilinear(coarse, size))


class TestAbstaining:
    @given(seeds, sizes, st.booleans(), st.lists(st.floats(0, 1), min_size=2, max_size=2), st.integers(0, 3))
    def test_the_threshold_is_monotone_and_negatives_are_unlabeled(
        self, seed: int, size: tuple[int, int], paper: bool, thresholds: list[float], negatives: int
    ) -> None:
        planes: ScorePlanes
        if paper:
            planes, _ = paper_case(seed, size)
        else:
            planes = hf_case(seed, 9, size, 1.5)
        full, unlabeled = whole(planes), planes.count - negatives
        winner, best = full.argmax(axis=0), full.max(axis=0)
        before = np.zeros(size, bool)
        for threshold in (None, *sorted(thresholds)):
            labels = winner.astype(np.uint16)
            abstain(labels, planes, unlabeled=unlabeled, threshold=threshold)
            refused = winner >= unlabeled
            if threshold is not None:
                refused |= best < np.float32(threshold)
            np.testing.assert_array_equal(labels, np.where(refused, unlabeled, winner))
            assert not (before & ~refused).any()
            before = refused


class TestGroups:
    @pytest.mark.parametrize("stages", [1, 2, 3])
    def test_of_every_stage(self, stages: int) -> None:
        rng, counts, soft = np.random.default_rng(stages), (7, 5, 3)[:stages], []
        below = 15
        for count in counts:
            soft.append(soft_maps(rng, 1, count, 1, below)[:, :, 0])
            below = count
        products = [soft[0][0].astype(np.float64)]
        for upper in soft[1:]:
            products.append(upper[0].astype(np.float64) @ products[-1])
        masks = products[-1].astype(np.float32).reshape(1, counts[-1], 3, 5)
        groups = WholeGroups(StageMaps(masks, tuple(soft), stages), THROUGH, (30, 50))
        for stage, product in enumerate(products, 1):
            maps = product.astype(np.float32).reshape(-1, 3, 5)
            np.testing.assert_array_equal(groups.at(stage), upsampled_argmax(maps, (30, 50), through=THROUGH))
        np.testing.assert_array_equal(groups.at(None), groups.at(stages))
        for wrong in (0, stages + 1, True, 1.0):
            with pytest.raises(UsageError, match="no such stage"):
                groups.at(wrong)  # type: ignore[arg-type]

    def test_an_engine_without_soft_maps_has_its_last_stage(self) -> None:
        masks = soft_maps(np.random.default_rng(0), 1, 4, 3, 5)
        groups = WholeGroups(StageMaps(masks, (), 2), THROUGH, (30, 50))
        assert groups.at(2).shape == (30, 50)
        with pytest.raises(UsageError, match="soft_map_1"):
            groups.at(1)

    def test_soft_maps_that_do_not_fit_are_refused(self) -> None:
        masks = soft_maps(np.random.default_rng(0), 1, 4, 3, 5)
        for soft in (np.zeros((1, 8, 14), np.float32), np.full((1, 8, 15), np.nan, np.float32)):
            with pytest.raises(EngineError, match="soft_map_1"):
                StageMaps(masks, (soft,), 2).of(1)

    @given(seeds, st.integers(1, 12), st.integers(1, 20))
    def test_words_are_clips_softmax(self, seed: int, words: int, top: int) -> None:
        rng = np.random.default_rng(seed)
        groups, text = embeddings(rng, 2, 4, 16), embeddings(rng, words, 16)
        found = words_of_groups(groups, text, 14.3, [f"w{k}" for k in range(words)], top)
        shares = (
            torch.from_numpy(groups.reshape(8, 16)).double() @ torch.from_numpy(text).double().T * 14.3
        ).softmax(1)
        assert len(found) == 8
        for row, pairs in zip(shares, found, strict=True):
            assert len(pairs) == min(top, words)
            assert [name for name, _ in pairs] == [f"w{k}" for k in row.argsort(descending=True)[:top]]
            np.testing.assert_allclose(
                [share for _, share in pairs], row.sort(descending=True).values[:top], rtol=1e-6
            )

    @pytest.mark.parametrize("top", [0, -1, True])
    def test_a_group_has_a_word(self, top: int) -> None:
        rng = np.random.default_rng(0)
        with pytest.raises(UsageError, match="at least one word"):
            words_of_groups(embeddings(rng, 4, 16), embeddings(rng, 3, 16), 1.0, list("abc"), top)
