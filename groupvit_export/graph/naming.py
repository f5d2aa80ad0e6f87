"""Names of the values around the grouping attention, the same in every file and every target.

Engines keep the names of tensors when they convert a graph, so with these a verifier, Netron or a profile
finds the op again in an OpenVINO or TensorRT file, where the node itself has been taken apart.
"""

from __future__ import annotations

from collections.abc import Mapping

import onnx

from groupvit_kernels.grouping_attention_contract import DOMAIN, INPUTS, OP_NAME, OUTPUTS
from groupvit_runtime.contract import IMAGE_INPUT


def grouping_value(stage: int, name: str) -> str:
    """The value `name` of the contract (``query``, ``means``, ...) in stage `stage`, counted from 1.

    The soft map and the index are outputs of the engine and carry those names.
    """
    public = {"soft": f"soft_map_{stage}", "index": f"assignment_{stage}"}
    return public.get(name, f"grouping_{stage}.{name}")


def grouping_nodes(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """The nodes of the op in the order of the stages."""
    return [node for node in model.graph.node if node.domain == DOMAIN and node.op_type == OP_NAME]


def name_grouping_values(model: onnx.ModelProto) -> None:
    """Rename inputs, outputs and nodes of the op in a captured graph, wherever they are used."""
    new: dict[str, str] = {}
    for stage, node in enumerate(grouping_nodes(model), 1):
        node.name = f"grouping_{stage}"
        # TensorRT's parser prefers a plugin to a function body only where the node names its namespace.
        node.attribute.append(onnx.helper.make_attribute("plugin_namespace", DOMAIN))
        for names, values in ((INPUTS, node.input), (OUTPUTS, node.output)):
            new |= {
                value: grouping_value(stage, name) for name, value in zip(names, values, strict=True) if value
            }
    _rename(model, new)


def name_normalized_pixels(model: onnx.ModelProto) -> None:
    """Call what is made of pixels inside a captured graph as it is called where it comes from outside."""
    convolution = next(node for node in model.graph.node if node.op_type == "Conv")
    _rename(model, {convolution.input[0]: IMAGE_INPUT})


def _rename(model: onnx.ModelProto, new: Mapping[str, str]) -> None:
    for node in model.graph.node:
        for values in (node.input, node.output):
            values[:] = [new.get(value, value) for value in values]
    for value in model.graph.value_info:
        value.name = new.get(value.name, value.name)
