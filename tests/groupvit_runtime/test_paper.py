"""The paper decode against a plain PyTorch implementation, and against its definition bit by bit.

The PyTorch oracles round differently, so they are compared where the winner leads by more than rounding;
the literal oracles carry out the docstrings' arithmetic on every pixel and have to agree everywhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from decoding_support import LOGIT_SCALE, agrees_where_clear, embeddings, seeds, soft_maps, torch_resize
from hypothesis import given, settings
from hypothesis import strategies as st

from groupvit_runtime.contract import PaperDecode, SlidingWindow
from groupvit_runtime.errors import EngineError
from groupvit_runtime.paper import _resized_argmax, paper_affinity, paper_decode
from groupvit_runtime.resize import bilinear
from groupvit_runtime.windows import WindowPlan, plan_windows


class TestAffinity:
    @staticmethod
    def torch_affinity(
        groups: np.ndarray, image: np.ndarray, text: np.ndarray, scale: float, top: int
    ) -> torch.Tensor:
        g, i, t = (torch.from_numpy(array).double() for array in (groups, image, text))
        logits = g @ t.T * min(math.exp(scale), 100.0)
        keep = torch.zeros(len(t), dtype=torch.bool)
        keep[(t @ i).topk(min(top, len(t))).indices] = True
        return logits.softmax(dim=1) * logits.masked_fill(~keep, -math.inf).softmax(dim=1)

    @given(seeds, st.integers(1, 30), st.integers(1, 9), st.integers(1, 7), st.floats(-2, 6))
    def test_is_the_product_of_two_softmaxes(
        self, seed: int, classes: int, groups: int, top: int, scale: float
    ) -> None:
        rng = np.random.default_rng(seed)
        g, i, t = embeddings(rng, groups, 16), embeddings(rng, 16), embeddings(rng, classes, 16)
        result = paper_affinity(g, i, t, scale, decode(top_classes=top))
        assert result.dtype == np.float32
        np.testing.assert_allclose(result, self.torch_affinity(g, i, t, scale, top), atol=1e-6)
        assert np.count_nonzero(result.any(axis=0)) <= top

    def test_the_scale_is_clamped(self) -> None:
        rng = np.random.default_rng(0)
        g, i, t = embeddings(rng, 4, 16), embeddings(rng, 16), embeddings(rng, 6, 16)
        at = [paper_affinity(g, i, t, math.log(s), decode()) for s in (50, 100, 1000)]
        np.testing.assert_array_equal(at[1], at[2])
        assert not np.array_equal(at[0], at[1])

    def test_equally_relevant_classes_are_kept_from_the_lowest(self) -> None:
        text = np.repeat(embeddings(np.random.default_rng(0), 1, 16), 7, axis=0)
        result = paper_affinity(text[:2], text[0], text, 1.0, decode(top_classes=3))
        assert result.any(axis=0).tolist() == [True] * 3 + [False] * 4


def decode(**changes: Any) -> PaperDecode:
    window = SlidingWindow(size=48, stride=24, long_side_max=160)
    fields: dict[str, Any] = {"window": window, "background_threshold": None, **changes}
    return PaperDecode(**fields)


@dataclass
class PaperCase:
    windows: WindowPlan
    masks: np.ndarray
    groups: np.ndarray
    images: np.ndarray
    text: np.ndarray
    spec: PaperDecode
    size: tuple[int, int]

    def run(self) -> np.ndarray:
        return paper_decode(
            self.windows, self.masks, self.groups, self.images, self.text, LOGIT_SCALE, self.spec, self.size
        ).labels

    def affinity(self, index: int) -> torch.Tensor:
        return TestAffinity.torch_affinity(
            self.groups[index], self.images[index], self.text, LOGIT_SCALE, self.spec.top_classes
        ).float()


def paper_case(
    seed: int,
    size: tuple[int, int],
    *,
    classes: int = 21,
    groups: int = 8,
    grid: tuple[int, int] = (3, 3),
    spec: PaperDecode | None = None,
) -> PaperCase:
    rng = np.random.default_rng(seed)
    spec = spec or decode()
    windows = plan_windows(size, spec.window)
    n = len(windows.boxes)
    text = embeddings(rng, classes, 32)
    near = embeddings(rng, n, groups, 32) + text[rng.integers(0, classes, (n, groups))]
    near /= np.linalg.norm(near, axis=-1, keepdims=True)
    return PaperCase(
        windows,
        soft_maps(rng, n, groups, *grid),
        near.astype(np.float32),
        embeddings(rng, n, 32),
        text,
        spec,
        size,
    )


def torch_paper_scores(case: PaperCase) -> torch.Tensor:
    """The rule on whole score maps, one window after the other."""
    side = case.spec.window.size
    threshold = case.spec.background_threshold
    total = torch.zeros(len(case.text) + (threshold is not None), *case.windows.padded_size)
    seen = torch.zeros(case.windows.padded_size)
    for index, (top, left) in enumerate(case.windows.boxes):
        up = torch_resize(torch.from_numpy(case.masks[index]), (side, side))
        one_hot = F.one_hot(up.argmax(dim=0), num_classes=len(up)).float()
        affinity = case.affinity(index)
        scores = (one_hot @ affinity).permute(2, 0, 1)
        if threshold is not None:
            limit = torch.minimum(torch.tensor(threshold), affinity.max())
            background = (scores.amax(dim=0, keepdim=True) < limit).float()
            scores = torch.cat([background, scores])
        total[:, top : top + side, left : left + side] += scores
        seen[top : top + side, left : left + side] += 1
    assert (seen > 0).all()
    height, width = case.windows.size
    return torch_resize((total / seen)[:, :height, :width], case.size)


def literal_paper_labels(case: PaperCase) -> np.ndarray:
    """The docstring of paper_decode on whole float32 score maps."""
    side, threshold = case.spec.window.size, case.spec.background_threshold
    total = np.zeros((len(case.text) + (threshold is not None), *case.windows.padded_size), np.float32)
    seen = np.zeros(case.windows.padded_size, np.float32)
    for index, (top, left) in enumerate(case.windows.boxes):
        group = bilinear(case.masks[index], (side, side)).argmax(axis=0)
        table = paper_affinity(case.groups[index], case.images[index], case.text, LOGIT_SCALE, case.spec)
        if threshold is not None:
            limit = min(np.float32(threshold), table.max())
            table = np.column_stack([(table.max(axis=1) < limit).astype(np.float32), table])
        total[:, top : top + side, left : left + side] += table[group].transpose(2, 0, 1)
        seen[top : top + side, left : left + side] += 1
    height, width = case.windows.size
    return bilinear((total / seen)[:, :height, :width], case.size).argmax(axis=0)


class TestPaper:
    @settings(deadline=None, max_examples=60)
    @given(
        seeds,
        st.tuples(st.integers(1, 120), st.integers(1, 120)),
        st.integers(1, 12),
        st.integers(1, 6),
        st.one_of(st.none(), st.sampled_from([0.0, 0.35, 0.95, 1.0])),
        st.integers(1, 6),
        st.integers(8, 48),
    )
    def test_is_the_rule(
        self,
        seed: int,
        size: tuple[int, int],
        classes: int,
        groups: int,
        threshold: float | None,
        top: int,
        stride: int,
    ) -> None:
        spec = PaperDecode(
            window=SlidingWindow(size=48, stride=stride, long_side_max=120),
            background_threshold=threshold,
            top_classes=top,
        )
        case = paper_case(seed, size, classes=classes, groups=groups, spec=spec)
        labels = case.run()
        agrees_where_clear(labels, torch_paper_scores(case), margin=1e-4)
        np.testing.assert_array_equal(labels, literal_paper_labels(case))

    @pytest.mark.parametrize("threshold", [None, 0.35, 0.95])
    @pytest.mark.parametrize(
        ("size", "classes"),
        [((300, 700), 21), ((720, 400), 59), ((100, 100), 3), ((1, 200), 21), ((200, 1), 21)],
    )
    def test_at_the_published_window(
        self, size: tuple[int, int], classes: int, threshold: float | None
    ) -> None:
        spec = PaperDecode(
            window=SlidingWindow(size=448, stride=224, long_side_max=2048), background_threshold=threshold
        )
        case = paper_case(7, size, classes=classes, grid=(28, 28), spec=spec)
        labels = case.run()
        scores = torch_paper_scores(case)
        # Groups that resemble no class score next to nothing everywhere, hence not every pixel is clear.
        assert agrees_where_clear(labels, scores, margin=1e-4) > 0.5
        np.testing.assert_array_equal(labels, literal_paper_labels(case))

    def test_a_lead_that_rounding_undoes_is_a_tie(self) -> None:
        rng = np.random.default_rng(0)
        low = rng.uniform(0.5, 1, 6).astype(np.float32)
        scores = np.stack([low, np.nextafter(low, np.float32(2))], axis=1)
        codes = rng.integers(0, 6, (7, 9)).astype(np.int32)
        result = _resized_argmax(codes, scores, (30, 40), np.arange(2))
        assert set(np.unique(result)) == {0, 1}
        expected = bilinear(scores[codes].transpose(2, 0, 1), (30, 40)).argmax(axis=0)
        np.testing.assert_array_equal(result, expected)

    def test_background_is_label_zero(self) -> None:
        case = paper_case(1, (80, 200), spec=decode(background_threshold=0.5))
        result = paper_decode(
            case.windows, case.masks, case.groups, case.images, case.text, LOGIT_SCALE, case.spec, case.size
        )
        assert result.background
        assert {0} < set(np.unique(result.labels)) <= set(range(22))

    def test_the_top_classes_matter(self) -> None:
        labels = [paper_case(1, (80, 200), spec=decode(top_classes=top)).run() for top in (1, 5)]
        assert not np.array_equal(*labels)
        # With one window and one class there is nothing to choose.
        assert np.unique(paper_case(1, (48, 48), spec=decode(top_classes=1)).run()).size == 1

    def test_where_all_scores_vanish_the_lowest_class_wins(self) -> None:
        # The first group is the opposite of the image's only class: its share underflows to 0.
        case = paper_case(0, (48, 48), classes=3, groups=2, spec=decode(top_classes=1))
        a, b = np.eye(32, dtype=np.float32)[:2]
        case.text, case.groups[0], case.images[0] = np.stack([a, b, -a]), np.stack([a, -a]), -a
        scale = math.log(100)
        table = paper_affinity(case.groups[0], case.images[0], case.text, scale, case.spec)
        assert not table[0].any()
        assert table[1].tolist() == [0, 0, 1]
        labels = paper_decode(
            case.windows, case.masks, case.groups, case.images, case.text, scale, case.spec, case.size
        ).labels
        groups = bilinear(case.masks[0], (48, 48)).argmax(axis=0)
        np.testing.assert_array_equal(labels, np.where(groups == 0, 0, 2))

    def test_windows_without_outputs(self) -> None:
        case = paper_case(0, (48, 160))
        case.masks = case.masks[:-1]
        with pytest.raises(EngineError, match="masks"):
            case.run()
