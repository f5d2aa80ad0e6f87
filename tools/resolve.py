"""Whether a stranger can install every extra of both distributions: resolves all from the public index.

Nothing is installed. Our own two are no index's: they are named by their folders, as a user names them.
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
from functools import cache
from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).resolve().parent.parent
PYTHONS: Final = ("3.11", "3.12", "3.13")
RUNTIME: Final = Path("runtimes/python")
"""Folder of groupvit-runtime in the project, which is groupvit-export."""

_TOGETHER: Final = (("export",), ("export", "test", "lint", "bench"), ("export", "litert"))
_CONSTRAINTS: Final = {"litert": "constraints-litert.txt"}
"""By an extra, the tested versions that go with it; the others have constraints.txt."""
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
        extras: of groupvit-export, or of groupvit-runtime where that is installed alone.
        python: version of the interpreter, "3.11".
        constrained: whether `-c` and the file of the tested versions are given.
        alone: groupvit-runtime without groupvit-export.
    """

    extras: tuple[str, ...]
    python: str
    constrained: bool
    alone: bool = False

    @property
    def requirements(self) -> tuple[str, ...]:
        """What pip is given, seen from the project's folder."""
        extras = f"[{','.join(self.extras)}]" if self.extras else ""
        return (f"./{RUNTIME}{extras}",) if self.alone else (f"./{RUNTIME}", f".{extras}")

    @property
    def constraints(self) -> str:
        """The file of the tested versions."""
        return next(
            (_CONSTRAINTS[extra] for extra in self.extras if extra in _CONSTRAINTS), "constraints.txt"
        )

    def __str__(self) -> str:
        constraints = f"-c {self.constraints} " if self.constrained else ""
        return f"Python {self.python}: {constraints}{' '.join(self.requirements)}"


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
    wanted = dict.fromkeys([(), *((extra,) for extra in extras_of(project)), *_TOGETHER])
    embedded = [(), *((extra,) for extra in extras_of(project / RUNTIME))]
    return [
        *(Case(names, python, constrained=True) for python in PYTHONS for names in wanted),
        *(Case(names, python, constrained=True, alone=True) for python in PYTHONS for names in embedded),
        *(Case(("export",), python, constrained=False) for python in PYTHONS),
    ]


def extras_of(project: Path) -> list[str]:
    """Names of the extras in a folder's pyproject.toml."""
    with (project / "pyproject.toml").open("rb") as file:
        return list(tomllib.load(file)["project"]["optional-dependencies"])


@cache
def uv() -> str:
    """The resolver's program."""
    from uv import find_uv_bin

    return find_uv_bin()


def resolve(case: Case, project: Path = REPOSITORY, index: Sequence[str] = ()) -> Result:
    """Resolve one case for Linux on x86-64.

    Args:
        case: what to resolve.
        project: folder of groupvit-export, with constraints.txt and the runtime's folder in it.
        index: uv's options that put something in the place of the public index.
    """
    command = [
        uv(),
        "pip",
        "compile",
        "--quiet",
        "--no-config",
        "--no-header",
        "--no-annotate",
        *index,
    ]
    command += ["--python", sys.executable, "--python-version", case.python]
    command += ["--python-platform", "x86_64-unknown-linux-gnu", "-"]
    if case.constrained:
        command += ["--constraints", case.constraints]
    if not set(case.extras) & set(_WITHOUT_WHEELS):
        command += ["--only-binary", ":all:"]
        command += [f"--no-binary={name}" for name in _BUILT_BY_THE_USER]
    done = subprocess.run(
        command,
        input="\n".join(case.requirements),
        cwd=project,
        capture_output=True,
        text=True,
        env=_environment(),
    )
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
    # Before there are threads: Python 3.11 answers the first of them that ask for its settings with nothing.
    uv()
    with ThreadPoolExecutor(4) as pool:
        for result in pool.map(lambda case: resolve(case, project), wanted):
            shown = ", ".join(_SHOWN.findall(result.text)) if result.outcome is Outcome.RESOLVED else ""
            print(f"  {result.outcome.value:9} {result.case!s:86} {shown}".rstrip(), flush=True)
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
