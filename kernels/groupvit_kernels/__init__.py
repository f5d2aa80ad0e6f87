"""The grouping attention: its contract, its float64 reference and its PyTorch op.

Importing this package imports NumPy only; `groupvit_kernels.grouping_attention_torch` needs PyTorch.
"""

from groupvit_kernels.grouping_attention_contract import (
    DOMAIN,
    OP_NAME,
    OPSET_VERSION,
    GroupingAttentionOutputs,
    check_inputs,
)
from groupvit_kernels.grouping_attention_reference import grouping_attention

__all__ = [
    "DOMAIN",
    "OPSET_VERSION",
    "OP_NAME",
    "GroupingAttentionOutputs",
    "check_inputs",
    "grouping_attention",
]
