"""Everything that needs a GPU, one step after the other.

Usage: python -m benchmarks.gpu [--again] [--only STEP ...] [--budget SECONDS]

Needs Python and PyTorch for CUDA; what else a step needs may be installed, or come in the parcels of
`make gpu-wheels`. Writes benchmarks/results/gpu/DEVICE/STEP.json, with a log beside it. A step that has
passed is not run again without --again. Exit codes: 0 all passed, 1 one failed or ran out of time, 2 usage,
3 none failed and one was not run, 130 Ctrl-C.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks.gpu.device import NoGpuError, find_gpu
from benchmarks.gpu.install import ROOT, install
from benchmarks.gpu.installed import installed
from benchmarks.gpu.parcels import DamagedParcelError
from benchmarks.gpu.results import Outcome, State, exit_code, table
from benchmarks.gpu.run_steps import Setting, run_steps
from benchmarks.gpu.steps import BUDGET_S, STEPS

BUILD = ROOT / "build" / "gpu"
PARCELS = BUILD / "wheels"
_CUDA_PROGRAMS = ("/usr/local/cuda/bin", "/usr/local/cuda/compute-sanitizer")


def main() -> int:
    """Run the steps, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--again", action="store_true", help="run what has passed before, too")
    parser.add_argument("--only", nargs="+", metavar="STEP", choices=[step.name for step in STEPS])
    parser.add_argument("--budget", type=float, default=BUDGET_S, metavar="SECONDS", help="for all of them")
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks" / "results" / "gpu")
    given = parser.parse_args()
    steps = [step for step in STEPS if given.only is None or step.name in given.only]
    try:
        gpu = find_gpu()
    except NoGpuError as error:
        outcomes = {step.name: Outcome(State.NOT_RUN, f"no GPU: {error}") for step in steps}
        print(table(outcomes, "No GPU; nothing was measured."))
        return exit_code(outcomes)
    began = time.monotonic()
    prepared: dict[str, Outcome] = {}
    site = None
    try:
        site = install(PARCELS, BUILD, installed(), _say)
    except (DamagedParcelError, RuntimeError) as error:
        _say(str(error))
        prepared["wheels"] = Outcome(State.FAILED, str(error).splitlines()[0])
    sites = () if site is None else (site,)
    setting = Setting(
        gpu=gpu,
        folder=given.results / gpu.slug,
        environment=environment(os.environ, sites),
        installed=installed(sites),
        budget_s=given.budget - (time.monotonic() - began),
        again=given.again,
    )
    outcomes = prepared | run_steps(steps, setting, _say)
    title = f"{gpu.name}, compute capability {gpu.compute_capability}, driver {gpu.driver}, CUDA {gpu.cuda}"
    print(table(outcomes, title))
    return exit_code(outcomes)


def environment(given: Mapping[str, str], sites: tuple[Path, ...]) -> dict[str, str]:
    """What the steps see: the project, what was installed for them, CUDA's programs and libraries.

    Args:
        given: the environment of this process.
        sites: folders of packages before this Python's own.
    """
    packages = [ROOT, ROOT / "kernels", ROOT / "runtimes" / "python", *sites]
    # Packages bring CUDA's libraries where only PyTorch looks for them.
    folders = [Path(path) for path in (*map(str, sites), *sys.path) if path]
    libraries = sorted({path for folder in folders for path in folder.glob("nvidia/*/lib")})
    own = {
        "PYTHONPATH": _joined(packages, given.get("PYTHONPATH")),
        "LD_LIBRARY_PATH": _joined(libraries, given.get("LD_LIBRARY_PATH")),
        "PATH": _joined([given.get("PATH", os.defpath)], os.pathsep.join(_CUDA_PROGRAMS)),
        "PYTHONUNBUFFERED": "1",
    }
    # Triton's interpreter would keep the kernels off the GPU.
    kept = {name: value for name, value in given.items() if name != "TRITON_INTERPRET"}
    return kept | own


def _joined(first: list[Path] | list[str], then: str | None) -> str:
    return os.pathsep.join([*map(str, first), *filter(None, [then])])


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
