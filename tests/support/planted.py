"""Faults planted into an exported bundle: each is something that a toolchain has really got wrong once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from bad_bundles import edit_manifest
from onnx import TensorProto, helper, numpy_helper

from groupvit_export.graph.naming import grouping_nodes
from groupvit_export.graph.precision import in_precision
from groupvit_runtime.manifest import FileInfo

Change = Callable[[onnx.ModelProto], None]


def plant(bundle: Path, folder: Path, change: Change) -> Path:
    """A copy of a bundle for ONNX Runtime whose image engine is changed, with the hashes of the change."""
    copy = Path(shutil.copytree(bundle, folder))
    model = onnx.load(copy / "image.onnx")
    change(model)
    onnx.save_model(model, copy / "image.onnx")
    info = FileInfo.of(copy, "image.onnx")

    def record(manifest: dict[str, Any]) -> None:
        for engine in manifest["engines"]:
            if engine["role"] == "image":
                engine["files"] = [{"path": info.path, "sha256": info.sha256, "bytes": info.bytes}]

    edit_manifest(copy, record)
    return copy


def body(model: onnx.ModelProto) -> onnx.FunctionProto:
    (function,) = model.functions
    return function


def body_node(model: onnx.ModelProto, output: str) -> onnx.NodeProto:
    return next(node for node in body(model).node if node.output[0] == output)


def set_attribute(node: onnx.NodeProto, name: str, value: int | float) -> None:
    attribute = next(a for a in node.attribute if a.name == name)
    attribute.CopyFrom(helper.make_attribute(name, value))


def replace_body_node(model: onnx.ModelProto, output: str, *nodes: onnx.NodeProto) -> None:
    function = body(model)
    kept: list[onnx.NodeProto] = []
    for node in function.node:
        kept += nodes if node.output[0] == output else [node]
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in kept]
    del function.node[:]
    function.node.extend(copies)


def argmax_over_tokens(model: onnx.ModelProto) -> None:
    """Every group picks a token, instead of every token a group."""
    replace_body_node(
        model,
        "winner",
        helper.make_node("ArgMax", ["logits"], ["favorite"], axis=2, keepdims=1),
        helper.make_node("Shape", ["tokens"], ["token_count"], start=1, end=2),
        helper.make_node("Squeeze", ["token_count"], ["tokens_scalar"]),
        helper.make_node("Constant", [], ["zero_"], value_int=0),
        helper.make_node("Constant", [], ["one_"], value_int=1),
        helper.make_node("Range", ["zero_", "tokens_scalar", "one_"], ["token_numbers"]),
        helper.make_node("Equal", ["favorite", "token_numbers"], ["picked"]),
        helper.make_node("Cast", ["picked"], ["picked_number"], to=TensorProto.FLOAT),
        helper.make_node("ArgMax", ["picked_number"], ["winner"], axis=1, keepdims=1),
    )


def ties_to_the_highest_index(model: onnx.ModelProto) -> None:
    set_attribute(body_node(model, "winner"), "select_last_index", 1)


def mean_without_eps(model: onnx.ModelProto) -> None:
    for node in grouping_nodes(model):
        set_attribute(node, "eps", 1e-6)
    value = numpy_helper.from_array(np.array(1e-6, np.float32))
    body_node(model, "epsilon").attribute[0].CopyFrom(helper.make_attribute("value", value))


def soft_map_for_features(model: onnx.ModelProto) -> None:
    """Features are gathered by the soft map; looks plausible on any image."""
    node = body_node(model, "sums")
    node.input[0] = "soft"


def softmax_in_half_before_argmax(model: onnx.ModelProto) -> None:
    """Rounded by hand to what half precision holds near 1: the CPU would quietly compute in float32."""
    replace_body_node(
        model,
        "winner",
        helper.make_node("Constant", [], ["half_steps"], value_float=2048.0),
        helper.make_node("Mul", ["soft", "half_steps"], ["in_steps"]),
        helper.make_node("Round", ["in_steps"], ["half_soft"]),
        helper.make_node("ArgMax", ["half_soft"], ["winner"], axis=1, keepdims=1, select_last_index=0),
    )


def tf32(model: onnx.ModelProto) -> None:
    """Operands of every product in the graph keep ten bits of mantissa, as TF32 keeps them."""
    nodes: list[onnx.NodeProto] = []
    for number, node in enumerate(model.graph.node):
        own = onnx.NodeProto.FromString(node.SerializeToString())
        if own.op_type in ("MatMul", "Gemm"):
            for position, value in enumerate(own.input[:2]):
                half, back = f"tf32_{number}_{position}_half", f"tf32_{number}_{position}"
                nodes.append(helper.make_node("Cast", [value], [half], to=TensorProto.FLOAT16))
                nodes.append(helper.make_node("Cast", [half], [back], to=TensorProto.FLOAT))
                own.input[position] = back
        nodes.append(own)
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def matrices(model: onnx.ModelProto) -> list[str]:
    """Names of the weights that are matrices of some size, in the order in which the graph reads them."""
    sizeable = {t.name for t in model.graph.initializer if len(t.dims) == 2 and min(t.dims) > 8}
    read = [name for node in model.graph.node for name in node.input if name in sizeable]
    return list(dict.fromkeys(read))


def perturb(name: str, relative: float = 0.01) -> Change:
    def change(model: onnx.ModelProto) -> None:
        tensor = next(t for t in model.graph.initializer if t.name == name)
        array = numpy_helper.to_array(tensor) * np.float32(1 + relative)
        tensor.CopyFrom(numpy_helper.from_array(array.astype(np.float32), name))

    return change


def perturb_one_weight(model: onnx.ModelProto) -> None:
    perturb(matrices(model)[2])(model)


def perturb_one_number(model: onnx.ModelProto) -> None:
    """The largest single number of one matrix, 1 % larger."""
    tensor = next(t for t in model.graph.initializer if t.name == matrices(model)[2])
    array = numpy_helper.to_array(tensor).copy()
    where = np.unravel_index(np.abs(array).argmax(), array.shape)
    array[where] *= np.float32(1.01)
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))


def swap_two_groups(model: onnx.ModelProto) -> None:
    """Groups 0 and 1 of the first stage change places, queries and all: the image's masks stay the same."""
    order = [1, 0, *range(2, 24)]
    query, bias = grouping_nodes(model)[0].input[0], grouping_nodes(model)[0].input[2]
    model.graph.initializer.append(numpy_helper.from_array(np.array(order, np.int64), "swapped"))
    nodes: list[onnx.NodeProto] = []
    for node in model.graph.node:
        own = onnx.NodeProto.FromString(node.SerializeToString())
        for value in (query, bias):
            if value in own.output:
                own.output[list(own.output).index(value)] = f"{value}_straight"
                nodes += [
                    own,
                    helper.make_node("Gather", [f"{value}_straight", "swapped"], [value], axis=1),
                ]
                break
        else:
            nodes.append(own)
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def swapped_channels(manifest: dict[str, Any]) -> None:
    manifest["preprocessing"]["hf"]["color_order"] = "BGR"


