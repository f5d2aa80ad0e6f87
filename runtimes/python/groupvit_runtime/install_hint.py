"""How an extra of the toolkit is installed, as every message says it."""

from __future__ import annotations

from typing import Final

INSTALL: Final = "pip install '.[{extras}]' in a clone of groupvit-export"
"""No package index has the distribution: what works is its source."""


def install_hint(*extras: str) -> str:
    """The command that installs some extras, and where it works: "pip install '.[openvino]' in ..."."""
    return INSTALL.format(extras=",".join(extras))
