"""The page that a bundle for browsers holds, as `make page` builds it of runtimes/web."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from groupvit_export.data.bundled import DEMO_SAMPLE
from groupvit_export.errors import MissingDependencyError

PAGE: Final = Path(__file__).parent / "site"
"""Beside this module in an installation, and git-ignored in a clone."""

INDEX_NAME: Final = "index.html"
SAMPLE_NAME: Final = "sample.png"


def is_built() -> bool:
    """Whether the page is there."""
    return (PAGE / INDEX_NAME).is_file()


def require_page() -> None:
    """Refuse where it was never built.

    Raises:
        MissingDependencyError: so it is.
    """
    if not is_built():
        raise MissingDependencyError(
            "the page for browsers is not there",
            got=f"no {PAGE / INDEX_NAME}",
            expected="what the package brings, or in a clone what is built of runtimes/web",
            fix="make page",
        )


def copy_page(folder: Path) -> None:
    """Put the page and its sample image beside a bundle's engines."""
    require_page()
    shutil.copytree(PAGE, folder, dirs_exist_ok=True)
    shutil.copyfile(DEMO_SAMPLE, folder / SAMPLE_NAME)
