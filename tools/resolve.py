"""Whether a stranger can install every extra: resolves all from the public index, and installs nothing.

What this machine has beside the index (pip's configuration, folders of wheels, what is installed) is left out
of it: a local wheel may ask for less than the published one of the same version.
"""

from __future__ import annotations

import argparse
import enum
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).resolve().parent.parent
PYTHONS: Final = ("3.11", "3.12", "3.13")

_TOGETHER: Final = (("export",), ("export", "test", "lint", "bench"))
_BUILT_BY_THE_USER: Final = ("tensorrt-rtx", "tensorrt-rtx-cu13")
"""Published as sources only, which fetch the libraries from NVIDIA; all else has to be there as a wheel."""
_WITHOUT_WHEELS: Final = ("tensorrt",)
"""Extras whose libraries are sources too, under names that change with CUDA's version."""
_KEPT: Final = ("UV_CACHE_DIR", "UV_HTTP_RETRIES", "UV_HTTP_TIMEOUT", "UV_SYSTEM_CERTS")
_SHOWN: Final = re.compile(r"^(?:torch|triton|onnxruntime-gpu|tensorrt)==\S+", re.MULTILINE)


class Outcome(enum.Enum):
    """What resolving came to."""

    RESOLVED = "resolved"
    REFUSED = "REFUSED"
    UNREACHABLE = "no index"


@dataclass(frozen=True)
class Case:
    """One command that a user may type.

    Attributes:
        extras: of the project; none is the runtime alone.
        python: version of the interpreter, "3.11".
        constrained: whether `-c constraints.txt` is given.
    """

    extras: tuple[str, ...]
    python: str
    constrained: bool

    def __str__(self) -> str:
        extras = f"[{','.join(self.extras)}]" if self.extras else ""
        return f"Python {self.python}: {'-c constraints.txt ' if self.constrained else ''}.{extras}"


@dataclass(frozen=True)
class Result:
    """What became of a case.

    Attributes:
        outcome: resolved, refused, or the index was not reached.
        text: the packages with their versions, one a line; or the resolver's reason.
    """

    case: Case
    outcome: Outcome
    text: str


def cases(project: Path = REPOSITORY) -> list[Case]:
    """Every extra, alone and as they go together, with the constraints; exporting without them too."""
    with (project / "pyproject.toml").open("rb") as file:
        extras = tomllib.load(file)["project"]["optional-dependencies"]
    wanted = dict.fromkeys([(), *((extra,) for extra in extras), *_TOGETHER])
    return [
        *(Case(names, python, constrained=True) for python in PYTHONS for names in wanted),
        *(Case(("export",), python, constrained=False) for python in PYTHONS),
    ]


def resolve(case: Case, project: Path = REPOSITORY, index: Sequence[str] = ()) -> Result:
    """Resolve one case for Linux on x86-64.

    Args:
        case: what to resolve.
        project: folder with pyproject.toml and constraints.txt.
        index: uv's options that put something in the place of the public index.
    """
    from uv import find_uv_bin

    command = [
        find_uv_bin(),
        "pip",
        "compile",
        "--quiet",
        "--no-config",
        "--no-header",
        "--no-annotate",
        *index,
    ]
    command += ["--python", sys.executable, "--python-version", case.python]
    command += ["--python-platform", "x86_64-unknown-linux-gnu", str(project / "pyproject.toml")]
    for extra in case.extras:
        command += ["--extra", extra]
    if case.constrained:
        command += ["--constraints", str(project / "constraints.txt")]
    if not set(case.extras) & set(_WITHOUT_WHEELS):
        command += ["--only-binary", ":all:"]
        command += [f"--no-binary={name}" for name in _BUILT_BY_THE_USER]
    done = subprocess.run(command, capture_output=True, text=True, env=_environment())
    if done.returncode == 0:
        return Result(case, Outcome.RESOLVED, done.stdout)
    unreached = "Failed to fetch" in done.stderr or "error sending request" in done.stderr
    return Result(case, Outcome.UNREACHABLE if unreached else Outcome.REFUSED, done.stderr)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line a case and the reasons; 0 if all resolve, 1 if one does not, 3 without an index."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--project", type=Path, default=REPOSITORY, help="folder with pyproject.toml")
    project = parser.parse_args(arguments).project
    wanted = cases(project)
    print(
        f"Resolving {len(wanted)} installations from the public index; only metadata is fetched.", flush=True
    )
    failed: list[Result] = []
    with ThreadPoolExecutor(4) as pool:
        for result in pool.map(lambda case: resolve(case, project), wanted):
            shown = ", ".join(_SHOWN.findall(result.text)) if result.outcome is Outcome.RESOLVED else ""
            print(f"  {result.outcome.value:9} {result.case!s:68} {shown}".rstrip(), flush=True)
            if result.outcome is Outcome.UNREACHABLE:
                print(f"\nThe package index cannot be reached, so nothing is known:\n{result.text}")
                pool.shutdown(cancel_futures=True)
                return 3
            if result.outcome is Outcome.REFUSED:
                failed.append(result)
    # The resolver gives one reason for many cases.
    for reason in dict.fromkeys(result.text for result in failed):
        print("", *(result.case for result in failed if result.text == reason), reason, sep="\n")
    print(f"{len(failed)} of {len(wanted)} do not resolve." if failed else "All of them resolve.")
    return 1 if failed else 0


def _environment() -> dict[str, str]:
    """This process's, without what would have uv look elsewhere than in the public index."""
    left_out = [name for name in os.environ if name.startswith(("UV_", "PIP_")) and name not in _KEPT]
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    # The interpreter that is here can resolve for the others.
    return kept | {"UV_PYTHON_DOWNLOADS": "never"}


if __name__ == "__main__":
    raise SystemExit(main())
