"""Layers that OpenVINO leaves in float32 where it is told to compute in bf16.

Its CPU plugin computes every MatMul in the precision of the hint and stores what comes out in it: a logit of
a thousand in bf16 is off by four, and tokens change their group. It leaves a layer with the attribute
`DisablePrecisionConversion` as it is, but does not hand the attribute on where it puts another layer in its
place. OpenVINO's Python interface cannot set it, so it is written into the file.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Collection
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

from groupvit_export.graph.naming import grouping_value
from groupvit_runtime.without_telemetry.openvino import openvino as ov

_PRODUCT: Final = re.compile(r"products__\d+")
# What the plugin asks of a layer whatever the hint is: never from any type to float16.
_MARK: Final = {"name": "DisablePrecisionConversion", "version": "0", "value": "dynamic:f16"}


def transpose_inside_products(model: ov.Model) -> None:
    """Let the product of the logits transpose the tokens itself.

    The plugin would put such a layer in place of the product and the transposition before it.
    """
    for product in model.get_ordered_ops():
        name = product.get_friendly_name()
        if product.get_type_name() != "MatMul" or not _PRODUCT.fullmatch(name):
            continue
        query, transposed = product.input_values()
        instead = ov.opset13.matmul(query, transposed.get_node().input_value(0), False, True, name=name)
        instead.output(0).set_names(product.output(0).get_names())
        for reader in product.output(0).get_target_inputs():
            reader.replace_source_output(instead.output(0))


def deciding(model: ov.Model, stages: int) -> frozenset[str]:
    """Names of the layers that make assignments, from the LayerNorms of tokens and groups on, and counts."""
    layers = {layer.get_friendly_name(): layer for layer in model.get_ordered_ops()}
    numbers = range(1, stages + 1)
    waiting = deque(layers[grouping_value(stage, "soft")] for stage in numbers)
    waiting.extend(layers[f"denominator__{stage}"] for stage in numbers)
    found: set[str] = set()
    while waiting:
        layer = waiting.popleft()
        name = layer.get_friendly_name()
        if name in found or layer.get_type_name() in ("Constant", "Parameter"):
            continue
        found.add(name)
        if layer.get_type_name() != "MVN":
            waiting.extend(value.get_node() for value in layer.input_values())
    return frozenset(found)


def mark(path: Path, names: Collection[str]) -> None:
    """Write into the .xml of an engine that the layers of these names stay in float32."""
    tree = ElementTree.parse(path)
    for layer in tree.iter("layer"):
        if layer.get("name") not in names:
            continue
        facts = layer.find("rt_info")
        if facts is None:
            facts = ElementTree.Element("rt_info")
            # Where OpenVINO writes it: behind the layer's data.
            layer.insert(1 if layer.find("data") is not None else 0, facts)
        ElementTree.SubElement(facts, "attribute", _MARK)
    tree.write(path, encoding="utf-8", xml_declaration=True)
