"""Graph passes: each keeps the function, and what it says is gone is gone from the captured graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from groupvit_export.errors import UsageError
from groupvit_export.graph.capture import capture_image_encoder
from groupvit_export.graph.embeds import JointEmbeds, SeparateEmbeds
from groupvit_export.graph.encoders import ImageEncoder
from groupvit_export.graph.mixer import LeftMixer
from groupvit_export.graph.passes import PASSES, apply_passes, check_passes, select_passes
from groupvit_export.model import GroupViTModel
from groupvit_export.model.config import GroupViTConfig, GroupViTTextConfig, GroupViTVisionConfig
from groupvit_export.model.layers import MixerMLP
from groupvit_export.verification.reference import image_outputs

SIZE = (32, 48)


@pytest.fixture(scope="module")
def model() -> GroupViTModel:
    """Three stages, two of them with groups, and no parameter or statistic at its usual start."""
    torch.manual_seed(5)
    vision = GroupViTVisionConfig(
        hidden_size=24,
        intermediate_size=40,
        depths=(2, 1, 1),
        num_group_tokens=(6, 4, 0),
        num_output_groups=(6, 4, 0),
        num_attention_heads=3,
        image_size=64,
        patch_size=16,
        assign_mlp_ratio=(0.5, 2),
    )
    text = GroupViTTextConfig(vocab_size=30, hidden_size=16, intermediate_size=16, num_attention_heads=2)
    config = GroupViTConfig(
        vision_config=vision, text_config=text, projection_dim=16, projection_intermediate_dim=20
    )
    model = GroupViTModel(config).double().eval()
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            positive = isinstance(module, nn.LayerNorm | nn.BatchNorm1d) and name == "weight"
            nn.init.normal_(parameter, mean=1.0 if positive else 0.0, std=0.3)
        if isinstance(module, nn.BatchNorm1d):
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.2, 3.0)
    return model


def changed(model: GroupViTModel, names: Sequence[str]) -> ImageEncoder:
    encoder = ImageEncoder(model, SIZE)
    apply_passes(encoder, names)
    return encoder


def outputs_of(encoder: ImageEncoder, pixels: torch.Tensor) -> dict[str, np.ndarray]:
    with torch.no_grad():
        return {n: v.numpy() for n, v in zip(encoder.output_names(), encoder(pixels), strict=True)}


@pytest.mark.parametrize("names", [*([name] for name in PASSES), list(PASSES), []], ids=" ".join)
def test_the_function_is_kept(model: GroupViTModel, names: list[str]) -> None:
    pixels = torch.randn(3, 3, *SIZE, dtype=torch.float64)
    with torch.no_grad():
        expected = image_outputs(model, pixels)
    found = outputs_of(changed(model, names), pixels)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        if name.startswith("assignment_"):
            assert np.array_equal(found[name], value), name
        else:
            assert np.abs(found[name] - value).max() <= 1e-12 * np.abs(value).max(), name


def starting_tokens(encoder: ImageEncoder, pixels: torch.Tensor) -> torch.Tensor:
    """[B, N + K, C] that go into the first layer."""
    seen: list[torch.Tensor] = []
    first = encoder.vision_model.encoder.stages[0].layers[0]
    handle = first.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    outputs_of(encoder, pixels)
    handle.remove()
    return seen[0]


def test_what_is_called_exact_is_exact(model: GroupViTModel) -> None:
    """Where the pass acts, no sum has more than two terms; what follows is the same in both."""
    assert [name for name, item in PASSES.items() if item.ulp == 0] == ["precompute_start"]
    assert PASSES["precompute_start"].summary.endswith("; exact")
    pixels = torch.randn(2, 3, *SIZE, dtype=torch.float64)
    before, after = (starting_tokens(changed(model, names), pixels) for names in ([], ["precompute_start"]))
    assert torch.equal(before, after)


def mixers(config: GroupViTVisionConfig) -> tuple[torch.Tensor, torch.Tensor]:
    mixer = MixerMLP(config, 64, 32, 64).double()
    tokens = torch.randn(3, 64, config.hidden_size, dtype=torch.float64)
    return mixer(tokens), LeftMixer(mixer)(tokens)


def projections(config: GroupViTVisionConfig) -> tuple[torch.Tensor, torch.Tensor]:
    wide, narrow = 4096, 256
    layers = nn.Linear(config.hidden_size, wide), nn.BatchNorm1d(wide), nn.ReLU(), nn.Linear(wide, narrow)
    projection = nn.Sequential(*layers).double().eval()
    groups = torch.randn(2, 8, config.hidden_size, dtype=torch.float64)
    before, after = (
        torch.cat([item.flatten() for item in form(projection, groups.mean(dim=1), groups)])
        for form in (SeparateEmbeds(), JointEmbeds())
    )
    return before, after


REORDERED = {"fold_mixer_transposes": mixers, "project_jointly": projections}


@pytest.mark.parametrize("name", [name for name, item in PASSES.items() if item.ulp])
def test_what_only_reorders_sums_is_as_near_as_it_says(name: str) -> None:
    """At the published sizes; which order a library takes depends on the processor."""
    torch.manual_seed(0)
    config, ulp = GroupViTVisionConfig(), PASSES[name].ulp
    assert ulp is not None and PASSES[name].summary.endswith(f"; within {ulp} ulp")
    with torch.no_grad():
        before, after = REORDERED[name](config)
    found = ((after - before).abs().max() / (before.abs().max() * torch.finfo(torch.float64).eps)).item()
    print(f"\n{name}: {found:.2f} ulp of at most {ulp}", end=" ")
    assert found <= ulp


@pytest.mark.parametrize("name", PASSES)
def test_it_works_without_any_other_and_last(model: GroupViTModel, name: str) -> None:
    """Leaving one out must not need the others to be left out."""
    pixels = torch.randn(1, 3, *SIZE, dtype=torch.float64)
    with torch.no_grad():
        expected = image_outputs(model, pixels)
    found = outputs_of(changed(model, select_passes([name])), pixels)
    np.testing.assert_allclose(found["group_embeds"], expected["group_embeds"], atol=1e-12)


@pytest.mark.parametrize("name", PASSES)
def test_the_reference_is_not_changed(model: GroupViTModel, name: str) -> None:
    before = {key: value.clone() for key, value in model.state_dict().items()}
    encoder = changed(model, [name])
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.zero_()
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key]), key


@pytest.fixture(scope="module")
def graphs(model: GroupViTModel) -> Mapping[str, onnx.ModelProto]:
    """Captured with none and with all."""
    return {
        name: capture_image_encoder(changed(model, passes).float())
        for name, passes in (("none", []), ("all", list(PASSES)))
    }


def ops(graph: onnx.ModelProto) -> Counter[str]:
    return Counter(node.op_type for node in graph.graph.node)


def weight_of(graph: onnx.ModelProto, name: str) -> np.ndarray:
    return numpy_helper.to_array(next(t for t in graph.graph.initializer if t.name == name))


# Four layers, two grouping blocks, one group projector.
GONE: Mapping[str, Mapping[str, int]] = {
    "fold_projections": {"MatMul": 2 * 2},
    "fold_layer_norm": {},
    "fold_batch_norm": {"BatchNormalization": 2},
    "fuse_qkv": {"MatMul": 4 * 2 + 2, "Mul": 4 + 2, "Reshape": 4 * 2 + 2, "Transpose": 4},
    "fold_mixer_transposes": {"Transpose": 3 * 2},
    "fold_positions": {},
    "precompute_start": {"Expand": 1, "Shape": 1, "Concat": 2},
    "project_jointly": {"Gemm": 2, "Relu": 1},
}


def test_the_nodes_are_gone(graphs) -> None:
    gone = sum((Counter(kinds) for kinds in GONE.values()), Counter[str]())
    # Joining the image to the groups costs one node of this kind.
    gone["Concat"] -= 1
    before, after = ops(graphs["none"]), ops(graphs["all"])
    assert {kind: before[kind] - after[kind] for kind in gone} == gone
    assert after.total() < 0.85 * before.total()


@pytest.mark.slow
@pytest.mark.parametrize("name", PASSES)
def test_a_pass_alone_removes_its_nodes(model: GroupViTModel, graphs, name: str) -> None:
    before, after = ops(graphs["none"]), ops(capture_image_encoder(changed(model, [name]).float()))
    for kind, count in GONE[name].items():
        assert before[kind] - after[kind] == count, kind
    assert after.total() <= before.total()


def test_layer_norms_before_a_linear_layer_have_neither_weight_nor_bias(graphs) -> None:
    def plain(graph: onnx.ModelProto) -> int:
        norms = [node for node in graph.graph.node if node.op_type == "LayerNormalization"]
        return sum(len(node.input) == 2 and (weight_of(graph, node.input[1]) == 1).all() for node in norms)

    # Two a layer, two a grouping block, and the last one.
    assert plain(graphs["none"]) == 0
    assert plain(graphs["all"]) == 4 * 2 + 2 * 2 + 1
    assert ops(graphs["all"])["LayerNormalization"] == ops(graphs["none"])["LayerNormalization"]


def test_the_layer_norm_of_the_patches_has_no_bias(graphs) -> None:
    for name, inputs in (("none", 3), ("all", 2)):
        first = next(node for node in graphs[name].graph.node if node.op_type == "LayerNormalization")
        assert len(first.input) == inputs


def test_one_constant_holds_positions_and_group_tokens(graphs, model: GroupViTModel) -> None:
    graph = graphs["all"]
    pad = next(node for node in graph.graph.node if node.op_type == "Pad")
    (add,) = (node for node in graph.graph.node if pad.output[0] in node.input)
    constant = weight_of(graph, next(name for name in add.input if name != pad.output[0]))
    tokens = model.vision_model.encoder.stages[0].group_token
    assert tokens is not None
    assert constant.shape == (1, 2 * 3 + tokens.shape[1], 24)
    np.testing.assert_array_equal(constant[:, 2 * 3 :], tokens.float().numpy(force=True))


def test_passes_are_chosen_by_name() -> None:
    assert select_passes([]) == tuple(PASSES)
    assert "fold_projections" not in select_passes(["fold_projections"])
    with pytest.raises(UsageError, match="unknown graph pass"):
        select_passes(["fold_everything"])
    with pytest.raises(UsageError, match="fold_everything"):
        check_passes(["fold_everything"])
