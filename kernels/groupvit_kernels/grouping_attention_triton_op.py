"""The op for compilers that look inside: PyTorch sees the Triton launches and takes the kernels along.

The op of `grouping_attention_torch` is opaque, which is right for tracing to ONNX. AOTInductor needs the
opposite: with this form the compiled kernels lie in the package, and an application without Python or
Triton runs it.
"""

from __future__ import annotations

from torch import Tensor
from torch.library import triton_op, wrap_triton

from groupvit_kernels import grouping_attention_triton_launch


@triton_op("groupvit::grouping_attention_triton", mutates_args={})
def grouping_attention(
    query: Tensor, tokens: Tensor, bias: Tensor, eps: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The op of `grouping_attention_torch` on CUDA, without a gradient; arguments and results are the same.

    Raises:
        ValueError: the shapes break the contract, or are outside what the kernels are made for.
    """
    return grouping_attention_triton_launch.forward(query, tokens, bias, eps, wrap=wrap_triton)
