"""The page of figures, first part: the sides beside each other, a column each kind of processor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from benchmarks.kinds import TITLES
from benchmarks.markdown import NOT_RUN, Record, interval, number, table
from benchmarks.peers.sides import PRECISIONS, SIDES, Precision

OWN: Final[Mapping[Precision, str]] = {
    "float32": "ours-openvino",
    "bf16": "ours-openvino-bf16",
    "int8": "ours-openvino-int8",
}
"""Our bundle in each precision, that the others of that precision are held against."""

_EMPTY: Final = "–"


def times(peers: Mapping[str, Record], what: str) -> list[str]:
    """A table for each precision: int8 stands beside int8.

    Args:
        peers: records by kind.
        what: "image" or "engine".
    """
    kinds = list(peers) or ["other"]
    parts = []
    for precision in PRECISIONS:
        own = OWN[precision]
        head: list[str] = [precision]
        for kind in kinds:
            name = f"{TITLES[kind]}: " if peers else ""
            head += [f"{name}median, ms (p05–p95)", f"over {SIDES[own].title}", "pixels as float32's"]
        rows = []
        for side, info in SIDES.items():
            if what == "engine" and not info.engine:
                continue
            found = [_cells(peers.get(kind, {}).get("sides", {}), what, side, precision) for kind in kinds]
            if any(cells[0] != _EMPTY for cells in found):
                rows.append([info.title, *(cell for cells in found for cell in cells)])
        parts.append(table(head, rows))
    return parts


def _cells(record: Record, what: str, side: str, precision: Precision) -> list[str]:
    described = record.get("sides", {}).get(side, {})
    if described.get("precision", SIDES[side].precision) not in (precision, None):
        return [_EMPTY] * 3
    row = record.get(what, {}).get(side)
    if row is None:
        if SIDES[side].precision is None and precision != "float32":
            return [_EMPTY] * 3
        why = f": {described['not_run']}" if "not_run" in described else ""
        return [f"{NOT_RUN}{why}", *[NOT_RUN] * 2]
    median, low, high = (number(row[key]) for key in ("median_ms", "p05_ms", "p95_ms"))
    own = OWN[precision]
    over = _EMPTY if side == own else interval(row["over"].get(own), "×")
    return [f"{median} ({low}–{high})", over, f"{number(described['agreement']['pixels'])} %"]


def engines(peers: Mapping[str, Record]) -> list[str]:
    """What really ran, and how far its outputs are from float32's."""
    parts = []
    for kind, record in peers.items():
        rows = []
        for side in record.get("sides", {}).get("sides", {}).values():
            agreement = side.get("agreement")
            if agreement is None:
                continue
            largest = ", ".join(
                f"{name} {number(value)}" for name, value in agreement["largest_difference"].items()
            )
            rows.append([side["title"], side["runs"], number(side["setup_s"]), largest or _EMPTY])
        head = [TITLES[kind], "runs", "setup, s", "largest difference, relative"]
        parts.append(table(head, rows))
    return parts or [table(["", "runs", "setup, s", "largest difference, relative"], [])]


def cautions(peers: Mapping[str, Record]) -> list[str]:
    """What makes figures doubtful, a paragraph a kind."""
    parts = []
    for kind, record in peers.items():
        found = dict.fromkeys(
            caution
            for part in record.values()
            if isinstance(part, Mapping)
            for caution in part.get("cautions", [])
        )
        if found:
            parts.append(f"**Doubtful figures, {TITLES[kind]}:** {'; '.join(found)}.")
    return parts


def machines(peers: Mapping[str, Record]) -> list[str]:
    """Where, when and with what the parts of each kind were measured, those of one run together."""
    parts = []
    for kind, record in peers.items():
        seen: dict[str, list[str]] = {}
        for name, part in record.items():
            if isinstance(part, Mapping) and "machine" in part:
                seen.setdefault(_circumstances(part), []).append(name)
        parts += [f"{TITLES[kind]} ({', '.join(names)}): {words}" for words, names in seen.items()]
    return parts or [NOT_RUN]


def _circumstances(part: Record) -> str:
    machine: Mapping[str, Any] = part["machine"]
    quiet, setting = part["quiet"], part["setting"]
    versions = ", ".join(f"{name} {version}" for name, version in part["versions"].items())
    threads = "each side its own choice" if setting["threads"] is None else number(setting["threads"])
    return (
        f"{machine['cpu']}, {number(machine['usable_cores'])} of {number(machine['cores'])} cores, "
        f"{', '.join(machine['flags'])}; {versions}; torchvision is {setting['torchvision']}. "
        f"{part['date']}, load average before the start {number(quiet['load'])}, processors busy "
        f"{number(quiet['busy_percent'])} % of the time. {number(setting['rounds'])} turns of a side, "
        f"{number(setting['calls'])} calls each after {number(setting['warm_up'])} to warm up; "
        f"{number(setting['fresh'])} fresh processes of each kind, twice as many for C++; threads: {threads}."
    )
