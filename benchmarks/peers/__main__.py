"""Time the bundles beside what a user would otherwise have: a process a side, taking turns.

Usage: python -m benchmarks.peers --prepare [--only NAME,...]      exports and the like, nothing timed
       python -m benchmarks.peers [--only NAME,...] [--rounds N] [--calls N] [--threads N] [--busy]

NAME is of the sides (benchmarks/peers/sides.py), or a part: sides, fresh, throughput, windows, cpp; "goals"
is what the table of goals needs. What is missing is prepared first. Writes
benchmarks/results/peers/KIND.json, one file a kind of processor; parts that did not run stay there as they
were measured before.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from benchmarks.checkpoint import VOC
from benchmarks.kinds import kind_of
from benchmarks.peers.compare import compare
from benchmarks.peers.fresh import BUNDLED, commands, measure_fresh
from benchmarks.peers.host import Worker
from benchmarks.peers.load_side import has_bf16
from benchmarks.peers.material import INPUT, PAPER, SIZE, Material, sources_digest
from benchmarks.peers.quiet import Quiet, complaints_here, look, pace_changed
from benchmarks.peers.sides import DEFAULT, SIDES, chosen
from benchmarks.peers.turns import WARM_UP, Turns
from benchmarks.record import RESULTS, circumstances, read_record, write_record
from groupvit_export.benchmark.bootstrap import CONFIDENCE, RESAMPLES
from groupvit_export.benchmark.compare import MIN_COMPARED
from groupvit_export.benchmark.machine import this_machine

PARTS: Final = ("sides", "fresh", "throughput", "windows", "cpp")
GOALS: Final = "goals"
GOAL_SIDES: Final = (
    *("transformers", "plain-openvino", "plain-openvino-dynamic", "plain-openvino-bf16"),
    *("plain-openvino-int8", "plain-openvino-int8-dynamic"),
)
"""What the table of goals names, beside what always runs."""

_FOLDER: Final = RESULTS.parent.parent / "build" / "peers"


@dataclass(frozen=True)
class Plan:
    """What runs.

    Attributes:
        parts: of `PARTS`.
        sides: of `SIDES`, where that part runs.
        reasons: why the other sides do not.
    """

    parts: tuple[str, ...]
    sides: tuple[str, ...]
    reasons: Mapping[str, str]

    @property
    def material(self) -> tuple[str, ...]:
        """What has to be prepared."""
        wanted = list(self.sides)
        wanted += BUNDLED if "fresh" in self.parts else ()
        wanted += [DEFAULT] if {"throughput", "cpp"} & set(self.parts) else []
        wanted += [PAPER] if "windows" in self.parts else []
        return tuple(dict.fromkeys(wanted))


def plan(only: str | None, installed: Callable[[str], bool], bf16: bool) -> Plan:
    """What was asked for.

    Args:
        only: sides, parts and "goals", with commas between them; None for all.
        installed: whether there is such a module or program.
        bf16: whether the processor multiplies in bf16.

    Raises:
        ValueError: a name that is none of these.
    """
    asked = {name.strip() for name in (only or ",".join(PARTS)).split(",") if name.strip()}
    if unknown := sorted(asked - {GOALS, *PARTS, *SIDES}):
        known = ", ".join((GOALS, *PARTS, *SIDES))
        raise ValueError(f"no such side or part: {', '.join(unknown)}; there are {known}")
    if GOALS in asked:
        asked |= {*PARTS, *GOAL_SIDES} - ({"sides"} if "sides" not in asked else set())
    parts = [name for name in PARTS if name in asked or (name == "sides" and asked & SIDES.keys())]
    if "sides" not in parts:
        return Plan(tuple(parts), (), {})
    names, reasons = chosen(None if "sides" in asked else asked & SIDES.keys(), installed, bf16)
    return Plan(tuple(parts), tuple(names), reasons)


def main() -> None:
    arguments = _arguments()
    material = _material(arguments.folder)
    planned: Plan = arguments.plan
    if arguments.prepare:
        _prepare(material, planned)
        return
    before = look()
    if found := complaints_here(before):
        _refuse(found, arguments.busy)
    _prepare(material, planned)
    quiet = look()
    if found := complaints_here(quiet, load=False):
        _refuse(found, arguments.busy)
    kind = kind_of(this_machine().flags)
    name = f"peers/{kind}"
    state = Quiet(before.load, quiet.busy_percent, quiet.pace_ms)
    # A part is kept as soon as there is one: the next may fail, or take too long.
    for part, measured in _measured(material, planned, arguments, state):
        _say(f"wrote {write_record(name, read_record(name) | {'kind': kind, part: measured})}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", metavar="NAME,...", help="all without it")
    parser.add_argument("--prepare", action="store_true", help="only make what is missing")
    parser.add_argument("--rounds", type=int, default=12, help="turns of every side")
    parser.add_argument("--calls", type=int, default=4, help="calls of a turn that are measured")
    parser.add_argument("--threads", type=int, help="of every side; each one's own choice without it")
    parser.add_argument("--fresh", type=int, default=5, help="fresh processes of each kind")
    parser.add_argument("--busy", action="store_true", help="measure beside other work; the record says so")
    parser.add_argument("--folder", type=Path, default=_FOLDER, help="for exports, which are kept")
    arguments = parser.parse_args()
    if min(arguments.rounds, arguments.calls, arguments.fresh, arguments.threads or 1) < 1:
        parser.error("--rounds, --calls, --fresh and --threads must be positive")
    try:
        arguments.plan = plan(arguments.only, _installed, has_bf16())
    except ValueError as error:
        parser.error(str(error))
    return arguments


def _material(folder: Path) -> Material:
    """In a folder of these sources; what others were made of goes."""
    own = folder / sources_digest()
    own.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        if old != own and (old / "image.jpg").is_file():
            shutil.rmtree(old)
    return Material(own)


def _prepare(material: Material, planned: Plan) -> None:
    """In a process of its own, whose threads end with it."""
    _say(f"prepare in {material.root}")
    command = [sys.executable, "-m", "benchmarks.peers.prepare", str(material.root), *planned.material]
    done = subprocess.run(command)
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with code {done.returncode}")
    if "cpp" in planned.parts and not _missing():
        _say("build the C++ runtime")
        from benchmarks.cpp import build

        build()


def _measured(
    material: Material, planned: Plan, arguments: argparse.Namespace, quiet: Quiet
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every part and what was found, one after the other."""
    turns, threads = Turns(arguments.rounds, arguments.calls), arguments.threads
    with tempfile.TemporaryDirectory() as name:
        log = Path(name)
        parts: dict[str, Callable[[], dict[str, Any]]] = {
            "sides": partial(_sides, planned, material, turns, threads, log),
            "fresh": lambda: {"rows": measure_fresh(commands(material, ",".join(VOC)), arguments.fresh)},
            "throughput": partial(_throughput, material, turns, threads, log),
            "windows": partial(_windows, material, turns, threads, log),
            "cpp": partial(_cpp, material, turns, arguments.fresh, threads, log),
        }
        for part in planned.parts:
            _say(part)
            begun = time.monotonic()
            found = parts[part]()
            took = time.monotonic() - begun
            recorded = {
                **circumstances(
                    quiet.load,
                    rounds=turns.rounds,
                    calls=turns.calls,
                    warm_up=WARM_UP,
                    fresh=arguments.fresh,
                    threads=threads,
                    batch=1,
                    input_px=INPUT,
                    image_px={"width": SIZE[1], "height": SIZE[0]},
                    classes=len(VOC),
                    interval_percent=round(100 * CONFIDENCE),
                    resamples=RESAMPLES,
                    torchvision="installed" if _installed("torchvision") else "not installed",
                ),
                "date": time.strftime("%Y-%m-%d"),
                "quiet": quiet.recorded(),
                "seconds": round(took),
                "sources": material.root.name,
                **found,
            }
            recorded["cautions"] = [*recorded.get("cautions", ()), *_cautions(quiet, look(), turns)]
            yield part, recorded


