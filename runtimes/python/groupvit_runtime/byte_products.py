"""What this processor multiplies bytes by, and what int8 loses where that is not what it was judged on."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from groupvit_runtime.engines import ENGINES
from groupvit_runtime.manifest import EngineInfo
from groupvit_runtime.processor import processor_flags


@dataclass(frozen=True)
class InstructionSet:
    """Instructions that engines multiply bytes by.

    Attributes:
        flag: what Linux calls it, and manifests.
        title: for people.
        exact: whether sums are made in 32 bits. Without, two products of an unsigned and a signed byte are
            added in 16 bits, where they may saturate.
    """

    flag: str
    title: str
    exact: bool


INSTRUCTION_SETS: Final = (
    InstructionSet("amx_int8", "AMX", exact=True),
    InstructionSet("avx512_vnni", "AVX-512 VNNI", exact=True),
    InstructionSet("avx_vnni", "AVX-VNNI", exact=True),
    InstructionSet("avx512bw", "AVX-512 without VNNI", exact=False),
    InstructionSet("avx2", "AVX2 without VNNI", exact=False),
    InstructionSet("ssse3", "SSSE3 without AVX2", exact=False),
    InstructionSet("i8mm", "Arm I8MM", exact=True),
    InstructionSet("asimddp", "Arm dot product", exact=True),
    InstructionSet("asimd", "Arm Advanced SIMD", exact=True),
)
"""The best first; `byte_products.cpp` has those of x86, too."""

_ON_CPU: Final = ("onnx", "openvino")


def instruction_set(flags: Collection[str]) -> InstructionSet | None:
    """The first of the table that a processor has; None where its flags are not known.

    Args:
        flags: of the processor, as Linux spells them.
    """
    return next((known for known in INSTRUCTION_SETS if known.flag in flags), None)


def this_instruction_set() -> InstructionSet | None:
    """That of this machine's processor; None outside Linux."""
    return instruction_set(processor_flags())


def int8_caution(
    name: str, engine: EngineInfo, device: str | None, found: InstructionSet | None
) -> str | None:
    """What a user ought to know of an int8 engine on a processor that adds products in 16 bits.

    Args:
        name: of the bundle.
        engine: the image engine.
        device: that was asked for; None for the target's usual one.
        found: what the processor has; None where that is not known.

    Returns:
        A sentence or two; None where there is nothing to say.
    """
    target = engine.target
    on_cpu = target in _ON_CPU and (device or ENGINES[target].devices[0]) == "cpu"
    if engine.precision != "int8" or not on_cpu or found is None or found.exact:
        return None
    quantization = engine.quantization
    judged = None if quantization is None else quantization.instruction_set
    if quantization is not None and quantization.never_saturates:
        meaning = "its label maps are what was judged"
    else:
        meaning = "sums of its products may saturate here, and its label maps be others than those judged"
    # Measured; OpenVINO's AVX-512 without VNNI keeps most of what int8 gains.
    slow = target == "openvino" and not found.flag.startswith("avx512")
    speed = "float32 is faster here" if slow else "float32 may be as fast here"
    return (
        f"bundle {name!r} is int8, judged on {judged or 'an instruction set that it does not name'}, "
        f"and this processor has {found.title}: {meaning}, and {speed}. "
        f"Try a bundle in float32: groupvit export --target {target}"
    )
