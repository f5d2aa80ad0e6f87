"""What every measurement keeps: the machine, the versions, the load, the setting; and where it goes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from groupvit_export.benchmark.machine import installed, load_average, this_machine

RESULTS: Final = Path(__file__).parent / "results"

_MORE: Final = ("onnx", "transformers", "nncf")
"""Packages that have a part in what is measured here, beyond those of a deployment."""


def machine() -> dict[str, Any]:
    """Processor, cores, memory, and under `versions` what computes."""
    return {**asdict(this_machine()), "versions": versions()}


def versions() -> dict[str, str]:
    """Of Python and of what computes."""
    found = installed()
    for name in _MORE:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


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
    path = RESULTS / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=indent) + "\n", encoding="utf-8")
    return path


def read_record(name: str) -> dict[str, Any]:
    """What `write_record` wrote; nothing where it has not."""
    path = RESULTS / f"{name}.json"
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return record
