"""The CUDA kernels, built for this GPU: against their own code on the CPU, and under compute-sanitizer.

Usage: python -m benchmarks.gpu.cuda_kernels check|sanitize
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.gpu.device import find_gpu
from benchmarks.gpu.rows import not_run, note, write_row
from benchmarks.gpu.steps import NOT_RUN

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "gpu" / "cuda"
LIBRARY = BUILD / "libgroupvit_kernels_cuda.so"
OPERATOR = BUILD / "libgroupvit_onnxruntime_op.so"
"""Is there where CMake found the headers of ONNX Runtime; the environment's ONNXRUNTIME_ROOT says where."""
CHECK = BUILD / "gpu_check"

_TOOLS = ("memcheck", "racecheck", "initcheck", "synccheck")
_SANITIZER_FOUND = 86
_UNSUPPORTED = re.compile(r"device not supported|not supported on this", re.IGNORECASE)


def main() -> int:
    """Build, and do what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=["check", "sanitize"])
    what = parser.parse_args().what
    build()
    return check() if what == "check" else sanitize()


def build() -> None:
    """Build the kernels, the check, and ONNX Runtime's operator where its headers are.

    Raises:
        subprocess.CalledProcessError: CMake or the compiler failed.
    """
    architecture = f"{find_gpu().compute_capability.replace('.', '')}-real"
    configure = [
        "cmake",
        "-S",
        str(ROOT / "kernels" / "cuda"),
        "-B",
        str(BUILD),
        "-DGROUPVIT_BUILD_GPU_CHECK=ON",
    ]
    configure += [f"-DCMAKE_CUDA_ARCHITECTURES={architecture}"]
    for command in (configure, ["cmake", "--build", str(BUILD), "--parallel", "4"]):
        subprocess.run(command, check=True, stdout=sys.stderr)


def check() -> int:
    """Every case of gpu_check as a row."""
    last = "no case was run"
    with subprocess.Popen([CHECK], stdout=subprocess.PIPE, stderr=sys.stderr, text=True) as process:
        for line in process.stdout or ():
            last = line.strip()
            note(last)
            write_row(case=line[:28].rstrip(), found=line[28:].strip())
    if process.returncode == NOT_RUN:
        return not_run("gpu_check saw no GPU")
    built = "built" if OPERATOR.exists() else "not built: no headers (ONNXRUNTIME_ROOT)"
    write_row(summary=f"{last}; ONNX Runtime's operator {built}")
    return process.returncode


def sanitize() -> int:
    """Every tool over the small cases; a row each."""
    states = {tool: _sanitized(tool) for tool in _TOOLS}
    if all(state == "not supported" for state in states.values()):
        return not_run("compute-sanitizer does not support this device")
    write_row(summary=", ".join(f"{tool} {state}" for tool, state in states.items()))
    return 0 if all(state == "clean" for state in states.values()) else 1


def _sanitized(tool: str) -> str:
    command: Sequence[str] = ["compute-sanitizer", "--tool", tool, "--error-exitcode", str(_SANITIZER_FOUND)]
    done = subprocess.run([*command, str(CHECK), "--small"], capture_output=True, text=True)
    said = done.stdout + done.stderr
    note(said)
    codes = {0: "clean", _SANITIZER_FOUND: "ERRORS"}
    state = "not supported" if _UNSUPPORTED.search(said) else codes.get(done.returncode, "did not run")
    counted = re.findall(r"ERROR SUMMARY: .*|RACECHECK SUMMARY: .*", said)
    write_row(tool=tool, state=state, exit_code=done.returncode, said=counted[-1] if counted else said[-300:])
    return state


if __name__ == "__main__":
    sys.exit(main())
