"""The CUDA kernels by their C interface, on PyTorch's tensors and stream."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

_DTYPES: Final = {torch.float32: 0, torch.float16: 1, torch.bfloat16: 2}

Outputs = tuple[Tensor, Tensor, Tensor, Tensor]


class _Arguments(ctypes.Structure):
    """`groupvit_grouping_attention_arguments` of groupvit/grouping_attention.h."""

    _fields_ = (
        ("dtype", ctypes.c_int32),
        ("eps", ctypes.c_float),
        *((name, ctypes.c_int64) for name in ("batch", "groups", "length", "channels")),
        *((name, ctypes.c_void_p) for name in ("query", "tokens", "bias")),
        ("query_strides", ctypes.c_int64 * 3),
        ("tokens_strides", ctypes.c_int64 * 3),
        ("bias_strides", ctypes.c_int64 * 2),
        *((name, ctypes.c_void_p) for name in ("means", "soft", "index", "count")),
    )


def open_kernels(library: Path) -> Callable[[Tensor, Tensor, Tensor, float], Outputs]:
    """The operator of a library; arguments and results are those of `grouping_attention_torch`.

    The call raises RuntimeError where the library refuses: with what was expected.
    """
    api = ctypes.CDLL(str(library))
    api.groupvit_grouping_attention.argtypes = (ctypes.POINTER(_Arguments), ctypes.c_void_p)
    api.groupvit_kernel_status_text.restype = ctypes.c_char_p

    def grouping_attention(query: Tensor, tokens: Tensor, bias: Tensor, eps: float) -> Outputs:
        (batch, groups, channels), length = query.shape, tokens.shape[1]
        means = query.new_empty((batch, groups, channels), dtype=torch.float32)
        soft = query.new_empty((batch, groups, length), dtype=torch.float32)
        index = query.new_empty((batch, length), dtype=torch.int64)
        count = query.new_empty((batch, groups), dtype=torch.float32)
        arguments = _Arguments(
            _DTYPES[query.dtype],
            eps,
            *(batch, groups, length, channels),
            *(tensor.data_ptr() for tensor in (query, tokens, bias)),
            (ctypes.c_int64 * 3)(*query.stride()),
            (ctypes.c_int64 * 3)(*tokens.stride()),
            (ctypes.c_int64 * 2)(*bias.stride()),
            *(tensor.data_ptr() for tensor in (means, soft, index, count)),
        )
        stream = torch.cuda.current_stream(query.device).cuda_stream
        status = api.groupvit_grouping_attention(ctypes.byref(arguments), stream)
        if status != 0:
            raise RuntimeError(api.groupvit_kernel_status_text(status).decode())
        return means, soft, index, count

    return grouping_attention
