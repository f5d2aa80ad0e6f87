"""The grouping attention: its contract, its float64 reference and its PyTorch op.

Importing this package imports NumPy only; `groupvit_kernels.torch_op` needs PyTorch.
"""

from groupvit_kernels.contract import (
    DOMAIN,
    OP_NAME,
    OPSET_VERSION,
    GroupingAttentionOutputs,
    check_inputs,
)
from groupvit_kernels.reference import grouping_attention

__all__ = [
    "DOMAIN",
    "OPSET_VERSION",
    "OP_NAME",
    "GroupingAttentionOutputs",
    "check_inputs",
    "grouping_attention",
]
