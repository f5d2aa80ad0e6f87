"""The decode inside a graph, on graphs that are nothing else, by three evaluators."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime
import openvino as ov
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator
from torch.nn import functional as F

from groupvit_export.graph.decode import attach_decode
from groupvit_runtime.decode import hf_decode

GRID, PIXELS, GROUPS, WIDTH = (3, 5), (48, 80), 4, 6

Run = Callable[[dict[str, np.ndarray]], np.ndarray]


def bare_graph() -> onnx.ModelProto:
    """Masks and group embeddings come in as they are, and label maps go out."""
    shapes = {"masks": ["batch", GROUPS, *GRID], "group_embeds": ["batch", GROUPS, WIDTH]}
    graph = helper.make_graph(
        [helper.make_node("Identity", [f"{name}_in"], [name], name=f"node_{name}") for name in shapes],
        "bare",
        [helper.make_tensor_value_info(f"{n}_in", TensorProto.FLOAT, shape) for n, shape in shapes.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    attach_decode(model, PIXELS, WIDTH)
    return model


MODEL = bare_graph()


def reference_evaluator() -> Run:
    evaluator = ReferenceEvaluator(MODEL)
    return lambda feeds: evaluator.run(["labels"], feeds)[0]


def onnx_runtime() -> Run:
    session = onnxruntime.InferenceSession(MODEL.SerializeToString(), providers=["CPUExecutionProvider"])
    return lambda feeds: session.run(["labels"], feeds)[0]


def openvino() -> Run:
    core = ov.Core()
    model = core.read_model(MODEL.SerializeToString())
    request = core.compile_model(
        model, "CPU", {"INFERENCE_PRECISION_HINT": ov.Type.f32}
    ).create_infer_request()

    def run(feeds: dict[str, np.ndarray]) -> np.ndarray:
        request.infer(feeds)
        return request.get_tensor("labels").data.copy()

    return run


RUNS = {run.__name__: run() for run in (reference_evaluator, onnx_runtime, openvino)}


@pytest.fixture(params=RUNS)
def run(request: pytest.FixtureRequest) -> Run:
    return RUNS[request.param]


def feeds(seed: int, batch: int, classes: int, size: tuple[int, int]) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    logits = random.normal(size=(batch, GROUPS, *GRID)) * 3
    masks = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    embeds = [random.normal(size=shape) for shape in ((batch, GROUPS, WIDTH), (classes, WIDTH))]
    groups, text = (item / np.linalg.norm(item, axis=-1, keepdims=True) for item in embeds)
    return {
        "masks_in": masks.astype(np.float32),
        "group_embeds_in": groups.astype(np.float32),
        "text_embeds": text.astype(np.float32),
        "size": np.array(size, np.int64),
    }


def plain_scores(given: dict[str, np.ndarray]) -> torch.Tensor:
    """By the definition, in float64 and by PyTorch."""
    masks, groups, text = (
        torch.from_numpy(given[name]).double() for name in ("masks_in", "group_embeds_in", "text_embeds")
    )
    scores = torch.einsum("kp,bgp,bgyx->bkyx", text, groups, masks)
    for size in (PIXELS, tuple(given["size"].tolist())):
        scores = F.interpolate(scores, size=size, mode="bilinear", align_corners=False)
    return scores


@pytest.mark.parametrize("name", RUNS)
@given(
    seed=st.integers(0, 99),
    batch=st.integers(1, 3),
    classes=st.integers(1, 9),
    size=st.tuples(st.integers(1, 130), st.integers(1, 130)),
)
@settings(max_examples=25)
def test_it_labels_as_pytorch_and_as_the_runtime(
    name: str, seed: int, batch: int, classes: int, size: tuple[int, int]
) -> None:
    inputs = feeds(seed, batch, classes, size)
    labels = RUNS[name](inputs)
    assert labels.dtype == np.int32 and labels.shape == (batch, *size)
    scores = plain_scores(inputs)
    best = scores.topk(min(2, classes), dim=1).values
    # Positions are exact here and float32 in PyTorch.
    certain = (best[:, 0] - best[:, -1] > 2e-5).numpy() | (classes == 1)
    assert np.array_equal(labels[certain], scores.argmax(dim=1).numpy()[certain])
    tight = (best[:, 0] - best[:, -1] > 2e-6).numpy() | (classes == 1)
    for index in range(batch):
        ours = hf_decode(
            inputs["masks_in"][index], inputs["group_embeds_in"][index], inputs["text_embeds"], PIXELS, size
        )
        assert np.array_equal(labels[index][tight[index]], ours[tight[index]])


def test_the_lowest_class_wins_a_tie(run: Run) -> None:
    # A class is one group, so that its score is one product: no order of a sum can undo the tie.
    axes = np.eye(GROUPS, WIDTH, dtype=np.float32)
    inputs = feeds(0, 2, 3, (31, 17)) | {"group_embeds_in": np.stack([axes, axes])}
    inputs["text_embeds"] = np.repeat(axes[:1], 3, axis=0)
    assert (run(inputs) == 0).all()
    # The best class, once more behind itself.
    inputs = feeds(1, 1, 2, (20, 20)) | {"group_embeds_in": axes[None], "text_embeds": axes[:2]}
    twice = np.concatenate([inputs["text_embeds"], inputs["text_embeds"]])
    assert np.array_equal(run(inputs | {"text_embeds": twice}), run(inputs))


def test_a_large_image_does_not_overflow(run: Run) -> None:
    """Positions are products of both sizes; OpenVINO computes them in 32 bits."""
    inputs = feeds(2, 1, 2, (1, 65_500))
    labels = run(inputs)
    ours = hf_decode(
        inputs["masks_in"][0], inputs["group_embeds_in"][0], inputs["text_embeds"], PIXELS, (1, 65_500)
    )
    assert np.mean(labels[0] != ours) < 1e-3


def test_names_shapes_and_checker() -> None:
    onnx.checker.check_model(MODEL, full_check=True)
    assert all(node.name for node in MODEL.graph.node)
    assert len({node.name for node in MODEL.graph.node}) == len(MODEL.graph.node)
    shapes = {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*MODEL.graph.input, *MODEL.graph.output)
    }
    assert shapes["text_embeds"] == ["classes", WIDTH] and shapes["size"] == [2]
    assert shapes["labels"] == ["batch", "label_height", "label_width"]
    assert not {"Resize", "Upsample"} & {node.op_type for node in MODEL.graph.node}
