"""Kinds of processors: figures of one say little of another, so that each has results of its own."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Final

from groupvit_runtime.instruction_sets import byte_products

TITLES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "amx": "AMX",
        "vnni": "VNNI",
        "avx512": "AVX-512 without VNNI",
        "avx2": "AVX2 only",
        "arm64": "Arm",
        "other": "another processor",
    }
)
"""By the name of the kind, in the order of the tables."""

_KIND_OF: Final[Mapping[str, str]] = MappingProxyType(
    {
        "amx_int8": "amx",
        "avx512_vnni": "vnni",
        "avx_vnni": "vnni",
        "avx512bw": "avx512",
        "avx2": "avx2",
        "i8mm": "arm64",
        "asimddp": "arm64",
        "asimd": "arm64",
    }
)
"""By the flag of what multiplies bytes."""


def kind_of(flags: Collection[str]) -> str:
    """The kind of the processor with these flags, spelled as Linux does; "other" for what is not known."""
    found = byte_products(flags)
    return "other" if found is None else _KIND_OF.get(found.flag, "other")
