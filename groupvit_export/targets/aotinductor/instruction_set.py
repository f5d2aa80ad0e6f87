"""Which instructions the compiled code may use.

Left alone, Inductor compiles with `-march=native`, and the package ends with SIGILL on a CPU that lacks
anything that the build machine has; what it records is the instruction set of its own vector code only.
A level below the build machine's costs little: the products are PyTorch's, which chooses its kernels when
it runs.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final


@dataclass(frozen=True)
class InstructionSet:
    """A level that compilers know by name.

    Attributes:
        title: for people.
        features: what a CPU must have, by the names of `torch.cpu.get_capabilities()`.
        march: the compiler's name of it; empty for its own baseline.
        vector_bits: width of the vectors in Inductor's code; a width that no CPU has gives scalar code.
    """

    title: str
    features: tuple[str, ...]
    march: str
    vector_bits: int

    def inductor_options(self) -> dict[str, Any]:
        """The options that hold Inductor and the compiler to it."""
        return {
            "cpp.march": self.march,
            "cpp.simdlen": self.vector_bits,
            # Otherwise programs are compiled and run to try every level above this one, too.
            "cpp.vec_isa_ok": True,
        }


_X86_64_V3: Final = InstructionSet(
    title="x86-64-v3 (AVX2, BMI, F16C, FMA)",
    features=("sse4_2", "popcnt", "avx", "avx2", "bmi", "bmi2", "f16c", "fma3", "lzcnt"),
    march="x86-64-v3",
    vector_bits=256,
)
_LEVELS: Final[Mapping[str, InstructionSet]] = MappingProxyType({"x86_64": _X86_64_V3, "AMD64": _X86_64_V3})


def instruction_set() -> InstructionSet:
    """The level for this kind of machine."""
    machine = platform.machine()
    return _LEVELS.get(machine, InstructionSet(f"any {machine}", (), march="", vector_bits=1))
