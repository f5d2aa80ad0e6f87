"""Tests that exist are tests that run."""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path

import pytest


def test_pytest_enters_every_folder_that_has_tests(pytestconfig: pytest.Config) -> None:
    """By itself it enters none called "build", whatever is inside."""
    left_out = pytestconfig.getini("norecursedirs")
    tests = Path(__file__).parent
    folders = {path.parent for path in tests.rglob("test_*.py")}
    names = {name for folder in folders for name in folder.relative_to(tests).parts}
    assert [name for name in sorted(names) if any(fnmatch(name, pattern) for pattern in left_out)] == []
