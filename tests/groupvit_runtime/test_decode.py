"""Decoding against PyTorch, and against the written definitions bit by bit.

The PyTorch oracles round differently, so they are compared where the winner leads by more than rounding;
the literal oracles carry out the docstrings' arithmetic on every pixel and have to agree everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from groupvit_runtime.contract import IMAGENET_MEAN, IMAGENET_STD, PaperDecode, Preprocessing, SlidingWindow
from groupvit_runtime.decode import (
    hf_decode,
    hf_groups,
    hf_logits,
    hf_scores,
    paper_affinity,
    paper_decode,
)
from groupvit_runtime.errors import EngineError, LabelError
from groupvit_runtime.paper import _resized_argmax
from groupvit_runtime.preprocess import Windows, prepare_windows
from groupvit_runtime.resize import bilinear, composed_matrix
from groupvit_runtime.upsampled_argmax import upsampled_argmax

LOGIT_SCALE = math.log(14.3)
seeds = st.integers(0, 2**32 - 1)


def soft_maps(rng: np.random.Generator, *shape: int, sharpness: float = 2.0) -> np.ndarray:
    """Random soft maps [..., G, gh, gw]: a softmax over groups."""
    powers = np.exp(sharpness * rng.standard_normal(shape))
    return (powers / powers.sum(axis=-3, keepdims=True)).astype(np.float32)


def embeddings(rng: np.random.Generator, *shape: int) -> np.ndarray:
    values = rng.standard_normal(shape)
    return (values / np.linalg.norm(values, axis=-1, keepdims=True)).astype(np.float32)


def agrees_where_clear(labels: np.ndarray, scores: torch.Tensor, margin: float) -> float:
    """Assert that labels are the argmax of ``scores`` [K, h, w] up to rounding; the share that was clear."""
    assert labels.dtype == np.uint16
    expected = scores.argmax(dim=0).numpy()
    assert labels.shape == expected.shape
    if len(scores) == 1:
        clear = np.ones(labels.shape, bool)
    else:
        best, second = scores.topk(2, dim=0).values
        clear = (best - second > margin).numpy()
    assert (labels == expected)[clear].all()
    return float(clear.mean())


def torch_resize(array: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    return F.interpolate(array[None], size=size, mode="bilinear", align_corners=False)[0]


class TestUpsampledArgmax:
    @staticmethod
    def literal(scores: np.ndarray, size: tuple[int, int], through: tuple[int, int]) -> np.ndarray:
        def along_last(values: np.ndarray, matrix: np.ndarray) -> np.ndarray:
            outputs = []
            for row in matrix:
                nodes = np.flatnonzero(row)
                value = values[..., nodes[0]].copy()
                for node in nodes[1:]:
                    value += row[node] * (values[..., node] - values[..., nodes[0]])
                outputs.append(value)
            return np.stack(outputs, axis=-1)

        columns = along_last(scores, composed_matrix(scores.shape[2], through[1], size[1]))
        rows = along_last(columns.swapaxes(1, 2), composed_matrix(scores.shape[1], through[0], size[0]))
        return rows.swapaxes(1, 2).argmax(axis=0)

    @settings(deadline=None, max_examples=150)
    @given(
        seeds,
        st.integers(1, 12),
        st.tuples(st.integers(1, 6), st.integers(1, 6)),
        st.tuples(st.integers(1, 40), st.integers(1, 40)),
        st.one_of(st.none(), st.tuples(st.integers(1, 60), st.integers(1, 60))),
        st.sampled_from(["smooth", "integers", "equal", "nearly equal"]),
    )
    def test_is_the_definition_to_the_bit(
        self,
        seed: int,
        channels: int,
        grid: tuple[int, int],
        size: tuple[int, int],
        through: tuple[int, int] | None,
        kind: str,
    ) -> None:
        rng = np.random.default_rng(seed)
        shape = (channels, *grid)
        scores = {
            "smooth": lambda: rng.standard_normal(shape),
            # Few values, so that ties abound.
            "integers": lambda: rng.integers(-1, 2, shape),
            "equal": lambda: np.broadcast_to(rng.standard_normal(grid), shape),
            "nearly equal": lambda: 0.1 + 1e-7 * rng.standard_normal(shape),
        }[kind]().astype(np.float32)
        result = upsampled_argmax(scores, size, through=through)
        assert result.dtype == np.uint16
        np.testing.assert_array_equal(result, self.literal(scores, size, through or size))

    @pytest.mark.parametrize("channels", [21, 171, 300])
    def test_realistic_sizes(self, channels: int) -> None:
        rng = np.random.default_rng(channels)
        scores = np.einsum(
            "kg,gyx->kyx", rng.standard_normal((channels, 8)), soft_maps(rng, 8, 14, 14)
        ).astype(np.float32)
        result = upsampled_argmax(scores, (240, 333), through=(224, 224))
        np.testing.assert_array_equal(result, self.literal(scores, (240, 333), (224, 224)))

    def test_large_vocabularies_in_blocks_of_columns(self) -> None:
        scores = np.random.default_rng(0).standard_normal((4000, 3, 5)).astype(np.float32)
        result = upsampled_argmax(scores, (20, 130), through=(48, 80))
        np.testing.assert_array_equal(result, self.literal(scores, (20, 130), (48, 80)))
        assert result.max() > 255

    def test_a_lead_that_rounding_undoes_is_a_tie(self) -> None:
        # The upper channel leads by one unit in the last place at every node; interpolated, often by none.
        low = np.random.default_rng(0).uniform(0.5, 1, (3, 4)).astype(np.float32)
        scores = np.stack([low, np.nextafter(low, np.float32(2))])
        result = upsampled_argmax(scores, (60, 80), through=(48, 64))
        assert set(np.unique(result)) == {0, 1}
        np.testing.assert_array_equal(result, self.literal(scores, (60, 80), (48, 64)))

    @pytest.mark.parametrize(
        ("near", "far", "other"),
        # From the second node towards the first; and from the first, where floats grow coarser at 0.5.
        [((0.5, 0.9), (5e-5, 0), (0.8, 0.1)), ((0.49999997, 0.8), (0, 5e-5), (0.1, 0.95))],
    )
    def test_a_tie_close_to_a_node(
        self, near: tuple[float, float], far: tuple[float, float], other: tuple[float, float]
    ) -> None:
        # Channel 0 ties with channel 1 by rounding next to a node, and is beaten clearly further away.
        winner = np.array(near, np.float32)
        loser = np.nextafter(winner, np.float32(0)) - np.array(far, np.float32)
        scores = np.stack([loser, winner, np.array(other, np.float32)])[:, :, None]
        result = upsampled_argmax(scores, (40_000, 1))
        assert set(np.unique(result)) == {0, 1, 2}
        np.testing.assert_array_equal(result, self.literal(scores, (40_000, 1), (40_000, 1)))

    def test_the_lowest_channel_wins_ties(self) -> None:
        scores = np.zeros((5, 2, 3), np.float32)
        scores[2:4] = 1
        assert (upsampled_argmax(scores, (7, 9)) == 2).all()


@dataclass
class Outputs:
    masks: np.ndarray
    groups: np.ndarray
    text: np.ndarray


def engine_outputs(
    seed: int, classes: int = 21, groups: int = 8, grid: tuple[int, int] = (14, 14)
) -> Outputs:
    rng = np.random.default_rng(seed)
    return Outputs(soft_maps(rng, groups, *grid), embeddings(rng, groups, 64), embeddings(rng, classes, 64))


def transformers_logits(o: Outputs, pixel_size: tuple[int, int]) -> torch.Tensor:
    """The last lines of GroupViTModel.forward, in float64."""
    scale = torch.tensor(LOGIT_SCALE, dtype=torch.float64).exp()
    grouping = torch_resize(torch.from_numpy(o.masks).double(), pixel_size)
    logits_per_group = torch.from_numpy(o.text).double() @ torch.from_numpy(o.groups).double().T * scale
    logits = logits_per_group @ grouping.flatten(1) * scale
    return logits.reshape(-1, *pixel_size)


class TestHuggingFace:
    @settings(deadline=None, max_examples=40)
    @given(seeds, st.integers(1, 30), st.integers(1, 9), st.integers(1, 130), st.integers(1, 130))
    def test_is_transformers_formula(
        self, seed: int, classes: int, groups: int, height: int, width: int
    ) -> None:
        o = engine_outputs(seed, classes, groups, grid=(3, 5))
        logits = transformers_logits(o, (48, 80))
        result = hf_logits(o.masks, o.groups, o.text, LOGIT_SCALE, (48, 80))
        assert result.dtype == np.float32
        np.testing.assert_allclose(result, logits, atol=1e-3, rtol=1e-5)

        labels = hf_decode(o.masks, o.groups, o.text, (48, 80), (height, width))
        agrees_where_clear(labels, torch_resize(logits, (height, width)), margin=2e-3)

    @pytest.mark.parametrize("size", [(480, 640), (112, 112), (1, 1), (1, 700), (700, 1), (333, 225)])
    def test_pictures(self, size: tuple[int, int]) -> None:
        o = engine_outputs(3)
        labels = hf_decode(o.masks, o.groups, o.text, (224, 224), size)
        clear = agrees_where_clear(
            labels, torch_resize(transformers_logits(o, (224, 224)), size), margin=2e-3
        )
        assert clear > 0.99

    def test_the_model_itself(self) -> None:
        from transformers import GroupViTModel
        from transformers.models.groupvit.configuration_groupvit import GroupViTConfig

        text = {
            "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2,
            "vocab_size": 50, "eos_token_id": 49,
        }  # fmt: skip
        vision = {
            "hidden_size": 32, "intermediate_size": 64, "depths": [1, 1, 1], "num_hidden_layers": 3,
            "num_group_tokens": [8, 4, 0], "num_output_groups": [8, 4, 0], "num_attention_heads": 2,
            "image_size": 64, "patch_size": 16,
        }  # fmt: skip
        torch.manual_seed(0)
        config = GroupViTConfig(text_config=text, vision_config=vision)
        model = GroupViTModel(config).eval()
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if "group_token" in name or "position" in name or parameter.ndim > 1:
                    parameter.normal_(std=0.3)
            inputs = {
                "input_ids": torch.tensor([[1, 2, 49], [3, 4, 49], [5, 6, 49]]),
                "pixel_values": torch.randn(1, 3, 64, 64),
            }
            output = model(**inputs, output_segmentation=True)
            vision_output = model.vision_model(
                inputs["pixel_values"], output_attentions=True, return_dict=True
            )
            # The parts that an engine gives: soft maps on the patch grid and group embeddings.
            soft = None
            for attention in vision_output.attentions:
                step = attention.permute(0, 2, 1)
                soft = step if soft is None else soft @ step
            masks = soft[0].T.reshape(-1, 4, 4).contiguous().numpy()
            groups = F.normalize(model.visual_projection(vision_output[0][0]), dim=-1).numpy()
            text_embeds = output.text_embeds.numpy()
        scale = float(model.logit_scale.detach())
        expected = output.segmentation_logits[0]
        result = hf_logits(masks, groups, text_embeds, scale, (64, 64))
        np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))
        labels = hf_decode(masks, groups, text_embeds, (64, 64), (90, 120))
        margin = 1e-4 * float(expected.abs().max())
        assert agrees_where_clear(labels, torch_resize(expected, (90, 120)), margin) > 0.9

    @settings(deadline=None, max_examples=40)
    @given(seeds, st.integers(1, 9), st.integers(1, 130), st.integers(1, 130))
    def test_groups_are_the_largest_soft_maps(self, seed: int, groups: int, height: int, width: int) -> None:
        masks = soft_maps(np.random.default_rng(seed), groups, 3, 5)
        up = torch_resize(torch_resize(torch.from_numpy(masks), (48, 80)), (height, width))
        agrees_where_clear(hf_groups(masks, (48, 80), (height, width)), up, margin=1e-4)

    def test_scores_are_the_mixture_on_the_grid(self) -> None:
        o = engine_outputs(5)
        exact = (o.text.astype(np.float64) @ o.groups.T) @ o.masks.reshape(8, -1).astype(np.float64)
        scores = hf_scores(o.masks, o.groups, o.text)
        assert scores.dtype == np.float32
        np.testing.assert_allclose(scores.reshape(21, -1), exact, atol=2e-7)


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
    windows: Windows
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
    whiten = Preprocessing(resize="short_side", antialias=False, mean=IMAGENET_MEAN, std=IMAGENET_STD)
    windows = prepare_windows(np.zeros((*size, 3), np.uint8), whiten, spec.window)
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
        result = _resized_argmax(codes, scores, (30, 40))
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
        # The first group is the opposite of the picture's only class: its share underflows to 0.
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


def broken(change: Callable[[dict[str, np.ndarray]], None]) -> dict[str, np.ndarray]:
    o = engine_outputs(0)
    arrays = {"masks": o.masks, "group_embeds": o.groups, "text_embeds": o.text}
    change(arrays)
    return arrays


class TestRefusals:
    @pytest.mark.parametrize("value", [np.nan, np.inf])
    @pytest.mark.parametrize(
        ("name", "error"),
        [("masks", EngineError), ("group_embeds", EngineError), ("text_embeds", LabelError)],
    )
    def test_values_that_are_not_finite(self, name: str, error: type[Exception], value: float) -> None:
        arrays = broken(lambda arrays: arrays[name].__setitem__((0, 0), value))
        with pytest.raises(error, match="infinite"):
            hf_decode(**arrays, pixel_size=(224, 224), out_size=(10, 10))

    @pytest.mark.parametrize(
        ("name", "error", "shape"),
        [
            ("masks", EngineError, (8, 14)),
            ("masks", EngineError, (7, 14, 14)),
            ("masks", EngineError, (8, 0, 14)),
            ("group_embeds", EngineError, (8,)),
            ("text_embeds", LabelError, (0, 64)),
            ("text_embeds", LabelError, (4, 63)),
            ("text_embeds", LabelError, (64,)),
        ],
    )
    def test_shapes(self, name: str, error: type[Exception], shape: tuple[int, ...]) -> None:
        arrays = broken(lambda arrays: arrays.__setitem__(name, np.zeros(shape, np.float32)))
        with pytest.raises(error):
            hf_decode(**arrays, pixel_size=(224, 224), out_size=(10, 10))

    def test_half_precision_outputs(self) -> None:
        arrays = broken(lambda arrays: arrays.__setitem__("masks", arrays["masks"].astype(np.float16)))
        with pytest.raises(EngineError, match="float16"):
            hf_decode(**arrays, pixel_size=(224, 224), out_size=(10, 10))
        with pytest.raises(EngineError, match="float16"):
            hf_groups(arrays["masks"], (224, 224), (10, 10))

    def test_windows_without_outputs(self) -> None:
        case = paper_case(0, (48, 160))
        case.masks = case.masks[:-1]
        with pytest.raises(EngineError, match="masks"):
            case.run()
