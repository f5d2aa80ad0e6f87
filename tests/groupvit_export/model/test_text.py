"""The text tower against transformers: masks, positions, pooling."""

from __future__ import annotations

import pytest
import torch

from groupvit_export.model import GroupViTTextModel
from groupvit_export.model.config import GroupViTConfig

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["fp32", "fp64"])
@pytest.mark.parametrize("size", ["tiny", "full"])
def test_states_and_attentions_equal_transformers(size, dtype, tiny, make_pair, make_inputs, difference):
    config = tiny() if size == "tiny" else GroupViTConfig()
    theirs, ours = make_pair(config, dtype)
    inputs = make_inputs(config, dtype)
    del inputs["pixel_values"]
    flags = {"output_hidden_states": True, "output_attentions": True}
    with torch.no_grad():
        expected = theirs.text_model(**inputs, **flags)
        got = ours.text_model(**inputs, **flags)
    assert difference(got.last_hidden_state, expected.last_hidden_state) <= TOLERANCE[dtype]
    assert difference(got.pooler_output, expected.pooler_output) <= TOLERANCE[dtype]
    for name in ("hidden_states", "attentions"):
        for mine, other in zip(getattr(got, name), expected[name], strict=True):
            assert difference(mine, other) <= TOLERANCE[dtype], name


@pytest.mark.parametrize(
    "mask",
    [
        None,
        torch.ones(3, 6, dtype=torch.int64),
        torch.tensor([[1, 1, 1, 0, 0, 0], [1, 1, 1, 1, 1, 1], [1, 0, 1, 0, 1, 0]]),
        torch.tensor([[0, 0, 1, 1, 1, 1], [0, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0]]),
        torch.tensor([[1, 1, 0, 0, 0, 0]] * 3, dtype=torch.bool),
        torch.tensor([[1, 1, 0, 0, 0, 0]] * 3, dtype=torch.float32),
    ],
    ids=["none", "ones", "right", "left", "bool", "float"],
)
def test_attention_masks(mask, tiny, make_pair, difference):
    theirs, ours = make_pair(tiny(), torch.float64)
    ids = torch.tensor([[4, 5, 39, 0, 0, 0], [4, 5, 6, 7, 8, 39], [39, 39, 4, 4, 4, 4]])
    with torch.no_grad():
        expected = theirs.text_model(ids, attention_mask=mask)
        got = ours.text_model(ids, mask)
    assert difference(got.last_hidden_state, expected.last_hidden_state) < 1e-10
    assert difference(got.pooler_output, expected.pooler_output) < 1e-10


@pytest.mark.parametrize("shape", [(2, 4), (1, 4)])
def test_position_ids(shape, tiny, make_pair, difference):
    theirs, ours = make_pair(tiny(), torch.float64)
    ids = torch.tensor([[4, 5, 39, 0], [4, 39, 6, 7]])
    positions = torch.randint(0, 12, shape)
    with torch.no_grad():
        expected = theirs.text_model(ids, position_ids=positions).pooler_output
        got = ours.text_model(ids, position_ids=positions).pooler_output
    assert difference(got, expected) < 1e-10


@pytest.mark.parametrize(
    ("eos", "positions"),
    [
        # The rule of old files: the first position of the highest id, whatever it means.
        (2, [2, 0, 1, 0]),
        # The first end of text; without one, the first token.
        (39, [2, 0, 0, 0]),
        (7, [0, 3, 1, 0]),
    ],
)
def test_pooling_rules(eos, positions, tiny, make_pair, difference):
    theirs, ours = make_pair(tiny(text={"eos_token_id": eos}), torch.float64)
    ids = torch.tensor([[4, 5, 39, 39], [39, 2, 3, 7], [4, 7, 7, 6], [5, 5, 5, 5]])
    assert ours.text_model.pool_positions(ids).tolist() == positions
    with torch.no_grad():
        got, expected = ours.text_model(ids), theirs.text_model(ids)
    assert difference(got.pooler_output, expected.pooler_output) < 1e-10


def test_int32_ids_are_taken(tiny):
    model = GroupViTTextModel(tiny().text_config).eval()
    ids = torch.tensor([[4, 5, 39, 0]])
    assert torch.equal(model(ids).pooler_output, model(ids.int()).pooler_output)


@pytest.mark.parametrize(
    ("ids", "mask", "message"),
    [
        (torch.zeros(4, dtype=torch.int64), None, r"shape \[4\], expected \[batch, length\]"),
        (torch.zeros(1, 13, dtype=torch.int64), None, "13 tokens long, expected at most 12"),
        (torch.zeros(2, 4, dtype=torch.int64), torch.ones(2, 5), r"attention_mask has shape \[2, 5\]"),
        (torch.zeros(2, 4, dtype=torch.int64), torch.ones(2, 1, 4, 4), r"expected that of input_ids"),
    ],
)
def test_shapes_that_cannot_be_used_are_refused(ids, mask, message, tiny):
    with pytest.raises(ValueError, match=message):
        GroupViTTextModel(tiny().text_config)(ids, mask)


def test_standalone_model_is_the_same_tower(tiny, make_pair):
    config = tiny()
    _, ours = make_pair(config)
    alone = GroupViTTextModel(config.text_config).eval()
    alone.text_model.load_state_dict(ours.text_model.state_dict())
    ids = torch.tensor([[4, 5, 39, 0]])
    with torch.no_grad():
        got = alone(ids, output_hidden_states=True, output_attentions=True)
        assert torch.equal(got.pooler_output, ours.text_model(ids).pooler_output)
    assert len(got.hidden_states) == 4 and len(got.attentions) == 3
