"""The tests of the Triton kernels, on the GPU and never interpreted.

Usage: python -m benchmarks.gpu.triton_tests [--slow]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks.gpu.rows import write_row

ROOT = Path(__file__).resolve().parents[2]
TESTS = (
    "tests/groupvit_kernels/test_grouping_attention_triton.py",
    "tests/groupvit_kernels/test_grouping_attention_gradients.py",
)
_MOST_WORKERS = 8
"""Compiling is what takes time; more processes than that crowd the GPU."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run them; a row for each that did not pass."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--slow", action="store_true", help="the full grid of shapes instead of the rest")
    marks = "slow" if parser.parse_args(arguments).slow else "not slow"
    workers = min(_MOST_WORKERS, os.cpu_count() or 1)
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "tests.xml"
        command = [sys.executable, "-m", "pytest", "-m", marks, f"--junit-xml={report}"]
        # Not by file, as in CI: there are two. "0" keeps the tests from choosing the interpreter.
        command += ["-n", str(workers), "--dist", "load", *TESTS]
        environment = {**os.environ, "TRITON_INTERPRET": "0"}
        done = subprocess.run(command, cwd=ROOT, env=environment, stdout=sys.stderr)
        counts = _rows(report) if report.exists() else Counter[str]()
    words = ", ".join(f"{count} {what}" for what, count in counts.items()) or "no test was run"
    write_row(summary=f"{words}; {workers} processes", **counts)
    # A suite of skipped tests shows nothing.
    return done.returncode if counts["passed"] else 1


def _rows(report: Path) -> Counter[str]:
    counts: Counter[str] = Counter(passed=0)
    for case in ElementTree.parse(report).iter("testcase"):
        found = next((child for child in case if child.tag in ("failure", "error", "skipped")), None)
        if found is None:
            counts["passed"] += 1
            continue
        counts[found.tag] += 1
        message = found.get("message", "").splitlines()
        write_row(test=case.get("name"), was=found.tag, message=message[0] if message else "")
    return counts


if __name__ == "__main__":
    sys.exit(main())
