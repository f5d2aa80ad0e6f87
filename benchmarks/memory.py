"""How much memory this process had at most."""

from __future__ import annotations

from pathlib import Path


def peak_resident_mb() -> float:
    """Since the process began."""
    # Not getrusage: its maximum survives exec, so a child reports its parent's memory.
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(round(int(line.split()[1]) / 1024, 1) for line in lines if line.startswith("VmHWM"))
