"""Every hint to install the toolkit comes from one constant, and names what pip can install."""

from __future__ import annotations

import ast
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from groupvit_runtime.engines import ENGINES
from groupvit_runtime.engines.tensorrt_flavors import FLAVORS
from groupvit_runtime.install_hint import install_hint

REPOSITORY = Path(__file__).resolve().parents[2]
HOLDS_IT = "runtimes/python/groupvit_runtime/install_hint.py"
BUILT = REPOSITORY / "runtimes" / "python" / "build"
"""Where pip copies sources to, when it makes a wheel of a clone."""
CODE = {".py", ".cpp", ".hpp", ".h", ".c", ".cu", ".cuh", ".cmake", ".txt", ".in"}

# In a document a clone's `.[extra]` is said by its context; pip is told the runtime that it needs as well.
IN_DOCUMENTS = re.compile(
    r"groupvit[-_](export|runtime)\[|pip3? install (-\S+ )*['\"]?groupvit[-_]"
    r"|pip3? install (?![^\n]*\./runtimes/python)([^\n]*['\" ])?\.(?=[\['\" ]|$)"
)
IN_CODE = re.compile(IN_DOCUMENTS.pattern + r"|pip3? install[^\n]*\.\[")


def sources() -> Iterator[tuple[str, str]]:
    for folder in ("groupvit_export", "kernels", "runtimes", "examples", "benchmarks", "docs"):
        for path in sorted((REPOSITORY / folder).rglob("*")):
            if path.suffix in {*CODE, ".md"} and not path.is_relative_to(BUILT):
                yield path.relative_to(REPOSITORY).as_posix(), path.read_text()
    for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "Makefile"):
        yield name, (REPOSITORY / name).read_text()


def test_no_hint_is_written_beside_the_constant() -> None:
    beside, seen = [], 0
    for name, text in sources():
        seen += 1
        pattern = IN_CODE if Path(name).suffix in CODE and name != HOLDS_IT else IN_DOCUMENTS
        lines = enumerate(text.splitlines(), 1)
        beside += [f"{name}:{number}: {line.strip()}" for number, line in lines if pattern.search(line)]
    assert beside == []
    assert seen > 200


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("pip install '.[openvino]'", True),
        ("pip install -c constraints.txt -e .[export]", True),
        ("pip install .", True),
        ("pip install groupvit-runtime", True),
        ("pip install ./runtimes/python '.[openvino]'", False),
        ("pip install './runtimes/python[openvino]'", False),
        ("pip install openvino", False),
    ],
)
def test_documents_name_both_distributions(line: str, wrong: bool) -> None:
    assert bool(IN_DOCUMENTS.search(line)) == wrong


def test_the_extras_of_the_hints_exist() -> None:
    extras = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    hinted = {kind.extra for kind in ENGINES.values()} | {flavor.extra for flavor in FLAVORS.values()}
    calls = 0
    for name, text in sources():
        for node in ast.walk(ast.parse(text)) if name.endswith(".py") else ():
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "install_hint":
                calls += 1
                hinted |= {argument.value for argument in node.args if isinstance(argument, ast.Constant)}
    assert calls > 10
    assert hinted <= set(extras), hinted - set(extras)


def test_the_hint_is_a_command_and_where_it_works() -> None:
    command, _, where = install_hint("export", "torch").partition(" in a clone of ")
    assert shlex.split(command) == ["pip", "install", "./runtimes/python", ".[export,torch]"]
    assert where == tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["name"]
