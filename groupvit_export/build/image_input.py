"""What an image engine can take; imports nothing heavy."""

from __future__ import annotations

from typing import Final

from groupvit_export.errors import UsageError
from groupvit_export.suggest import closest

INPUTS: Final = ("float32", "uint8")
"""Normalized images, or pixels."""


def check_input(input_type: str) -> None:
    """Refuse what is no input of an image engine.

    Raises:
        UsageError: it is not.
    """
    if input_type not in INPUTS:
        raise UsageError(
            "the image engine has no such input",
            got=input_type,
            expected=" or ".join(INPUTS),
            fix=closest(input_type, INPUTS, "--input"),
        )
