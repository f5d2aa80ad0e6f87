"""Captured graphs of the demo checkpoint: form, metadata, and numbers by ONNX's own evaluator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx.reference import ReferenceEvaluator

from groupvit_export.checkpoint.load import build_model, load_checkpoint
from groupvit_export.data.bundled import DEMO_CHECKPOINT
from groupvit_export.errors import ExportError
from groupvit_export.graph import capture, checks, grouping_attention_function
from groupvit_export.graph.encoders import ImageEncoder, TextEncoder
from groupvit_export.model import GroupViTModel

SIZE = (96, 128)


@pytest.fixture(scope="module")
def model() -> GroupViTModel:
    return build_model(load_checkpoint(DEMO_CHECKPOINT))


@pytest.fixture(scope="module")
def encoder(model: GroupViTModel) -> ImageEncoder:
    return ImageEncoder(model, SIZE)


@pytest.fixture(scope="module")
def image_graph(encoder: ImageEncoder) -> onnx.ModelProto:
    return capture.capture_image_encoder(encoder)


@pytest.fixture(scope="module")
def text_graph(model: GroupViTModel) -> onnx.ModelProto:
    return capture.capture_text_encoder(TextEncoder(model), model.config.text_config.max_position_embeddings)


def test_the_grouping_attention_is_one_node_a_stage_with_a_body(image_graph: onnx.ModelProto) -> None:
    nodes = [node for node in image_graph.graph.node if node.domain == "groupvit"]
    assert [node.op_type for node in nodes] == ["GroupingAttention"] * 2
    assert [(item.domain, item.name) for item in image_graph.functions] == [("groupvit", "GroupingAttention")]
    assert {entry.domain: entry.version for entry in image_graph.opset_import} == {"": 20, "groupvit": 1}


def test_the_batch_is_dynamic_and_the_size_is_fixed(image_graph: onnx.ModelProto) -> None:
    infos = {info.name: info for info in checks.tensor_infos(image_graph.graph.input)}
    assert infos["pixel_values"].shape == (-1, 3, *SIZE)
    outputs = {info.name: (info.dtype, info.shape) for info in checks.tensor_infos(image_graph.graph.output)}
    assert outputs == {
        "image_embeds": ("float32", (-1, 64)),
        "group_embeds": ("float32", (-1, 12, 64)),
        "masks": ("float32", (-1, 12, 6, 8)),
        "soft_map_1": ("float32", (-1, 24, 48)),
        "soft_map_2": ("float32", (-1, 12, 24)),
        "assignment_1": ("int64", (-1, 48)),
        "assignment_2": ("int64", (-1, 24)),
    }


@pytest.mark.parametrize("batch", [1, 3])
def test_onnx_reference_evaluator_agrees(
    image_graph: onnx.ModelProto, encoder: ImageEncoder, batch: int
) -> None:
    torch.manual_seed(batch)
    pixels = torch.randn(batch, 3, *SIZE)
    got = ReferenceEvaluator(image_graph).run(None, {"pixel_values": pixels.numpy()})
    with torch.no_grad():
        expected = encoder(pixels)
    for name, ours, theirs in zip(encoder.output_names(), expected, got, strict=True):
        np.testing.assert_allclose(theirs, ours, atol=2e-4, err_msg=name)


@pytest.mark.parametrize(("batch", "length"), [(1, 2), (3, 7), (2, 20)])
def test_the_text_graph_takes_any_length(
    text_graph: onnx.ModelProto, model: GroupViTModel, batch: int, length: int
) -> None:
    end = model.config.text_config.eos_token_id
    ids = torch.randint(2, end, (batch, length))
    ids[:, -1] = end
    got = ReferenceEvaluator(text_graph).run(None, {"input_ids": ids.numpy()})[0]
    with torch.no_grad():
        np.testing.assert_allclose(got, model.get_text_features(ids), atol=1e-5)


def test_what_stands_behind_the_end_of_text_cannot_be_seen(model: GroupViTModel) -> None:
    end = model.config.text_config.eos_token_id
    # One at a time: a product's rows may be summed in different orders, those of equal shapes are not.
    texts = torch.tensor([[1, 2, 3, end, end, end]]), torch.tensor([[1, 2, 3, end, 5, 9]])
    with torch.no_grad():
        first, second = map(TextEncoder(model), texts)
    assert torch.equal(first, second)


def test_no_path_or_source_line_of_this_machine_is_in_the_file(image_graph: onnx.ModelProto) -> None:
    data = image_graph.SerializeToString()
    assert str(Path.home()).encode() not in data
    assert b".py" not in data


def test_the_position_embedding_is_baked(image_graph: onnx.ModelProto) -> None:
    assert not [node for node in image_graph.graph.node if node.op_type == "Resize"]


def test_another_size_equals_the_reference_at_that_size(model: GroupViTModel, encoder: ImageEncoder) -> None:
    pixels = torch.randn(2, 3, *SIZE)
    with torch.no_grad():
        got = dict(zip(encoder.output_names(), encoder(pixels), strict=True))
        expected = model.vision_model(pixels, output_attentions=True)
    torch.testing.assert_close(got["soft_map_1"], expected.attentions[0], atol=1e-5, rtol=0)
    assert torch.equal(got["assignment_1"], expected.assignments[0])


@pytest.mark.parametrize("size", [(50, 64), (0, 64), (4, 4)])
def test_a_size_that_is_no_multiple_of_the_patch_is_refused(
    model: GroupViTModel, size: tuple[int, int]
) -> None:
    with pytest.raises(ExportError, match="multiples of 16"):
        ImageEncoder(model, size)


def test_checks_refuse_a_graph_without_metadata(image_graph: onnx.ModelProto, encoder: ImageEncoder) -> None:
    with pytest.raises(ExportError, match="metadata"):
        checks.check_graph(image_graph, outputs=encoder.output_names(), grouping_nodes=2)


def test_checks_notice_a_grouping_attention_that_was_taken_apart(
    image_graph: onnx.ModelProto, encoder: ImageEncoder
) -> None:
    flat = grouping_attention_function.inlined(image_graph)
    with pytest.raises(ExportError, match="taken apart"):
        checks.check_graph(flat, outputs=encoder.output_names(), grouping_nodes=2)
