"""The pages: links lead somewhere, errors are quoted as raised, the reference is of the present code."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools import references
from tools.site.pages import INDEX, NAVIGATION

REPOSITORY = Path(__file__).resolve().parent.parent
FOLDERS = (".github", "docs", "examples", "groupvit_export", "kernels", "runtimes", "benchmarks")
PAGES = sorted(
    [
        *REPOSITORY.glob("*.md"),
        *(
            path
            for name in FOLDERS
            for path in (REPOSITORY / name).rglob("*.md")
            if "node_modules" not in path.parts
        ),
    ]
)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)|<img src=\"([^\"]+)\"")
RAISED = ("Error", "_Refusal")
CODE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """What a heading is called in a link, by GitHub's rule."""
    headings = re.findall(r"^#+ (.+)$", CODE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(page: Path) -> list[str]:
    found = [link or image for link, image in LINK.findall(CODE.sub("", page.read_text()))]
    return [link for link in found if not re.match(r"[a-z]+:", link)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_relative_links_lead_somewhere(page: Path) -> None:
    broken = []
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_the_index_has_every_page() -> None:
    index = REPOSITORY / "docs" / "README.md"
    linked = {(index.parent / link).resolve() for link in links(index)}
    assert {page for page in (REPOSITORY / "docs").glob("*.md") if page != index} <= linked


def test_the_readme_is_short() -> None:
    assert len((REPOSITORY / "README.md").read_text().splitlines()) <= 80


def messages() -> Iterator[str]:
    """First lines of the errors in the code, with "…" for what is put in."""
    for folder in ("groupvit_export", "runtimes/python"):
        for path in (REPOSITORY / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and node.args and ast.unparse(node.func).endswith(RAISED):
                    yield text(node.args[0])


def text(node: ast.expr) -> str:
    match node:
        case ast.Constant(value=str(value)):
            return value
        case ast.JoinedStr(values=values):
            return "".join(part.value if isinstance(part, ast.Constant) else "…" for part in values)
    return ""


def test_errors_are_quoted_as_they_are_raised() -> None:
    quoted = re.findall(r"^### (.+)$", (REPOSITORY / "docs" / "errors.md").read_text(), re.MULTILINE)
    assert len(quoted) > 20
    raised = set(messages())
    unknown = [heading for heading in quoted if heading not in raised]
    assert unknown == [], "docs/errors.md quotes messages that nothing in the code raises"


@pytest.mark.parametrize("name", references.PAGES)
def test_references_are_of_the_present_code(name: str) -> None:
    page = (REPOSITORY / "docs" / name).read_text()
    assert page == references.PAGES[name](), "run: python -m tools.references"


def test_the_site_is_built_strictly(tmp_path: Path) -> None:
    pytest.importorskip("sphinx", reason="Sphinx is not installed: pip install '.[docs]'")
    command = [sys.executable, "-m", "tools.site", tmp_path / "site"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "site" / "docs" / "tutorial.html").is_file()


def test_the_navigation_has_every_page() -> None:
    named = {page for group in NAVIGATION.values() for page in group} | {INDEX}
    assert {page.relative_to(REPOSITORY).as_posix() for page in (REPOSITORY / "docs").glob("*.md")} <= named
