"""The vision tower: positions at any size, and stages against transformers at sizes it was not built for."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from groupvit_export.model import GroupViTModel, GroupViTVisionModel, group_masks
from groupvit_export.model.config import GroupViTConfig
from groupvit_export.model.layers import ACTIVATION_FUNCTIONS

transformers = pytest.importorskip("transformers")
modeling = pytest.importorskip("transformers.models.groupvit.modeling_groupvit")


@pytest.mark.parametrize("size", [(32, 32), (48, 48), (24, 64), (72, 40), (8, 8)])
def test_positions_equal_transformers_interpolation(size, tiny, make_pair, difference):
    theirs, ours = make_pair(tiny())
    pixels = torch.randn(2, 3, *size)
    with torch.no_grad():
        got = ours.vision_model.embeddings(pixels)
        expected = theirs.vision_model.embeddings(pixels, interpolate_pos_encoding=True)
    assert difference(got, expected) < 1e-5


@pytest.mark.parametrize("size", [(448, 448), (448, 672)])
def test_positions_of_the_full_size_model(size, difference):
    config = GroupViTConfig().vision_config
    embeddings = modeling.GroupViTVisionEmbeddings(transformers.GroupViTVisionConfig())
    with torch.no_grad():
        embeddings.position_embeddings.normal_()
    ours = GroupViTVisionModel(config).vision_model.embeddings
    ours.load_state_dict(embeddings.state_dict())
    pixels = torch.randn(1, 3, *size)
    with torch.no_grad():
        assert difference(ours(pixels), embeddings(pixels, interpolate_pos_encoding=True)) < 1e-5


@pytest.mark.parametrize("size", [(24, 64), (56, 32)])
def test_stages_at_another_size_equal_transformers_built_for_it(size, tiny, make_pair, difference):
    """transformers cannot run other sizes; one built for the size, with resized positions, can."""
    config = tiny()
    _, ours = make_pair(config, torch.float64)
    native = transformers.GroupViTVisionModel(
        transformers.GroupViTVisionConfig(**{**config.vision_config.to_dict(), "image_size": list(size)})
    ).double()
    weights = {f"vision_model.{name}": value for name, value in ours.vision_model.state_dict().items()}
    grid = (size[0] // 8, size[1] // 8)
    weights["vision_model.embeddings.position_embeddings"] = ours.vision_model.embeddings.positions(grid)
    native.load_state_dict(weights)
    pixels = torch.randn(3, 3, *size, dtype=torch.float64)
    with torch.no_grad():
        expected = native.eval()(pixels, output_attentions=True, output_hidden_states=True)
        got = ours.vision_model(pixels, output_attentions=True, output_hidden_states=True)
    assert got.grid == grid
    assert difference(got.last_hidden_state, expected.last_hidden_state) < 1e-10
    for name in ("hidden_states", "attentions"):
        for mine, other in zip(getattr(got, name), expected[name], strict=True):
            assert difference(mine, other) < 1e-10


def test_trained_on_a_image_that_is_not_square(tiny, make_pair, make_inputs, difference):
    config = tiny(vision={"image_size": (24, 40)})
    theirs, ours = make_pair(config, torch.float64)
    pixels = make_inputs(config, torch.float64)["pixel_values"]
    with torch.no_grad():
        got, expected = ours.vision_model(pixels), theirs.vision_model(pixels)
        wider = ours.vision_model(torch.randn(1, 3, 24, 80, dtype=torch.float64))
    assert got.grid == (3, 5)
    assert difference(got.pooler_output, expected.pooler_output) < 1e-10
    assert wider.grid == (3, 10)


@pytest.fixture(scope="module")
def tiny_model(tiny) -> GroupViTModel:
    torch.manual_seed(0)
    return GroupViTModel(tiny()).eval()


@settings(max_examples=25, deadline=None)
@given(rows=st.integers(1, 9), columns=st.integers(1, 9), batch=st.integers(1, 3))
def test_any_size_in_multiples_of_the_patch(rows, columns, batch, tiny_model):
    with torch.no_grad():
        out = tiny_model(
            torch.tensor([[5, 39], [39, 0]]),
            torch.randn(batch, 3, rows * 8, columns * 8),
            output_segmentation=True,
        )
    vision = out.vision_model_output
    assert vision.grid == (rows, columns)
    assert out.segmentation_logits.shape == (batch, 2, rows * 8, columns * 8)
    assert torch.isfinite(out.segmentation_logits).all()
    masks = group_masks(vision.attentions, vision.grid)
    assert masks.shape == (batch, 4, rows, columns)
    torch.testing.assert_close(masks.sum(dim=1), torch.ones(batch, rows, columns))
    assert vision.assignments[0].shape == (batch, rows * columns)
    assert vision.assignments[1].shape == (batch, 6)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((1, 3, 30, 32), "30x32"),
        ((1, 3, 32, 33), "multiples of the patch size 8"),
        ((1, 3, 0, 32), "0x32"),
        ((3, 32, 32), "expected \\[batch, channels, height, width\\]"),
    ],
)
def test_images_that_cannot_be_cut_are_refused(shape, message, tiny):
    with pytest.raises(ValueError, match=message):
        GroupViTVisionModel(tiny().vision_config)(torch.zeros(shape))


@pytest.mark.parametrize("forced", [(), (None,), (None, None, None), torch.zeros(1, 16, dtype=torch.int64)])
def test_forced_needs_an_entry_for_each_grouping_stage(forced, tiny):
    with pytest.raises(ValueError, match="expected 2: a tensor or None for each grouping stage"):
        GroupViTVisionModel(tiny().vision_config)(torch.zeros(1, 3, 32, 32), forced=forced)


def test_standalone_model_is_the_same_tower(tiny, make_pair, make_inputs):
    config = tiny()
    _, ours = make_pair(config)
    alone = GroupViTVisionModel(config.vision_config).eval()
    alone.vision_model.load_state_dict(ours.vision_model.state_dict())
    pixels = make_inputs(config)["pixel_values"]
    with torch.no_grad():
        got = alone(pixels, output_attentions=True, output_hidden_states=True)
        expected = ours.vision_model(pixels)
    assert torch.equal(got.last_hidden_state, expected.last_hidden_state)
    assert len(got.attentions) == 2 and len(got.hidden_states) == 4
    assert expected.attentions is None and expected.hidden_states is None


def test_first_weights_spread_as_in_transformers(tiny):
    """Standard deviations of every weight, but for the group tokens, which must not start equal."""
    config = tiny(vision={"hidden_size": 128, "intermediate_size": 256}, text={"hidden_size": 96})
    torch.manual_seed(0)
    theirs = transformers.GroupViTModel(transformers.GroupViTConfig(**config.to_dict())).state_dict()
    ours = GroupViTModel(config).state_dict()
    for name, expected in theirs.items():
        if name.endswith("group_token"):
            assert ours[name].std() == pytest.approx(0.02, rel=0.2), name
        elif expected.is_floating_point() and expected.numel() > 500:
            assert ours[name].std() == pytest.approx(float(expected.std()), rel=0.2, abs=1e-12), name


@pytest.mark.parametrize("name", sorted(ACTIVATION_FUNCTIONS))
def test_activations_equal_those_of_transformers(name):
    x = torch.linspace(-6, 6, 101, dtype=torch.float64)
    torch.testing.assert_close(ACTIVATION_FUNCTIONS[name](x), transformers.activations.ACT2FN[name](x))
