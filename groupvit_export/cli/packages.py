"""What a verb needs beyond the runtime, asked for before anything heavy is imported."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from groupvit_export.errors import MissingDependencyError
from groupvit_runtime.install_hint import install_hint


def require_packages(packages: Sequence[str], purpose: str) -> None:
    """Refuse where one of the packages is not installed.

    Args:
        packages: names to import.
        purpose: what they are for: "exporting".

    Raises:
        MissingDependencyError: some are missing.
    """
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        raise MissingDependencyError(
            f"{purpose} needs packages that are not installed",
            got=f"missing: {', '.join(missing)}",
            fix=install_hint("export"),
        )
