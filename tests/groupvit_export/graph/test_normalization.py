"""Normalizing inside the engine: near the runtime's table, and float32 whatever the precision."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto
from onnx.reference import ReferenceEvaluator

from groupvit_export.checkpoint.load import build_model, load_checkpoint
from groupvit_export.checkpoint.preprocessor import preprocessings
from groupvit_export.data.bundled import DEMO_CHECKPOINT
from groupvit_export.errors import ExportError
from groupvit_export.graph.capture import capture_image_encoder
from groupvit_export.graph.checks import tensor_infos
from groupvit_export.graph.encoders import ImageEncoder
from groupvit_export.graph.normalization import Normalization
from groupvit_export.graph.passes import PASSES, apply_passes
from groupvit_export.graph.precision import HALVES, in_precision
from groupvit_export.model import GroupViTModel
from groupvit_runtime.contract import CLIP_MEAN, CLIP_STD, Preprocessing
from groupvit_runtime.preprocess import prepare_whole

SPEC = Preprocessing(resize="whole", antialias=True, mean=CLIP_MEAN, std=CLIP_STD)


@pytest.mark.parametrize("spec", [SPEC, replace(SPEC, color_order="BGR"), replace(SPEC, rescale=1.0)])
def test_every_pixel_becomes_what_the_table_says(spec: Preprocessing) -> None:
    rgb = np.stack([np.roll(np.arange(256, dtype=np.uint8), shift) for shift in (0, 85, 170)], axis=-1)
    rgb = np.ascontiguousarray(rgb.reshape(16, 16, 3))
    expected = prepare_whole(rgb, (16, 16), spec)
    found = Normalization(spec)(torch.from_numpy(rgb)[None])[0].numpy()
    assert found.dtype == np.float32 and found.shape == (3, 16, 16)
    # Where a pixel is near the mean, two large numbers are taken from each other.
    limit = 4 * np.finfo(np.float32).eps * max(1.0, np.abs(expected).max())
    assert np.abs(found - expected).max() <= limit


@pytest.fixture(scope="module")
def model() -> GroupViTModel:
    return build_model(load_checkpoint(DEMO_CHECKPOINT))


@pytest.fixture(scope="module")
def graph(model: GroupViTModel) -> onnx.ModelProto:
    encoder = ImageEncoder(model, (32, 48), preprocessings(DEMO_CHECKPOINT).hf)
    apply_passes(encoder, list(PASSES))
    return capture_image_encoder(encoder)


def test_the_graph_takes_pixels_and_names_what_they_become(graph: onnx.ModelProto) -> None:
    (info,) = tensor_infos(graph.graph.input)
    assert (info.name, info.dtype, info.shape) == ("pixels", "uint8", (-1, 32, 48, 3))
    (convolution,) = (node for node in graph.graph.node if node.op_type == "Conv")
    assert convolution.input[0] == "pixel_values"
    # Their number is asked for as well: the group tokens are repeated for every image.
    (first,) = (n for n in graph.graph.node if "pixels" in n.input and n.op_type != "Shape")
    assert first.op_type == "Cast" and first.attribute[0].i == TensorProto.FLOAT


def test_it_computes_what_normalized_images_give(graph: onnx.ModelProto, model: GroupViTModel) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (2, 32, 48, 3), dtype=np.uint8)
    spec = preprocessings(DEMO_CHECKPOINT).hf
    values = torch.from_numpy(np.stack([prepare_whole(image, (32, 48), spec) for image in rgb]))
    names = [output.name for output in graph.graph.output]
    found = dict(zip(names, ReferenceEvaluator(graph).run(None, {"pixels": rgb}), strict=True))
    with torch.no_grad():
        expected = ImageEncoder(model, (32, 48))(values)
    for name, value in zip(names, expected, strict=True):
        np.testing.assert_allclose(found[name], value, atol=2e-4, err_msg=name)


@pytest.mark.parametrize("precision", HALVES)
def test_it_stays_float32_in_half_precision(graph: onnx.ModelProto, precision: str) -> None:
    typed = in_precision(graph, precision)
    reasons = {
        node.op_type: typed.kept[node.name] for node in typed.model.graph.node if node.name in typed.kept
    }
    assert "normalizes pixels" in typed.kept.values()
    inside = [name for name, why in typed.kept.items() if why == "normalizes pixels"]
    kinds = {node.op_type for node in typed.model.graph.node if node.name in inside}
    assert {"Mul", "Add", "Transpose"} <= kinds, reasons
    onnx.checker.check_model(typed.model, full_check=True)


def test_a_model_of_other_channels_is_refused() -> None:
    from groupvit_export.model.config import GroupViTConfig, GroupViTTextConfig, GroupViTVisionConfig

    text = GroupViTTextConfig(vocab_size=30, hidden_size=16, intermediate_size=16, num_attention_heads=2)
    vision = GroupViTVisionConfig(
        hidden_size=16, intermediate_size=16, num_attention_heads=2, num_channels=4, image_size=32
    )
    other = GroupViTModel(GroupViTConfig(text_config=text, vision_config=vision))
    with pytest.raises(ExportError, match=r"three colors(.|\n)*--input float32"):
        ImageEncoder(other, (32, 32), SPEC)
