"""How many processors this process may use: by its affinity, and by the quota of its control group."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_MEMBERSHIP: Final = Path("/proc/self/cgroup")
_ROOT: Final = Path("/sys/fs/cgroup")
_V1_FOLDERS: Final = ("cpu,cpuacct", "cpu")


def usable_cores() -> int:
    """Processors that this process can keep busy, at least one."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cpu_quota()
    return allowed if quota is None else min(allowed, math.ceil(quota))


def cpu_quota(membership: Path = _MEMBERSHIP, root: Path = _ROOT) -> float | None:
    """Processors' worth of time that this process may use, the least of its groups'; None without a limit.

    Source: https://docs.kernel.org/admin-guide/cgroup-v2.html (`cpu.max`) and
    https://docs.kernel.org/scheduler/sched-bwc.html (`cpu.cfs_quota_us`, of version 1)

    Args:
        membership: the groups of the process.
        root: where control groups are mounted.
    """
    if not membership.is_file():
        return None
    quotas: list[float] = []
    for line in membership.read_text(encoding="utf-8", errors="replace").splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            quotas += (_v2(folder) for folder in _with_parents(root, path))
        elif "cpu" in controllers.split(","):
            for name in _V1_FOLDERS:
                quotas += (_v1(folder) for folder in _with_parents(root / name, path))
    least = min(quotas, default=float("inf"))
    return None if least == float("inf") else least


def _with_parents(root: Path, path: str) -> Iterator[Path]:
    """A container may see its own group as the root, and its path is then not there."""
    group = root / path.lstrip("/")
    while group != root and root in group.parents:
        yield group
        group = group.parent
    yield root


def _v2(folder: Path) -> float:
    text = _read(folder / "cpu.max").split()
    return float("inf") if len(text) != 2 or text[0] == "max" else int(text[0]) / int(text[1])


def _v1(folder: Path) -> float:
    quota, period = (_read(folder / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period"))
    return float("inf") if quota in ("", "-1") or not period else int(quota) / int(period)


def _read(path: Path) -> str:
    return path.read_text(encoding="ascii") if path.is_file() else ""
