"""Makes the virtual environment of the Makefile's goals: PyTorch where there is one, then both distributions.

Run by the interpreter that the environment is for. PyTorch is the first of: what `--torch` gives to pip; what
the interpreter's own environment has, if the user named it; what the environment took before; what the
interpreter's environment has all the same; the version that the toolkit is tested with.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
RUNTIME = Path("runtimes/python")
OLDEST_PYTHON = (3, 11)
OLDEST_TORCH = (2, 10)

_LINK = "torch_of_another_environment.pth"
_TO_FETCH = {"export": 0.2, "litert": 0.5, "test": 0.4}
_LOOK = (
    "import importlib.metadata as m, json; d = m.distribution('torch'); "
    "print(json.dumps([d.version, str(d.locate_file('')), d.requires or []]))"
)

Pip = Callable[[Sequence[str]], None]


@dataclass(frozen=True)
class Torch:
    """An installed PyTorch.

    Attributes:
        version: "2.13.0+cpu".
        folder: the site-packages that it is in.
        requires: its requirements, as its metadata has them.
    """

    version: str
    folder: Path
    requires: tuple[str, ...]

    @property
    def public(self) -> str:
        """The version without what says how it was built: "2.13.0"."""
        return self.version.partition("+")[0]

    def is_new_enough(self) -> bool:
        """Whether exporting works with it."""
        return tuple(int(number) for number in re.findall(r"\d+", self.version)[:2]) >= OLDEST_TORCH

    def pinned(self) -> set[str]:
        """Names of the packages that it wants in one version exactly, itself among them."""
        found = [re.match(r"([\w.-]+)\s*\(?==", requirement) for requirement in self.requires]
        return {"torch", *(_normal(match[1]) for match in found if match)}


def torch_here() -> Torch | None:
    """The PyTorch of the interpreter that runs this."""
    try:
        found = distribution("torch")
    except PackageNotFoundError:
        return None
    return Torch(found.version, Path(str(found.locate_file(""))), tuple(found.requires or ()))


def torch_of(python: Path) -> Torch | None:
    """The PyTorch that another interpreter would import."""
    done = subprocess.run([python, "-c", _LOOK], capture_output=True, text=True)
    if done.returncode != 0:
        return None
    version, folder, requires = json.loads(done.stdout)
    return Torch(version, Path(folder), tuple(requires))


def constraints_for(torch: Torch, constraints: str) -> str:
    """The tested versions, those of `torch` and of what it pins replaced by its own."""
    pinned = torch.pinned()
    kept = [line for line in constraints.splitlines() if _normal(line.partition("==")[0]) not in pinned]
    return "\n".join([*kept, f"torch=={torch.version}", ""])


def prepare(
    folder: Path,
    extras: Sequence[str],
    asked: Sequence[str],
    found: Torch | None,
    *,
    chosen: bool,
    pip: Pip,
    tested_with: str = "constraints.txt",
) -> None:
    """Install PyTorch and both distributions into an environment that is there.

    Args:
        folder: the environment.
        extras: of groupvit-export.
        asked: pip's arguments for PyTorch, or none.
        found: the PyTorch of the interpreter's own environment.
        chosen: whether the user named that interpreter.
        pip: runs `pip install` in the environment.
        tested_with: the file of the tested versions, in the project's folder.
    """
    link = _site_packages(folder) / _LINK
    record = folder / "torch.txt"
    usable = _usable(found)
    if asked or (chosen and usable):
        link.unlink(missing_ok=True)
        record.unlink(missing_ok=True)
    if asked:
        print(f"PyTorch is installed as asked for: {shlex.join(asked)}", flush=True)
        # Its own index has not the tested versions of everything else; they follow below.
        pip(asked)
        record.write_text(shlex.join(asked))
    elif usable and not (link.exists() or record.exists()):
        print(f"PyTorch {usable.version} of {usable.folder} is used; none is fetched.", flush=True)
        link.write_text(f"{usable.folder}\n")
    there = torch_of(folder / "bin" / "python")
    constraints = REPOSITORY / tested_with
    tested = _tested_torch(constraints)
    if link.exists() or record.exists():
        there = _checked(there, link if link.exists() else record)
        own = folder / "constraints.txt"
        own.write_text(constraints_for(there, constraints.read_text()))
        constraints = own
    elif there is None or there.public != tested:
        print(_what_is_fetched(tested, found), flush=True)
        pip(["-c", str(constraints), f"torch=={tested}"])
        there = None
    if there is not None and there.public != tested:
        print(f"PyTorch is {there.version}; the toolkit is tested with {tested}.", flush=True)
    names = ",".join(extras)
    size = sum(_TO_FETCH.get(extra, 0.0) for extra in extras)
    print(f"The rest of .[{names}] is installed by pip: at most some {size:.1f} GB to fetch.", flush=True)
    # In one command: groupvit-export asks for groupvit-runtime, which no index has.
    pip(["-c", str(constraints), "-e", str(REPOSITORY / RUNTIME), "-e", f"{REPOSITORY}[{names}]"])


def make(folder: Path, wanted: Torch | None, *, chosen: bool) -> None:
    """Make the environment, or keep one that works.

    Args:
        folder: the environment.
        wanted: the PyTorch that it is to take from the interpreter's own environment.
        chosen: whether the user named the interpreter; one of another interpreter, or with another PyTorch,
            is then not kept.
    """
    python = folder / "bin" / "python"
    is_there = (folder / "pyvenv.cfg").exists()
    if is_there and python.exists():
        asking = [python, "-c", "import sys; print(sys.base_prefix)"]
        done = subprocess.run(asking, capture_output=True, text=True)
        there = torch_of(python)
        fits = done.stdout.strip() == sys.base_prefix and (
            wanted is None or (there is not None and there.folder == wanted.folder)
        )
        if done.returncode == 0 and (fits or not chosen):
            return
    print(f"An environment of Python {platform.python_version()} is made in {folder}.", flush=True)
    # Only an environment is emptied, never another folder of that name.
    made = subprocess.run([sys.executable, "-m", "venv", *(["--clear"] if is_there else []), folder])
    if made.returncode != 0:
        raise SystemExit("Python could not make an environment; its reason is above.")


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the environment and install into it."""
    if sys.version_info < OLDEST_PYTHON:
        raise SystemExit(
            f"Python {_dotted(OLDEST_PYTHON)} or newer is needed\n"
            f"  got: {sys.executable}, which is {platform.python_version()}\n"
            "  fix: make PYTHON=... with a newer one"
        )
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="the environment")
    parser.add_argument("extras", nargs="+", help="extras of groupvit-export")
    parser.add_argument("--torch", default="", help="what pip is given for PyTorch")
    parser.add_argument("--constraints", default="constraints.txt", help="the file of the tested versions")
    parser.add_argument("--chosen", action="store_true", help="the user named this interpreter")
    given = parser.parse_args(arguments)
    asked = shlex.split(given.torch)
    # An environment may renew itself: what it has then is no other's.
    inside = Path(sys.prefix).resolve() == given.folder.resolve()
    found = None if inside else torch_here()
    if not inside:
        make(given.folder, None if asked else _usable(found), chosen=given.chosen)
    prepare(
        given.folder,
        given.extras,
        asked,
        found,
        chosen=given.chosen,
        pip=lambda arguments: pip_install(given.folder, arguments),
        tested_with=given.constraints,
    )


