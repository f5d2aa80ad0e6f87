"""The hf decode against transformers' formula in PyTorch, and what it refuses.

The PyTorch oracles round differently, so they are compared where the winner leads by more than rounding;
the literal oracles carry out the docstrings' arithmetic on every pixel and have to agree everywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from decoding_support import LOGIT_SCALE, agrees_where_clear, embeddings, seeds, soft_maps, torch_resize
from hypothesis import given, settings
from hypothesis import strategies as st

from groupvit_runtime.decode import hf_decode, hf_groups, hf_logits, hf_scores
from groupvit_runtime.errors import EngineError, LabelError


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
    def test_images(self, size: tuple[int, int]) -> None:
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
            soft: Any = None
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
