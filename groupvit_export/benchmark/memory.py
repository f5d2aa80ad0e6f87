"""How much memory this process had at most."""

from __future__ import annotations

from pathlib import Path


def peak_resident_mb() -> float | None:
    """Since the process began, in MiB; None where the system does not tell.

    Not getrusage: its maximum survives exec, so a child reports its parent's memory.
    """
    status = Path("/proc/self/status")
    if not status.is_file():
        return None
    lines = status.read_text(encoding="utf-8").splitlines()
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), None)
