"""What a measurement was made on."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass, fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from groupvit_runtime.engines import ENGINES
from groupvit_runtime.processor import CPUINFO, processor_facts, processor_flags
from groupvit_runtime.processors import usable_cores

PACKAGES: Final = (
    *("groupvit-export", "groupvit-runtime", "numpy", "pillow", "safetensors", "tokenizers"),
    *(package for kind in ENGINES.values() for package in kind.packages),
)
"""Those of them that are installed are recorded."""

_INSTRUCTIONS: Final = re.compile(r"(s?sse|avx|amx|fma|f16c|asimd|neon|sve|bf16|i8mm|sme\d|sme$)")
_MIB: Final = 1 << 20


@dataclass(frozen=True)
class Machine:
    """The computer.

    Attributes:
        cpu: its model.
        architecture: as Python calls it.
        cores: of the whole machine.
        usable_cores: that this process may run on, or have the time of where its container has a quota.
        flags: instruction sets that matter for inference, sorted.
        memory_mb: MiB in all; None where the system does not tell.
        system: "Linux", "Darwin", "Windows".
    """

    cpu: str
    architecture: str
    cores: int
    usable_cores: int
    flags: tuple[str, ...]
    memory_mb: int | None
    system: str

    def differences(self, other: Machine) -> list[str]:
        """What tells this one from the other, "cores: 2, 16"."""
        return [
            f"{field.name}: {_short(getattr(self, field.name))}, {_short(getattr(other, field.name))}"
            for field in fields(self)
            if getattr(self, field.name) != getattr(other, field.name)
        ]


def this_machine(cpuinfo: Path = CPUINFO) -> Machine:
    """The one that this runs on.

    Args:
        cpuinfo: what Linux tells of the processors; need not be there.
    """
    facts = processor_facts(cpuinfo)
    cores = os.cpu_count() or 1
    return Machine(
        cpu=facts.get("model name") or platform.processor() or platform.machine(),
        architecture=platform.machine(),
        cores=cores,
        usable_cores=usable_cores(),
        flags=tuple(sorted(flag for flag in processor_flags(cpuinfo) if _INSTRUCTIONS.match(flag))),
        memory_mb=_memory_mb(),
        system=platform.system(),
    )


def installed() -> dict[str, str]:
    """Versions of Python and of what computes."""
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def load_average() -> float | None:
    """Of the last minute: processes that ran or wanted to; None where the system does not tell."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def _memory_mb() -> int | None:
    names = getattr(os, "sysconf_names", {})
    if "SC_PAGE_SIZE" not in names or "SC_PHYS_PAGES" not in names:
        return None
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // _MIB


def _short(value: object) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)
