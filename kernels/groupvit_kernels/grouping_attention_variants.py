"""Which kernels run for which shapes: a pure function over a reviewed table, the JSON file of this name."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

DTYPES: Final = ("fp32", "fp16", "bf16")

MAX_GROUPS: Final = 128
MAX_LENGTH: Final = 16_384
MAX_CHANNELS: Final = 1_024
CHANNEL_MULTIPLE: Final = 16
"""What the kernels are made for; PyTorch's own operations have no such limits."""


@dataclass(frozen=True)
class Variant:
    """How the op is computed.

    Attributes:
        name: "two_pass" (assign, then group_mean) or "fused" (one launch).
        groups: columns of a tile: the groups, rounded up to a power of two of at least 16.
        block_n, block_c: tokens and channels of a tile.
        num_warps, num_stages: of a program.
    """

    name: str
    groups: int
    block_n: int
    block_c: int
    num_warps: int
    num_stages: int


@dataclass(frozen=True)
class _Rule:
    """A line of the table: the first that fits a problem decides."""

    dtypes: tuple[str, ...]
    max_groups: int
    max_length: int
    variant: str
    block_n: int
    block_c: int
    num_warps: int
    num_stages: int
    min_arch: int = 0


def choose_variant(groups: int, length: int, channels: int, dtype: str, arch: int) -> Variant:
    """The variant for a problem. The batch has no say, so an image's result does not depend on it.

    Args:
        groups, length, channels: G, N, C.
        dtype: one of `DTYPES`, of query, tokens and bias.
        arch: compute capability without its dot, 90.

    Raises:
        ValueError: outside what the kernels are made for.
    """
    check_limits(groups, length, channels, dtype)
    rule = next(
        rule
        for rule in _rules()
        if dtype in rule.dtypes
        and groups <= rule.max_groups
        and length <= rule.max_length
        and arch >= rule.min_arch
    )
    return Variant(
        name=rule.variant,
        groups=max(16, 1 << (groups - 1).bit_length()),
        block_n=rule.block_n,
        block_c=rule.block_c,
        num_warps=rule.num_warps,
        num_stages=rule.num_stages,
    )


def check_limits(groups: int, length: int, channels: int, dtype: str) -> None:
    """Refuse what the kernels are not made for.

    Raises:
        ValueError: says what is outside, and what is allowed.
    """
    if dtype not in DTYPES:
        raise ValueError(f"the kernels take {', '.join(DTYPES)}; got {dtype}")
    if not 1 <= groups <= MAX_GROUPS:
        raise ValueError(f"the kernels take 1 to {MAX_GROUPS} groups; got {groups}")
    if not 1 <= length <= MAX_LENGTH:
        raise ValueError(f"the kernels take 1 to {MAX_LENGTH:,} tokens; got {length:,}")
    if not 1 <= channels <= MAX_CHANNELS or channels % CHANNEL_MULTIPLE:
        raise ValueError(
            f"the kernels take channels in multiples of {CHANNEL_MULTIPLE} up to {MAX_CHANNELS:,}; "
            f"got {channels}"
        )


@cache
def _rules() -> tuple[_Rule, ...]:
    table = json.loads(
        files("groupvit_kernels").joinpath("grouping_attention_variants.json").read_text(encoding="utf-8")
    )
    return tuple(_Rule(**{**row, "dtypes": tuple(row["dtypes"])}) for row in table)
