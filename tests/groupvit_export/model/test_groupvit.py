"""The whole model against transformers, in float32 and float64, tiny and full-size."""

from __future__ import annotations

import pytest
import torch

from groupvit_export.model import GroupViTModel, GroupViTTextModel, GroupViTVisionModel, group_masks
from groupvit_export.model.config import GroupViTConfig

# Relative to the output's largest value where that is above 1 (the fixture `difference`): the
# segmentation logits carry the similarity scale twice, which is a factor of 200 and more.
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}


def run_alike(theirs, ours, inputs, **flags):
    """Outputs of both, with equal decisions.

    transformers decides after the softmax, where two logits can round to one probability. Where the
    two decide differently, the token must be such a near-tie, and ours is run with their decisions.
    """
    with torch.no_grad():
        expected = theirs(**inputs, output_hidden_states=True, output_segmentation=True, **flags)
        got = ours(**inputs, output_hidden_states=True, output_segmentation=True, **flags)
        their_softs = expected.vision_model_output.attentions
        forced = tuple(soft.argmax(dim=-2) for soft in their_softs)
        pairs = zip(forced, got.vision_model_output.assignments, strict=True)
        for stage, (their_index, our_index) in enumerate(pairs):
            flipped = their_index != our_index
            if flipped.any():
                top = their_softs[stage].topk(2, dim=-2).values.log()
                assert (top[:, 0] - top[:, 1])[flipped].max() < 1e-5
                return expected, ours(
                    **inputs, output_hidden_states=True, output_segmentation=True, forced=forced, **flags
                )
    return expected, got


def outputs_to_compare(expected, got):
    for name in (
        "loss",
        "logits_per_image",
        "logits_per_text",
        "text_embeds",
        "image_embeds",
        "segmentation_logits",
    ):
        yield name, getattr(got, name), getattr(expected, name)
    vision, their_vision = got.vision_model_output, expected.vision_model_output
    for name in ("last_hidden_state", "pooler_output"):
        yield f"vision {name}", getattr(vision, name), their_vision[name]
    for name in ("hidden_states", "attentions"):
        for i, (mine, other) in enumerate(zip(getattr(vision, name), their_vision[name], strict=True)):
            yield f"vision {name} {i}", mine, other
    for name in ("last_hidden_state", "pooler_output"):
        yield f"text {name}", getattr(got.text_model_output, name), expected.text_model_output[name]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["fp32", "fp64"])
@pytest.mark.parametrize("size", ["tiny", "full"])
def test_every_output_equals_transformers(size, dtype, tiny, make_pair, make_inputs, difference):
    config = tiny() if size == "tiny" else GroupViTConfig()
    theirs, ours = make_pair(config, dtype)
    expected, got = run_alike(theirs, ours, make_inputs(config, dtype), return_loss=True)
    worst = {name: difference(mine, other) for name, mine, other in outputs_to_compare(expected, got)}
    print(f"\n{size} {dtype}: largest difference {max(worst.values()):.1e} ({max(worst, key=worst.get)})")
    assert max(worst.values()) <= TOLERANCE[dtype], worst


@pytest.mark.parametrize("seed", range(5))
def test_other_weights_and_an_odd_batch(seed, tiny, make_pair, make_inputs, difference):
    config = tiny()
    theirs, ours = make_pair(config, seed=seed)
    expected, got = run_alike(theirs, ours, make_inputs(config, batch=5, seed=seed), return_loss=True)
    worst = {name: difference(mine, other) for name, mine, other in outputs_to_compare(expected, got)}
    assert max(worst.values()) <= TOLERANCE[torch.float32], worst


@pytest.mark.parametrize(
    "vision",
    [
        {"num_group_tokens": (6, 0, 4), "num_output_groups": (6, 0, 3)},
        {"num_group_tokens": (0, 6, 5), "num_output_groups": (0, 6, 2)},
        {"num_group_tokens": (9, 4, 0), "num_output_groups": (7, 5, 0)},
        {"depths": (1,), "num_group_tokens": (4,), "num_output_groups": (7,)},
        {"hidden_act": "quick_gelu", "assign_eps": 0.25, "assign_mlp_ratio": (1, 2)},
        {"hidden_act": "gelu_new", "layer_norm_eps": 1e-3, "num_channels": 1},
    ],
)
def test_other_architectures(vision, tiny, make_pair, make_inputs, difference):
    config = tiny(vision=vision)
    theirs, ours = make_pair(config, torch.float64)
    expected, got = run_alike(theirs, ours, make_inputs(config, torch.float64), return_loss=True)
    worst = {name: difference(mine, other) for name, mine, other in outputs_to_compare(expected, got)}
    assert max(worst.values()) <= TOLERANCE[torch.float64], worst


