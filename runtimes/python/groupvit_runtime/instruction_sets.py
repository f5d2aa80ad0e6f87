"""What a processor computes natively, by its flags: products of bytes and products in bf16."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class InstructionSet:
    """Instructions that engines multiply bytes by.

    Attributes:
        flag: what Linux calls it, and manifests.
        title: for people.
        exact: whether sums are made in 32 bits. Without, two products of an unsigned and a signed byte are
            added in 16 bits, where they may saturate.
        fast: whether it was made for products of bytes; without, int8 need not be faster than float32.
    """

    flag: str
    title: str
    exact: bool
    fast: bool


INSTRUCTION_SETS: Final = (
    InstructionSet("amx_int8", "AMX", exact=True, fast=True),
    InstructionSet("avx512_vnni", "AVX-512 VNNI", exact=True, fast=True),
    InstructionSet("avx_vnni", "AVX-VNNI", exact=True, fast=True),
    InstructionSet("avx512bw", "AVX-512 without VNNI", exact=False, fast=False),
    InstructionSet("avx2", "AVX2 without VNNI", exact=False, fast=False),
    InstructionSet("ssse3", "SSSE3 without AVX2", exact=False, fast=False),
    InstructionSet("i8mm", "Arm I8MM", exact=True, fast=True),
    InstructionSet("asimddp", "Arm dot product", exact=True, fast=True),
    InstructionSet("asimd", "Arm Advanced SIMD", exact=True, fast=False),
)
"""The best first; `instruction_sets.cpp` has the same."""

BF16_FLAGS: Final = ("amx_bf16", "avx512_bf16")
"""Instructions that multiply bf16, the best first."""


def byte_products(flags: Collection[str]) -> InstructionSet | None:
    """The first of `INSTRUCTION_SETS` that a processor has; None where its flags are not known.

    Args:
        flags: of the processor, as Linux spells them.
    """
    return next((known for known in INSTRUCTION_SETS if known.flag in flags), None)


def instruction_sets(flags: Collection[str]) -> tuple[str, ...]:
    """What the speed of an engine depends on: of products of bytes, and of bf16 where there are any."""
    found = byte_products(flags)
    halves = next((flag for flag in BF16_FLAGS if flag in flags), None)
    return tuple(flag for flag in (None if found is None else found.flag, halves) if flag is not None)


def is_native(target: str, precision: str, flags: Collection[str]) -> bool:
    """Whether a processor has instructions for a precision, and the target's runtime uses them.

    Where it has not, float32 is faster or as fast.

    Args:
        target: "openvino" or "onnx".
        precision: "fp32", "int8", "bf16" or "fp16".
        flags: of the processor; empty where they are not known, and then only float32 is native.
    """
    if precision == "fp32":
        return True
    if precision == "int8":
        found = byte_products(flags)
        return found is not None and found.fast
    return target == "openvino" and precision == "bf16" and any(flag in flags for flag in BF16_FLAGS)
