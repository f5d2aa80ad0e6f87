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

from benchmarks.peers.inputs import Material
from benchmarks.peers.sides import OURS
from groupvit_export.metrics.interleaved import interleaved

TITLES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "ours-openvino": "bundle, OpenVINO, stored vocabulary",
        "ours-onnxruntime": "bundle, ONNX Runtime, stored vocabulary",
        "ours-openvino-words": "bundle, OpenVINO, encodes the words",
        "ours-onnxruntime-words": "bundle, ONNX Runtime, encodes the words",
        "transformers": "transformers eager, as users call it",
    }
)


def commands(material: Material, labels: str) -> dict[str, list[str]]:
    """What to start, by the names of `TITLES`."""
    cold = [sys.executable, "-m", "benchmarks.peers.cold_start"]
    found = {}
    for name in OURS:
        bundle = material.bundles[name]
        stored = str(material.vocabularies[name])
        found[name] = [*cold, "stored", str(bundle), str(material.image), stored]
        found[f"{name}-words"] = [*cold, "words", str(bundle), str(material.image), labels]
    found["transformers"] = [*cold, "transformers", str(material.checkpoint), str(material.image), labels]
    return found


def measure_fresh(commands: Mapping[str, Sequence[str]], runs: int) -> dict[str, dict[str, Any]]:
    """Medians over `runs` processes of each, which take turns; files are in the page cache but for the first.

    Raises:
        subprocess.CalledProcessError: one failed.
    """

    def start(command: Sequence[str]) -> dict[str, float]:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        return found

    turns = [partial(start, command) for command in commands.values()]
    found = dict(zip(commands, interleaved(turns, lambda done: done < runs), strict=True))
    return {
        name: {
            "title": TITLES[name],
            "runs": runs,
            **{key: round(statistics.median(run[key] for run in taken), 3) for key in taken[0]},
        }
        for name, taken in found.items()
        if taken
    }
