"""What every measurement keeps: the machine, the versions, the load, the setting; and where it goes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from groupvit_export.benchmark.machine import installed, load_average, this_machine

RESULTS: Final = Path(__file__).parent / "results"

_MORE: Final = ("onnx", "transformers")
"""Packages that have a part in what is measured here, beyond those of a deployment."""


def machine() -> dict[str, Any]:
    """Processor, cores, memory, and under `versions` what computes."""
    return {**asdict(this_machine()), "versions": versions()}


def versions() -> dict[str, str]:
    """Of Python and of what computes."""
    return installed() | {name: version(name) for name in _MORE}


def circumstances(load_before: float | None, **setting: object) -> dict[str, Any]:
    """The head of a record; `load_before` is to be taken before anything is exported or loaded."""
    return {
        "machine": asdict(this_machine()),
        "versions": versions(),
        "load_average": {"before": load_before, "after": load_average()},
        "setting": setting,
    }


def write_record(name: str, record: Mapping[str, Any], indent: int = 2) -> Path:
    """Write `benchmarks/results/NAME.json`."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(record, indent=indent) + "\n", encoding="utf-8")
    return path
