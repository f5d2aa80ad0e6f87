"""What the tables of the page of figures are made of."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

NOT_RUN: Final = "not run"

Record = Mapping[str, Any]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; without rows, one that says that nothing was run."""
    body = list(rows) or [[NOT_RUN] * len(head)]
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def number(value: float | None) -> str:
    """As the JSON has it, so that one can be found in the other."""
    return NOT_RUN if value is None else json.dumps(value)


def rounded(value: float | None) -> str:
    """With two decimals, for what the JSON has in full length."""
    return NOT_RUN if value is None else f"{value:.2f}"


def interval(found: Mapping[str, float] | None, unit: str) -> str:
    """A ratio with its interval, where it has one."""
    if found is None:
        return NOT_RUN
    middle = f"{number(found['ratio'])}{unit}"
    return f"{middle} ({number(found['low'])}–{number(found['high'])})" if "low" in found else middle


def spread(found: Mapping[str, float]) -> str:
    """A median with the 5th and the 95th percentile."""
    return f"{number(found['median'])} ({number(found['p05'])}–{number(found['p95'])})"


def measured_with(machine: Record, versions: Record) -> str:
    """The processor and the toolkit."""
    cores = number(machine.get("usable_cores", machine["cores"]))
    flags = f", {', '.join(machine['flags'])}" if "flags" in machine else ""
    toolkit = f", by groupvit-export {versions['groupvit-export']}" if "groupvit-export" in versions else ""
    return f"Measured on {machine['cpu']}, {cores} cores{flags}{toolkit}.{int8_weights(versions)}"


def int8_weights(versions: Record) -> str:
    """What int8 was in the first version, where figures are of that one."""
    if versions.get("groupvit-export") != "0.1.0":
        return ""
    return " In that version int8 weights had one bit more than now, and the attention's logits were in int8."
