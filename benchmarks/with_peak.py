"""Run a command of `groupvit` and say how much memory it had at most.

Usage: python -m benchmarks.with_peak VERB ...; the last line on standard error is the peak in MB.
"""

from __future__ import annotations

import sys
from pathlib import Path

from groupvit_export.cli import main


def peak_resident_mb() -> float:
    """Of this process since it began."""
    # Not getrusage: its maximum survives exec, so a child reports its parent's memory.
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(round(int(line.split()[1]) / 1024, 1) for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    code = main(sys.argv[1:])
    print(peak_resident_mb(), file=sys.stderr)
    sys.exit(code)
