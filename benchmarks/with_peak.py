"""Run a command of `groupvit` and say how much memory it had at most.

Usage: python -m benchmarks.with_peak VERB ...; the last line on standard error is the peak in MB.
"""

from __future__ import annotations

import sys

from groupvit_export.benchmark.memory import peak_resident_mb
from groupvit_export.cli import main

if __name__ == "__main__":
    code = main(sys.argv[1:])
    print(peak_resident_mb(), file=sys.stderr)
    sys.exit(code)
