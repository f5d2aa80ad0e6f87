"""What is installed, and whether it is new enough."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import distributions
from pathlib import Path
from typing import Final

_COMPUTES: Final = (
    *("numpy", "torch", "triton", "onnx", "onnxruntime", "onnxruntime-gpu", "tensorrt", "tensorrt-rtx"),
    *("cuda-bindings", "groupvit-export", "groupvit-runtime"),
)


def installed(first: Iterable[Path] = ()) -> dict[str, str]:
    """Versions by normalized name.

    Args:
        first: folders that are looked through before this Python's own.
    """
    found: dict[str, str] = {}
    for distribution in distributions(path=[*map(str, first), *sys.path]):
        name = distribution.metadata["Name"]
        if name:
            found.setdefault(normal(name), distribution.version)
    return found


def missing(requirements: Iterable[str], found: Mapping[str, str]) -> list[str]:
    """What of "torch>=2.13", "numpy" or "tensorrt|tensorrt-rtx" is not there, in words."""
    return list(dict.fromkeys(words for item in requirements if (words := _lacks(item, found)) is not None))


def release(version: str) -> tuple[int, ...]:
    """The first two numbers: (2, 11) of "2.11.0+cu130"."""
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2])


def versions(found: Mapping[str, str]) -> dict[str, str]:
    """Of Python and what computes, for a record."""
    python = ".".join(map(str, sys.version_info[:3]))
    return {"python": python} | {name: found[name] for name in _COMPUTES if name in found}


def normal(name: str) -> str:
    """A package's name as PEP 503 has it."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def _lacks(requirement: str, found: Mapping[str, str]) -> str | None:
    names, _, oldest = requirement.partition(">=")
    there = next((name for name in map(normal, names.split("|")) if name in found), None)
    if there is None:
        return f"{' or '.join(names.split('|'))} is not installed"
    if oldest and release(found[there]) < release(oldest):
        return f"{there} is {found[there]}, {oldest} or newer is needed"
    return None