def wrong_mean(manifest: dict[str, Any]) -> None:
    manifest["preprocessing"]["paper"]["mean"] = [0.48145466, 0.4578275, 0.40821073]


def wrong_std(manifest: dict[str, Any]) -> None:
    manifest["preprocessing"]["hf"]["std"] = [0.26862954, 0.26130258, 0.27577711]


def wrong_scale(manifest: dict[str, Any]) -> None:
    manifest["model"]["logit_scale"] += 0.1


def wrong_stride(manifest: dict[str, Any]) -> None:
    manifest["decode"]["paper"]["window"]["stride"] = 224


GRAPH_FAULTS: dict[str, tuple[Change, str]] = {
    "argmax over the wrong axis": (argmax_over_tokens, "grouping_1_alone_decisions"),
    "ties to the highest index": (ties_to_the_highest_index, "grouping_1_alone_decisions"),
    "mean without eps": (mean_without_eps, "grouping_1_alone_means"),
    "soft map used for features": (soft_map_for_features, "grouping_1_alone_means"),
    "softmax in fp16 before argmax": (softmax_in_half_before_argmax, "grouping_1_alone_decisions"),
    "TF32": (tf32, "stage_1_logits"),
    "one weight perturbed by 1 %": (perturb_one_weight, "stage_1_logits"),
    "one number perturbed by 1 %": (perturb_one_number, "stage_1_logits"),
    "a group permuted": (swap_two_groups, "stage_1_logits"),
}
"""What is done to the graph, and the row that must be named as the first to fail."""

MANIFEST_FAULTS: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "swapped RGB": (swapped_channels, "pixel_values"),
    "the wrong mean": (wrong_mean, "pixel_values"),
    "the wrong std": (wrong_std, "pixel_values"),
    "another logit scale": (wrong_scale, "constants"),
    "another stride": (wrong_stride, "constants"),
}
"""What is done to the manifest, and the row that must be named as the first to fail."""


def in_half(bundle: Path, folder: Path, precision: str) -> Path:
    """A copy of a bundle for ONNX Runtime with both graphs typed in `precision`, as an export types them."""
    copy = Path(shutil.copytree(bundle, folder))
    infos = {}
    for role in ("image", "text"):
        onnx.save_model(
            in_precision(onnx.load(copy / f"{role}.onnx"), precision).model, copy / f"{role}.onnx"
        )
        infos[role] = FileInfo.of(copy, f"{role}.onnx")

    def record(manifest: dict[str, Any]) -> None:
        for engine in manifest["engines"]:
            info = infos[engine["role"]]
            engine["files"] = [{"path": info.path, "sha256": info.sha256, "bytes": info.bytes}]
            engine["precision"] = precision

    edit_manifest(copy, record)
    return copy
