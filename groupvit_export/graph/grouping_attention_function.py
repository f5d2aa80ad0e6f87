"""The ONNX function body of `groupvit::GroupingAttention`.

A runtime that has a kernel of the operator's name uses it; one that has none, but knows model-local
functions, inlines the body. Tools that know no functions (OpenVINO) get the same file with the body inlined
by `inlined`.
"""

from __future__ import annotations

import onnx
from onnx import inliner

from groupvit_export.errors import ExportError
from groupvit_kernels.grouping_attention_contract import DOMAIN, OP_NAME, OPSET_VERSION

# ArgMax + Equal rather than Hardmax (no CUDA kernel in ONNX Runtime, another tie rule in OpenVINO)
# and rather than ReduceMax + Equal (a tied token would join two groups). The casts put half-precision
# inputs on float32 logits; on float32 they are removed by every optimizer. Constants are tensors, for tools
# that know no other (ONNX Runtime's symbolic_shape_infer): eps, which can then be no reference to the node's
# attribute, is the value that all nodes have.
_BODY = """
<domain: "{domain}", opset_import: ["" : {opset}]>
{name} <eps> (query, tokens, bias) => (means, soft, index, count)
{{
    query32 = Cast <to: int = 1> (query)
    tokens32 = Cast <to: int = 1> (tokens)
    bias32 = Cast <to: int = 1> (bias)
    last = Constant <value: tensor = int64[1] {{-1}}> ()
    tokens_by_channel = Transpose <perm: ints = [0, 2, 1]> (tokens32)
    products = MatMul (query32, tokens_by_channel)
    bias_column = Unsqueeze (bias32, last)
    logits = Add (products, bias_column)
    soft = Softmax <axis: int = 1> (logits)
    winner = ArgMax <axis: int = 1, keepdims: int = 1, select_last_index: int = 0> (logits)
    groups_axis = Constant <value: tensor = int64[1] {{1}}> ()
    index = Squeeze (winner, groups_axis)
    group_count = Shape <start: int = 1, end: int = 2> (query)
    groups_scalar = Squeeze (group_count)
    zero = Constant <value: tensor = int64 {{0}}> ()
    one = Constant <value: tensor = int64 {{1}}> ()
    groups = Range (zero, groups_scalar, one)
    groups_column = Unsqueeze (groups, last)
    is_winner = Equal (winner, groups_column)
    hard = Cast <to: int = 1> (is_winner)
    count = ReduceSum <keepdims: int = 0> (hard, last)
    sums = MatMul (hard, tokens32)
    epsilon = Constant <value: tensor = float {{{eps!r}}}> ()
    denominator = Add (count, epsilon)
    denominator_column = Unsqueeze (denominator, last)
    means = Div (sums, denominator_column)
}}
"""


def grouping_attention_function(opset: int, eps: float) -> onnx.FunctionProto:
    """The function body in operators of the default domain at `opset` (18 or newer), for nodes of `eps`."""
    text = _BODY.format(domain=DOMAIN, name=OP_NAME, opset=opset, eps=eps)
    return onnx.parser.parse_function(text)


def attach(model: onnx.ModelProto) -> None:
    """Add the function to a captured model that has nodes of the operator.

    Raises:
        ExportError: the nodes do not have one value of `eps`, which the body has as a constant.
    """
    found = {
        attribute.f
        for node in model.graph.node
        if node.domain == DOMAIN and node.op_type == OP_NAME
        for attribute in node.attribute
        if attribute.name == "eps"
    }
    if len(found) != 1:
        raise ExportError(
            "the nodes of the grouping attention have no eps in common",
            got=sorted(found) or "none",
            expected="one value",
        )
    opset = next(entry.version for entry in model.opset_import if entry.domain == "")
    model.functions.append(grouping_attention_function(opset, found.pop()))
    if all(entry.domain != DOMAIN for entry in model.opset_import):
        model.opset_import.append(onnx.helper.make_opsetid(DOMAIN, OPSET_VERSION))


def inlined(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same model with every function body in place of its call."""
    return inliner.inline_local_functions(model)
