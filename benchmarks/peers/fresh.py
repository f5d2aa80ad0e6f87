"""Memory and cold start, of processes that do one thing."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from benchmarks.peers.material import Material
from benchmarks.peers.sides import DEFAULT
from groupvit_export.metrics.interleaved import interleaved

PEER: Final = "transformers"
BUNDLED: Final = (DEFAULT, "ours-onnxruntime")
WORDS: Final = "-words"
"""Ends the name of a bundle that encodes the words itself."""

TITLES: Final[Mapping[str, str]] = MappingProxyType(
    {
        DEFAULT: "bundle, OpenVINO, default export, stored vocabulary",
        f"{DEFAULT}{WORDS}": "bundle, OpenVINO, default export, encodes the words",
        "ours-onnxruntime": "bundle, ONNX Runtime, stored vocabulary",
        f"ours-onnxruntime{WORDS}": "bundle, ONNX Runtime, encodes the words",
        PEER: "transformers eager, as users call it",
    }
)


def commands(material: Material, labels: str) -> dict[str, list[str]]:
    """What to start, by the names of `TITLES`."""
    cold = [sys.executable, "-m", "benchmarks.peers.cold_start"]
    found = {}
    for name in BUNDLED:
        bundle = material.bundle(name)
        stored = str(material.vocabulary(name))
        found[name] = [*cold, "stored", str(bundle), str(material.image), stored]
        found[f"{name}{WORDS}"] = [*cold, "words", str(bundle), str(material.image), labels]
    found[PEER] = [*cold, PEER, str(material.checkpoint), str(material.image), labels]
    return found


def measure_fresh(commands: Mapping[str, Sequence[str]], runs: int) -> dict[str, dict[str, Any]]:
    """Medians over `runs` processes of each, which take turns; files are in the page cache but for the first.

    A kind that fails has `not_run` and the last line that it printed instead.
    """
    failed: dict[str, str] = {}

    def start(name: str, command: Sequence[str]) -> dict[str, float]:
        if name in failed:
            return {}
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            lines = [line.strip() for line in done.stderr.split("\n") if line.strip()]
            failed[name] = lines[-1] if lines else f"its process ended with code {done.returncode}"
            return {}
        found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        return found

    turns = [partial(start, name, command) for name, command in commands.items()]
    found = dict(zip(commands, interleaved(turns, lambda done: done < runs), strict=True))
    rows: dict[str, dict[str, Any]] = {}
    for name, taken in found.items():
        row: dict[str, Any] = {"title": TITLES.get(name, name)}
        if name in failed:
            rows[name] = row | {"not_run": failed[name]}
        else:
            medians = {key: round(statistics.median(run[key] for run in taken), 3) for key in taken[0]}
            rows[name] = row | {"runs": runs, **medians}
    return {name: row | _percent(row, rows.get(PEER, {})) for name, row in rows.items()}


def _percent(row: Mapping[str, Any], peer: Mapping[str, Any]) -> dict[str, Any]:
    """Of the peer's time and memory, where both ran."""
    if "not_run" in row or "runs" not in peer:
        return {}
    shares = {key: round(100 * row[key] / peer[key], 1) for key in ("total_s", "peak_resident_mb")}
    return {"percent_of_peer": shares}
