"""What the system says about the processor."""

from __future__ import annotations

from pathlib import Path
from typing import Final

CPUINFO: Final = Path("/proc/cpuinfo")


def processor_facts(path: Path = CPUINFO) -> dict[str, str]:
    """The first value of every key of /proc/cpuinfo, or of a file like it; empty where there is none."""
    if not path.is_file():
        return {}
    pairs = (line.partition(":") for line in path.read_text(encoding="utf-8").splitlines())
    facts: dict[str, str] = {}
    for key, _, value in pairs:
        facts.setdefault(key.strip(), value.strip())
    return facts


def processor_flags(path: Path = CPUINFO) -> frozenset[str]:
    """Its instruction sets, as Linux spells them; empty elsewhere."""
    facts = processor_facts(path)
    return frozenset(facts.get("flags", facts.get("Features", "")).split())