def pip_install(folder: Path, arguments: Sequence[str]) -> None:
    """`pip install` in the environment; all that it says is shown, and where it fails this ends."""
    command = [str(folder / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check"]
    command += arguments
    done = subprocess.run(command)
    if done.returncode != 0:
        raise SystemExit(
            f"pip could not install this; its reason is above. The command:\n  {shlex.join(command)}"
        )


def _usable(found: Torch | None) -> Torch | None:
    return found if found is not None and found.is_new_enough() else None


def _checked(torch: Torch | None, source: Path) -> Torch:
    if torch is None or not torch.is_new_enough():
        raise SystemExit(
            f"PyTorch {_dotted(OLDEST_TORCH)} or newer is needed\n"
            f"  got: {'none' if torch is None else torch.version}, from {source.read_text().strip()}\n"
            f"  fix: make TORCH='torch>={_dotted(OLDEST_TORCH)}' with the same goal, or make clean"
        )
    return torch


def _what_is_fetched(version: str, found: Torch | None) -> str:
    text = f"PyTorch {version}, with which the toolkit is tested, is installed by pip"
    if sys.platform != "linux":
        return f"{text}."
    without = "has none" if found is None else f"has {found.version}, which is too old"
    return f"""{text} ({sys.executable} {without}).
  On the public index that is the build for CUDA: 2.7 GB to fetch, 6 GB on disk. For the CPU alone, 0.2 GB:
    make demo TORCH='torch=={version} --index-url URL'   URL is on pytorch.org/get-started, for pip and CPU
    make demo PYTHON=...   of an environment that has PyTorch {_dotted(OLDEST_TORCH)} or newer"""


def _tested_torch(constraints: Path) -> str:
    match = re.search(r"^torch==(\S+)$", constraints.read_text(), re.MULTILINE)
    if match is None:
        raise SystemExit(f"{constraints} pins no torch")
    return match[1]


def _site_packages(folder: Path) -> Path:
    return next(iter((folder / "lib").glob("python3*/site-packages")))


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def _dotted(version: Sequence[int]) -> str:
    return ".".join(map(str, version))


if __name__ == "__main__":
    main()