def test_state_dict_is_that_of_transformers(tiny, make_pair):
    config = tiny()
    theirs, ours = make_pair(config)
    shapes = {name: value.shape for name, value in theirs.state_dict().items()}
    assert {name: value.shape for name, value in ours.state_dict().items()} == shapes
    vision = {name for name in shapes if name.startswith("vision_model.")}
    text = {name for name in shapes if name.startswith("text_model.")}
    assert set(GroupViTVisionModel(config.vision_config).state_dict()) == vision
    assert set(GroupViTTextModel(config.text_config).state_dict()) == text


@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_training_has_the_same_noise_outputs_and_gradients(dropout, tiny, make_pair, make_inputs, difference):
    dropped = {"dropout": dropout, "attention_dropout": dropout}
    config = tiny(text=dropped, vision=dropped)
    theirs, ours = make_pair(config, torch.float64)
    inputs = make_inputs(config, torch.float64)
    gradients, losses = [], []
    for model in (theirs.train(), ours.train()):
        torch.manual_seed(7)
        out = model(**inputs, return_loss=True, output_segmentation=True)
        loss = out.loss + out.segmentation_logits.square().mean() * 1e-3
        loss.backward()
        losses.append(loss)
        gradients.append({name: parameter.grad for name, parameter in model.named_parameters()})
    assert difference(losses[1], losses[0]) < 1e-10
    assert gradients[0].keys() == gradients[1].keys()
    for name, expected in gradients[0].items():
        got = gradients[1][name]
        assert expected is not None and got is not None, name
        assert difference(got, expected) < 1e-10, name
    buffers = dict(ours.named_buffers())
    for name, expected in theirs.named_buffers():
        if name in buffers:
            torch.testing.assert_close(buffers[name], expected, rtol=1e-10, atol=1e-12)


def test_gradient_reaches_every_group_token(tiny, make_inputs):
    config = tiny()
    torch.manual_seed(0)
    model = GroupViTModel(config).train()
    model(**make_inputs(config), return_loss=True).loss.backward()
    for name, parameter in model.named_parameters():
        if name.endswith("group_token"):
            # One gradient for all groups is what keeps groups that start equal equal for ever.
            assert parameter.grad.std(dim=1).max() > 0


def test_features_are_not_normalized_and_lead_to_the_embeddings(tiny, make_pair, make_inputs, difference):
    config = tiny()
    theirs, ours = make_pair(config)
    inputs = make_inputs(config)
    text = {name: inputs[name] for name in ("input_ids", "attention_mask")}
    with torch.no_grad():
        out = ours(**inputs)
        text_features = ours.get_text_features(**text)
        image_features = ours.get_image_features(inputs["pixel_values"])
        their_text = theirs.get_text_features(**text)
        their_image = theirs.get_image_features(inputs["pixel_values"])
    # transformers 4 returned the tensor itself.
    assert difference(text_features, getattr(their_text, "pooler_output", their_text)) < 1e-5
    assert difference(image_features, getattr(their_image, "pooler_output", their_image)) < 1e-5
    assert difference(torch.nn.functional.normalize(text_features, dim=-1), out.text_embeds) < 1e-6
    assert difference(torch.nn.functional.normalize(image_features, dim=-1), out.image_embeds) < 1e-6


def test_group_features_are_projected_row_by_row(tiny, make_pair, make_inputs, difference):
    config = tiny()
    _, ours = make_pair(config, torch.float64)
    pixels = make_inputs(config, torch.float64, batch=2)["pixel_values"]
    with torch.no_grad():
        groups = ours.get_group_features(pixels)
        tokens = ours.vision_model(pixels).last_hidden_state
        by_hand = torch.stack([ours.visual_projection(image) for image in tokens])
    assert groups.shape == (2, config.vision_config.num_output_groups[-1], config.projection_dim)
    assert difference(groups, by_hand) < 1e-12


def test_flags_default_to_off_and_segmentation_to_the_configuration(tiny, make_inputs):
    inputs = make_inputs(tiny())
    plain = GroupViTModel(tiny()).eval()(**inputs)
    assert plain.loss is None and plain.segmentation_logits is None
    assert plain.vision_model_output.attentions is None and plain.vision_model_output.hidden_states is None
    assert plain.text_model_output.attentions is None and plain.text_model_output.hidden_states is None
    assert len(plain.vision_model_output.assignments) == 2
    model = GroupViTModel(tiny(output_segmentation=True)).eval()
    assert model(**inputs).segmentation_logits is not None
    assert model(**inputs, output_segmentation=False).segmentation_logits is None


