"""How much faster, and how much smaller, and than what: the goals, and what was measured of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from benchmarks.kinds import TITLES
from benchmarks.markdown import NOT_RUN, Record, interval, number, table
from benchmarks.peers.fresh import WORDS
from benchmarks.peers.sides import DEFAULT

KINDS: Final = ("amx", "vnni", "avx2")
"""Kinds of processors that there are goals for."""


@dataclass(frozen=True)
class Measured:
    """A figure.

    Attributes:
        value: what the goal is of.
        text: the same with its interval, and what belongs to it.
        better_verdict: whether ours has more pixels as float32's than the peer; None where neither is judged.
    """

    value: float
    text: str
    better_verdict: bool | None = None


@dataclass(frozen=True)
class Goal:
    """One row.

    Attributes:
        title: what is compared.
        aims: by kind; a kind without one has no goal.
        measured: finds the figure in the record of a kind; None where it was not run.
        at_most: whether the aim is the most that the figure may be; else it is the least.
        unit: of both.
        better_verdict: kinds where ours has to have the better verdict, too.
    """

    title: str
    aims: Mapping[str, float]
    measured: Callable[[Record], Measured | None]
    at_most: bool = False
    unit: str = "×"
    better_verdict: Collection[str] = field(default=frozenset())

    def cell(self, kind: str, record: Record) -> str:
        """What the table says of a kind."""
        found = self.measured(record) if record else None
        if kind not in self.aims:
            return "–" if found is None else f"–: {found.text}"
        aim = f"{'≤' if self.at_most else '≥'} {number(self.aims[kind])}{self.unit}"
        if self.better_verdict and kind in self.better_verdict:
            aim += " at a better verdict"
        if found is None:
            return f"{aim}: {NOT_RUN}"
        reached = (
            found.value <= self.aims[kind] if self.at_most else found.value >= self.aims[kind]
        ) and not (kind in self.better_verdict and not found.better_verdict)
        return f"{aim}: {found.text}, {'reached' if reached else '**missed**'}"


def goals_table(peers: Mapping[str, Record]) -> str:
    """Goals by kinds; `peers` has the records by kind."""
    head = ["", *(TITLES[kind] for kind in KINDS)]
    return table(
        head, [[goal.title, *(goal.cell(kind, peers.get(kind, {})) for kind in KINDS)] for goal in GOALS]
    )


def _aims(amx: float, vnni: float, avx2: float) -> Mapping[str, float]:
    return MappingProxyType({"amx": amx, "vnni": vnni, "avx2": avx2})


def _over_default(what: str, *names: str) -> Callable[[Record], Measured | None]:
    """Of the fastest of `names`, how much longer it takes than the default export."""

    def measured(record: Record) -> Measured | None:
        rows = record.get("sides", {}).get(what, {})
        ran = [name for name in names if DEFAULT in rows.get(name, {}).get("over", {})]
        if not ran:
            return None
        name = min(ran, key=lambda one: float(rows[one]["median_ms"]))
        over = rows[name]["over"][DEFAULT]
        ours, theirs = (record["sides"]["sides"][side]["agreement"]["pixels"] for side in (DEFAULT, name))
        text = interval(over, "×")
        if record["sides"]["sides"][name]["precision"] == "float32":
            return Measured(over["ratio"], text)
        text += f"; pixels as float32's {number(ours)} %, theirs {number(theirs)} %"
        return Measured(over["ratio"], text, ours > theirs)

    return measured


def _share(key: str) -> Callable[[Record], Measured | None]:
    """Of transformers', with a stored vocabulary; that of encoding the words beside it."""

    def measured(record: Record) -> Measured | None:
        rows = record.get("fresh", {}).get("rows", {})
        found = rows.get(DEFAULT, {}).get("percent_of_peer")
        if found is None:
            return None
        words = rows.get(DEFAULT + WORDS, {}).get("percent_of_peer")
        also = "" if words is None else f" ({number(words[key])} % where it encodes the words)"
        return Measured(found[key], f"{number(found[key])} %{also}")

    return measured


def _ratio(*path: str, floor: str = "") -> Callable[[Record], Measured | None]:
    """An interval that lies there in the record, and one beside it that no runtime can be below."""

    def measured(record: Record) -> Measured | None:
        found = _at(record, path)
        if found is None:
            return None
        alone = _at(record, (*path[:-1], floor)) if floor else None
        also = "" if alone is None else f" (OpenVINO alone {interval(alone, '×')})"
        return Measured(found["ratio"], interval(found, "×") + also)

    return measured


def _at(record: Record, path: tuple[str, ...]) -> Any:
    found: Any = record
    for key in path:
        found = found.get(key, {})
    return found or None


GOALS: Final = (
    Goal(
        "default export, image → label map, against transformers as users call it",
        _aims(8, 6, 3.2),
        _over_default("image", "transformers"),
    ),
    Goal("… with cached text", _aims(6, 5, 2.4), _over_default("image", "transformers-cached")),
    Goal(
        "image engine of the default export against plain OpenVINO float32, the faster of static and dynamic",
        _aims(2.7, 2.2, 1.05),
        _over_default("engine", "plain-openvino", "plain-openvino-dynamic"),
    ),
    Goal(
        "… against plain static bf16",
        MappingProxyType({"amx": 1.1}),
        _over_default("engine", "plain-openvino-bf16"),
    ),
    Goal(
        "… against plain NNCF int8, the faster of static and dynamic",
        MappingProxyType({"amx": 1.0, "vnni": 1.1}),
        _over_default("engine", "plain-openvino-int8", "plain-openvino-int8-dynamic"),
        better_verdict=("amx",),
    ),
    Goal(
        "images a second, best setting against one after the other",
        _aims(1.4, 1.4, 1.3),
        _ratio("throughput", "over_alone"),
    ),
    Goal(
        "`paper`, 3 windows, against eager PyTorch",
        _aims(4, 3.5, 2.2),
        _ratio("windows", "over_ours"),
    ),
    Goal(
        "peak memory against transformers",
        _aims(40, 40, 40),
        _share("peak_resident_mb"),
        at_most=True,
        unit=" %",
    ),
    Goal(
        "cold start against transformers",
        _aims(20, 20, 20),
        _share("total_s"),
        at_most=True,
        unit=" %",
    ),
    Goal(
        "C++ over Python, whole image",
        _aims(0.8, 0.8, 0.8),
        _ratio("cpp", "image", "cpp_over_python", floor="engine_over_python"),
        at_most=True,
    ),
    Goal(
        "… cold start",
        _aims(0.5, 0.5, 0.5),
        _ratio("cpp", "cold_start", "cpp_over_python", floor="bare_openvino_over_python"),
        at_most=True,
    ),
)
