"""How an extra of the toolkit is installed, as every message says it."""

from __future__ import annotations

from typing import Final

INSTALL: Final = "pip install ./runtimes/python '.[{extras}]' in a clone of groupvit-export"
"""No package index has the two distributions: what works is their source, both in one command."""


def install_hint(*extras: str) -> str:
    """The command that installs some extras: "pip install ./runtimes/python '.[torch]' in a clone ..."."""
    return INSTALL.format(extras=",".join(extras))