def test_forced_with_own_decisions_changes_nothing_and_with_others_does(tiny, make_pair, make_inputs):
    config = tiny()
    _, ours = make_pair(config)
    inputs = make_inputs(config)
    with torch.no_grad():
        free = ours(**inputs, output_segmentation=True)
        own = free.vision_model_output.assignments
        same = ours(**inputs, output_segmentation=True, forced=own)
        partly = ours(**inputs, output_segmentation=True, forced=(own[0], None))
        other = ours(**inputs, output_segmentation=True, forced=((own[0] + 1) % 6, None))
    for replay in (same, partly):
        assert torch.equal(free.segmentation_logits, replay.segmentation_logits)
        assert torch.equal(free.image_embeds, replay.image_embeds)
    assert not torch.allclose(free.image_embeds, other.image_embeds)
    # The first soft map comes from the logits, which were computed before anything was forced.
    assert torch.equal(free.vision_model_output.attentions[0], other.vision_model_output.attentions[0])
    assert torch.equal(other.vision_model_output.assignments[0], (own[0] + 1) % 6)


def test_other_numbers_of_captions_and_images(tiny, make_inputs):
    config = tiny()
    model = GroupViTModel(config).eval()
    inputs = make_inputs(config, batch=3)
    inputs["pixel_values"] = inputs["pixel_values"][:2]
    out = model(**inputs, output_segmentation=True)
    assert out.logits_per_image.shape == (2, 3)
    assert out.segmentation_logits.shape == (2, 3, 32, 32)
    with pytest.raises(ValueError, match="as many captions as images"):
        model(**inputs, return_loss=True)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_decides_in_float32(dtype, tiny, make_inputs):
    config = tiny()
    inputs = make_inputs(config, dtype)
    model = GroupViTModel(config).eval().to(dtype)
    with torch.no_grad():
        out = model(**inputs, output_segmentation=True)
    assert all(soft.dtype == torch.float32 for soft in out.vision_model_output.attentions)
    assert out.vision_model_output.last_hidden_state.dtype == dtype
    assert out.segmentation_logits.dtype == torch.float32
    for soft, index in zip(
        out.vision_model_output.attentions, out.vision_model_output.assignments, strict=True
    ):
        # A softmax may tie two logits, never reverse them.
        chosen = soft.gather(-2, index.unsqueeze(-2)).squeeze(-2)
        assert torch.equal(chosen, soft.amax(dim=-2))


def test_group_masks_are_the_product_of_the_soft_maps():
    torch.manual_seed(0)
    first = torch.randn(2, 5, 12, dtype=torch.float64).softmax(dim=1)
    second = torch.randn(2, 3, 5, dtype=torch.float64).softmax(dim=1)
    masks = group_masks((first, second), (3, 4))
    assert masks.shape == (2, 3, 3, 4)
    torch.testing.assert_close(masks.sum(dim=1), torch.ones(2, 3, 4, dtype=torch.float64))
    by_hand = sum(second[1, 2, g] * first[1, g, 1 * 4 + 3] for g in range(5))
    torch.testing.assert_close(masks[1, 2, 1, 3], by_hand)


def test_group_masks_refuses_another_grid():
    with pytest.raises(ValueError, match="12 patches, expected 3 x 5"):
        group_masks((torch.zeros(1, 2, 12),), (3, 5))
    with pytest.raises(ValueError, match="no soft map"):
        group_masks((), (3, 5))


def test_segmentation_of_a_wide_image_uses_the_known_grid(tiny, make_pair, make_inputs):
    """The mask of a patch lies where the patch is, which a grid guessed from a count cannot promise."""
    config = tiny()
    _, ours = make_pair(config)
    inputs = make_inputs(config, batch=1)
    inputs["pixel_values"] = torch.randn(1, 3, 16, 72)
    with torch.no_grad():
        out = ours(**inputs, output_segmentation=True)
        vision = out.vision_model_output
        groups = torch.nn.functional.normalize(ours.project_groups(vision.last_hidden_state), dim=-1)
        masks = group_masks(vision.attentions, (2, 9))
        pixels = torch.nn.functional.interpolate(masks, size=(16, 72), mode="bilinear", align_corners=False)
        scale = ours.logit_scale.exp()
        by_hand = torch.einsum("igd,td,ighw->ithw", groups, out.text_embeds, pixels) * scale**2
    assert vision.grid == (2, 9)
    torch.testing.assert_close(out.segmentation_logits, by_hand, rtol=1e-5, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("strict", [False, True])
def test_captures_with_a_dynamic_batch(strict, tiny, make_pair, make_inputs):
    config = tiny()
    _, ours = make_pair(config)
    batch = torch.export.Dim("batch")
    inputs = make_inputs(config, batch=2)
    flags = {"output_segmentation": True}
    program = torch.export.export(
        ours,
        (),
        kwargs={**inputs, **flags},
        dynamic_shapes={**{name: {0: batch} for name in inputs}, "output_segmentation": None},
        strict=strict,
    )
    more = make_inputs(config, batch=5, seed=3)
    with torch.no_grad():
        got, expected = program.module()(**more, **flags), ours(**more, **flags)
    torch.testing.assert_close(got.segmentation_logits, expected.segmentation_logits)
    for mine, other in zip(
        got.vision_model_output.assignments, expected.vision_model_output.assignments, strict=True
    ):
        assert torch.equal(mine, other)
