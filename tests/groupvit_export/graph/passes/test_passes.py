"""Graph passes: each keeps the function of the encoder, whichever others are applied."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from groupvit_export.errors import UsageError
from groupvit_export.graph.encoders import ImageEncoder
from groupvit_export.graph.passes import PASSES, check_passes, check_recorded_passes, select_passes
from groupvit_export.model import GroupViTModel
from groupvit_export.verification.reference import image_outputs

EncoderWith = Callable[..., ImageEncoder]


def outputs_of(encoder: ImageEncoder, pixels: torch.Tensor) -> dict[str, np.ndarray]:
    with torch.no_grad():
        return {n: v.numpy() for n, v in zip(encoder.output_names(), encoder(pixels), strict=True)}


@pytest.mark.parametrize("names", [*([name] for name in PASSES), list(PASSES), []], ids=" ".join)
def test_the_function_is_kept(model: GroupViTModel, encoder_with: EncoderWith, names: list[str]) -> None:
    encoder = encoder_with(*names)
    pixels = torch.randn(3, 3, *encoder.image_size, dtype=torch.float64)
    with torch.no_grad():
        expected = image_outputs(model, pixels)
    found = outputs_of(encoder, pixels)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        if name.startswith("assignment_"):
            assert np.array_equal(found[name], value), name
        else:
            assert np.abs(found[name] - value).max() <= 1e-12 * np.abs(value).max(), name


@pytest.mark.parametrize("name", PASSES)
def test_it_works_without_any_other_and_last(
    model: GroupViTModel, encoder_with: EncoderWith, name: str
) -> None:
    """Leaving one out must not need the others to be left out."""
    encoder = encoder_with(*select_passes([name]))
    pixels = torch.randn(1, 3, *encoder.image_size, dtype=torch.float64)
    with torch.no_grad():
        expected = image_outputs(model, pixels)
    np.testing.assert_allclose(
        outputs_of(encoder, pixels)["group_embeds"], expected["group_embeds"], atol=1e-12
    )


@pytest.mark.parametrize("name", PASSES)
def test_the_reference_is_not_changed(model: GroupViTModel, encoder_with: EncoderWith, name: str) -> None:
    before = {key: value.clone() for key, value in model.state_dict().items()}
    encoder = encoder_with(name)
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.zero_()
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key]), key


def test_passes_are_chosen_by_name() -> None:
    assert select_passes([]) == tuple(PASSES)
    assert "fold_projections" not in select_passes(["fold_projections"])
    with pytest.raises(UsageError, match="unknown graph pass"):
        select_passes(["fold_everything"])
    with pytest.raises(UsageError, match="fold_everything"):
        check_passes(["fold_everything"])


def test_passes_of_an_older_bundle_are_refused_with_a_way_out() -> None:
    check_recorded_passes(tuple(PASSES))
    with pytest.raises(UsageError) as caught:
        check_recorded_passes(("fuse_qkv", "fold_mixer_transposes"))
    assert caught.value.got == "fold_mixer_transposes"
    assert "export the checkpoint again" in str(caught.value)