def _cautions(before: Quiet, after: Quiet, turns: Turns) -> list[str]:
    found = complaints_here(before)
    if changed := pace_changed(before.pace_ms, after.pace_ms):
        found.append(changed)
    if turns.rounds < MIN_COMPARED:
        found.append(
            f"{turns.rounds} rounds, fewer than {MIN_COMPARED}: intervals are narrower than they say"
        )
    return found


def _sides(planned: Plan, material: Material, turns: Turns, threads: int | None, log: Path) -> dict[str, Any]:
    reasons = dict(planned.reasons)
    for name in planned.sides:
        if (refusal := material.refusal(name)).is_file():
            reasons[name] = refusal.read_text(encoding="utf-8")
    names = [name for name in planned.sides if name not in reasons]

    def start(name: str) -> Worker:
        arguments = [name, str(material.root), str(threads or 0)]
        return Worker("benchmarks.peers.load_side:load", arguments, log / f"{name}.txt")

    return compare(names, reasons, start, material, turns, log)


def _throughput(material: Material, turns: Turns, threads: int | None, log: Path) -> dict[str, Any]:
    from benchmarks.throughput import measure

    # A call is a round of many images.
    return measure(material.bundle(DEFAULT), Turns(turns.rounds, 1), threads, log)


def _windows(material: Material, turns: Turns, threads: int | None, log: Path) -> dict[str, Any]:
    from benchmarks.windows import measure

    return measure(material, Turns(turns.rounds, 1), threads, log)


def _cpp(material: Material, turns: Turns, cold: int, threads: int | None, log: Path) -> dict[str, Any]:
    if missing := _missing():
        return {"not_run": f"{', '.join(missing)} not installed"}
    from benchmarks.cpp import BuildError, measure

    try:
        return measure(material, turns, 2 * cold, threads, log)
    except BuildError as error:
        return {"not_run": str(error)}


def _missing() -> list[str]:
    return [name for name in ("cmake", "g++") if not _installed(name)]


def _installed(name: str) -> bool:
    return shutil.which(name) is not None or find_spec(name) is not None


def _refuse(found: list[str], busy: bool) -> None:
    what = f"the machine is not quiet: {'; '.join(found)}"
    if not busy:
        sys.exit(f"{what}. End what else runs, or say --busy, and the record will say it too")
    _say(what)


def _say(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
