"""The `hf` decode as nodes of the image graph: class embeddings and a size in, label maps out.

It computes what `groupvit_runtime.decode.hf_decode` defines. The two interpolations, to the engine's pixels
and on to the caller's size, are one matrix an axis, whose positions are computed in integers from the size.
Resize was not taken: two of them would write every class at the engine's size in between, each runtime
computes the positions in a float32 of its own, and its sizes mix the batch with what is asked for. Matrices
are products, which every runtime has, and the same in all of them.

Masks are upsampled first and classes made of them last: there are fewer groups than classes.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from groupvit_runtime.contract import CLASSES_INPUT, LABELS_OUTPUT, SIZE_INPUT
from groupvit_runtime.resize import composed_matrix

PREFIX: Final = "decode_"
"""Of the names of all nodes and values."""

_AXIS = """
agraph () => () {{
    {p}length = Gather <axis: int = 0> ({size}, {p}axis)
    {p}index = Range (decode_zero, {p}length, decode_one)
    {p}twice = Mul ({p}index, decode_two)
    {p}odd = Add ({p}twice, decode_one)
    {p}scaled = Mul ({p}odd, {p}side)
    {p}unclipped = Sub ({p}scaled, {p}length)
    {p}step = Mul ({p}length, decode_two)
    {p}last = Sub ({p}side, decode_one)
    {p}limit = Mul ({p}step, {p}last)
    {p}positive = Max ({p}unclipped, decode_zero)
    {p}position = Min ({p}positive, {p}limit)
    {p}low = Div ({p}position, {p}step)
    {p}whole = Mul ({p}low, {p}step)
    {p}rest = Sub ({p}position, {p}whole)
    {p}next = Add ({p}low, decode_one)
    {p}high = Min ({p}next, {p}last)
    {p}rest_float = Cast <to: int = 1> ({p}rest)
    {p}step_float = Cast <to: int = 1> ({p}step)
    {p}share = Div ({p}rest_float, {p}step_float)
    {p}column = Unsqueeze ({p}share, decode_last_axis)
    {p}first = Gather <axis: int = 0> ({p}table, {p}low)
    {p}second = Gather <axis: int = 0> ({p}table, {p}high)
    {p}difference = Sub ({p}second, {p}first)
    {p}part = Mul ({p}difference, {p}column)
    {p}matrix = Add ({p}first, {p}part)
}}
"""

_SCORES = """
agraph () => () {{
    decode_across_transposed = Transpose <perm: ints = [1, 0]> (decode_across_matrix)
    decode_wide = MatMul (masks, decode_across_transposed)
    decode_large = MatMul (decode_down_matrix, decode_wide)
    decode_rows = MatMul (group_embeds, decode_text_transposed)
    decode_similarity = Transpose <perm: ints = [0, 2, 1]> (decode_rows)
    decode_flat = Reshape (decode_large, decode_flat_shape)
    decode_scores = MatMul (decode_similarity, decode_flat)
    decode_winner = ArgMax <axis: int = 1, keepdims: int = 0, select_last_index: int = 0> (decode_scores)
    decode_winner32 = Cast <to: int = 6> (decode_winner)
    decode_batch = Shape <start: int = 0, end: int = 1> (masks)
    decode_labels_shape = Concat <axis: int = 0> (decode_batch, {size})
    {labels} = Reshape (decode_winner32, decode_labels_shape)
}}
"""


def attach_decode(model: onnx.ModelProto, pixel_size: tuple[int, int], width: int) -> None:
    """Add the inputs `text_embeds` and `size`, the output `labels` and the nodes between, in place.

    Args:
        model: the captured image graph.
        pixel_size: (H, W) of the engine's images, through which the masks are upsampled.
        width: P, of the embeddings.
    """
    graph = model.graph
    grid = _grid(graph)
    constants: dict[str, NDArray[Any]] = {
        "decode_zero": np.array(0, np.int64),
        "decode_one": np.array(1, np.int64),
        "decode_two": np.array(2, np.int64),
        "decode_last_axis": np.array([-1], np.int64),
        "decode_flat_shape": np.array([0, 0, -1], np.int64),
    }
    for number, (axis, side, cells) in enumerate(zip(("down", "across"), pixel_size, grid, strict=True)):
        prefix = f"{PREFIX}{axis}_"
        constants |= {
            f"{prefix}axis": np.array(number, np.int64),
            f"{prefix}side": np.array(side, np.int64),
            f"{prefix}table": composed_matrix(cells, side, side),
        }
        _add_nodes(graph, _AXIS.format(p=prefix, size=SIZE_INPUT))
    graph.node.append(helper.make_node("Transpose", [CLASSES_INPUT], ["decode_text_transposed"], perm=[1, 0]))
    _add_nodes(graph, _SCORES.format(size=SIZE_INPUT, labels=LABELS_OUTPUT))
    for node in graph.node:
        if not node.name:
            node.name = f"node_{node.output[0]}"
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    graph.input.extend(
        [
            helper.make_tensor_value_info(CLASSES_INPUT, TensorProto.FLOAT, ["classes", width]),
            helper.make_tensor_value_info(SIZE_INPUT, TensorProto.INT64, [2]),
        ]
    )
    batch = graph.input[0].type.tensor_type.shape.dim[0].dim_param
    graph.output.append(
        helper.make_tensor_value_info(
            LABELS_OUTPUT, TensorProto.INT32, [batch, "label_height", "label_width"]
        )
    )


def _grid(graph: onnx.GraphProto) -> tuple[int, int]:
    masks = next(value for value in graph.output if value.name == "masks")
    rows, columns = masks.type.tensor_type.shape.dim[2:]
    return rows.dim_value, columns.dim_value


def _add_nodes(graph: onnx.GraphProto, text: str) -> None:
    graph.node.extend(onnx.parser.parse_graph(text).node)
