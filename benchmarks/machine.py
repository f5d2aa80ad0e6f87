"""What a measurement was made on."""

from __future__ import annotations

from dataclasses import asdict
from importlib.metadata import version
from typing import Any, Final

from groupvit_export.benchmark.machine import installed, this_machine

_MORE: Final = ("onnx", "transformers")
"""Packages that have a part in what is measured here, beyond those of a deployment."""


def machine() -> dict[str, Any]:
    """Processor, cores, memory, and under `versions` what computes."""
    return {**asdict(this_machine()), "versions": versions()}


def versions() -> dict[str, str]:
    """Of Python and of what computes."""
    return installed() | {name: version(name) for name in _MORE}
