"""The product of the logits written as multiplications and a sum, for OpenVINO in bf16.

Its CPU plugin computes every MatMul in the precision of the hint and stores what comes out in it: logits of
a thousand in bf16 are off by four, and tokens change their group. It leaves alone what leads to an output
without a MatMul or a convolution in between. Written so, the logits lie on such a way, and with them the
LayerNorm of the tokens that they compare.
"""

from __future__ import annotations

import re
from typing import Final

import numpy as np
import onnx
from onnx import helper, numpy_helper

from groupvit_export.errors import ExportError

GROUPS_AT_ONCE: Final = 8
"""So many groups meet all tokens at once: eight are no slower than all, and hold less memory."""

_PRODUCT: Final = re.compile(r"products__(\d+)")


def matmul_to_mul_reduce(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph with the query's product with the tokens as a sum over channels.

    Args:
        model: the grouping attention inlined; it is not changed.

    Raises:
        ExportError: a product has no fixed number of groups.
    """
    shapes = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in onnx.shape_inference.infer_shapes(model).graph.value_info
    }
    made_by = {node.output[0]: node for node in model.graph.node}
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    del changed.graph.node[:]
    for node in model.graph.node:
        if node.op_type != "MatMul" or not _PRODUCT.fullmatch(node.output[0]):
            changed.graph.node.append(node)
            continue
        product = node.output[0]
        groups = shapes[product][1]
        if not groups:
            raise ExportError(
                "the product of the logits has no fixed number of groups", got=product, expected="a shape"
            )
        nodes, constants = _sum(product, node.input[0], made_by[node.input[1]].input[0], groups)
        changed.graph.node.extend(nodes)
        changed.graph.initializer.extend(constants)
    return changed


def _sum(
    product: str, query: str, tokens: str, groups: int
) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """Nodes that give `product` [B, G, N] of query [B, G, C] and tokens [B, N, C], and their constants."""

    def constant(name: str, *values: int) -> onnx.TensorProto:
        return numpy_helper.from_array(np.array(values, np.int64), f"{product}.{name}")

    columns, rows, channels = constant("columns", 2), constant("rows", 1), constant("channels", -1)
    constants = [columns, rows, channels]
    query_column, token_row = f"{product}.query", f"{product}.tokens"
    nodes = [
        helper.make_node("Unsqueeze", [query, columns.name], [query_column]),
        helper.make_node("Unsqueeze", [tokens, rows.name], [token_row]),
    ]

    def add_sum(part: str, total: str) -> None:
        pairs = f"{part}.pairs"
        nodes.append(helper.make_node("Mul", [part, token_row], [pairs]))
        nodes.append(helper.make_node("ReduceSum", [pairs, channels.name], [total], keepdims=0))

    if groups <= GROUPS_AT_ONCE:
        # OpenVINO removes a Concat of one part, and with it the name that the product is looked for by.
        add_sum(query_column, product)
    else:
        sizes = [min(GROUPS_AT_ONCE, groups - start) for start in range(0, groups, GROUPS_AT_ONCE)]
        split = constant("sizes", *sizes)
        constants.append(split)
        parts = [f"{query_column}_{index}" for index in range(len(sizes))]
        sums = [f"{part}.sum" for part in parts]
        nodes.append(helper.make_node("Split", [query_column, split.name], parts, axis=1))
        for part, total in zip(parts, sums, strict=True):
            add_sum(part, total)
        nodes.append(helper.make_node("Concat", sums, [product], axis=1))
    for node in nodes:
        node.name = node.output[0]
    return nodes, constants
