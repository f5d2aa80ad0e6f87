"""The targets by name, and what can be refused before anything heavy is imported."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from groupvit_export.errors import EngineError, UsageError
from groupvit_export.suggest import closest
from groupvit_export.targets.aotinductor.target import TARGET as AOTINDUCTOR
from groupvit_export.targets.base import Target
from groupvit_export.targets.litert.target import TARGET as LITERT
from groupvit_export.targets.onnx.target import TARGET as ONNX
from groupvit_export.targets.openvino.target import TARGET as OPENVINO
from groupvit_export.targets.options import TargetOptions, flags_of, given, read_options
from groupvit_export.targets.tensorrt.target import TARGET as TENSORRT
from groupvit_export.targets.web.target import TARGET as WEB

TARGETS: Final[Mapping[str, Target[Any]]] = MappingProxyType(
    {target.name: target for target in (ONNX, OPENVINO, TENSORRT, AOTINDUCTOR, LITERT, WEB)}
)

PAGE_TARGET: Final = WEB
"""The target whose bundles are pages."""

NO_DECODE_IN_GRAPH: Final = ("int8",)
"""Precisions whose image engines cannot decode."""

_ALIASES: Final[Mapping[str, str]] = MappingProxyType({"tensorrt": TENSORRT.name})
"""Other names that people have for a target, on the command line."""


def target_name(given: str) -> str:
    """The name of a target that may be given by another one."""
    return _ALIASES.get(given, given)


def missing_target() -> UsageError:
    """The refusal to export for no target: what there is."""
    names = "".join(f"\n    {name}: {target.summary}" for name, target in TARGETS.items())
    return UsageError(
        "the target is missing",
        expected=f"--target with one of{names}",
        fix=f"--target {next(iter(TARGETS))}",
    )


def check_target(name: str, precision: str) -> Target[Any]:
    """Look a target up and check that it has this precision.

    Raises:
        UsageError: it does not exist, or not in this precision; says what there is.
    """
    target = TARGETS.get(name)
    if target is None:
        raise UsageError(
            "unknown target",
            got=name,
            expected=", ".join(TARGETS),
            fix=closest(name, (*TARGETS, *_ALIASES), "--target"),
        )
    if precision not in target.precisions:
        raise UsageError(
            f"the target {name} has no such precision", got=precision, expected=", ".join(target.precisions)
        )
    return target


def target_of_engine(name: str) -> Target[Any]:
    """The target of an engine that a bundle holds.

    Raises:
        EngineError: this version does not know it.
    """
    if name not in TARGETS:
        raise EngineError(
            "the bundle is for a target that this version does not know",
            got=name,
            expected=", ".join(TARGETS),
            fix="install the version of the toolkit that exported it",
        )
    return TARGETS[name]


def check_options(name: str, options: TargetOptions | None) -> TargetOptions:
    """The options of a target, its defaults where there are none.

    Raises:
        UsageError: they are of another target, or mean nothing.
    """
    target = TARGETS[name]
    own: TargetOptions = target.Options() if options is None else options
    if type(own) is not target.Options:
        raise _foreign(name, [flag.name for flag in given(own).values()] or [type(own).__name__])
    target.check(own)
    return own


def parse_options(name: str, texts: Mapping[str, str | bool]) -> TargetOptions:
    """The options of a target from a command line.

    Args:
        name: of the target.
        texts: by flag, the text or True for a switch; only what was given.

    Raises:
        UsageError: the target does not have one of them, or its value means nothing.
    """
    kind: type[TargetOptions] = TARGETS[name].Options
    own = {flag.name for flag in flags_of(kind).values()}
    foreign = [flag for flag in texts if flag not in own]
    if foreign:
        raise _foreign(name, foreign)
    return check_options(name, read_options(kind, texts))


def check_decode_in_graph(name: str, precision: str, wanted: bool) -> None:
    """Refuse to decode inside the engines of targets and precisions that cannot.

    Raises:
        UsageError: this one cannot; says why.
    """
    if wanted and precision in NO_DECODE_IN_GRAPH:
        raise UsageError(
            "int8 is calibrated on images alone, and a graph that decodes wants classes too",
            got="--precision int8 --decode-in-graph",
            expected="one of the two",
            fix="leave --decode-in-graph away; the runtime decodes",
        )
    why = TARGETS[name].no_decode_in_graph
    if wanted and why is not None:
        able = (target.name for target in TARGETS.values() if target.no_decode_in_graph is None)
        raise UsageError(
            f"the target {name} cannot decode inside its engine: {why}",
            got=f"--target {name} --decode-in-graph",
            expected="this with --target " + " or ".join(able),
            fix="leave --decode-in-graph away; the runtime decodes",
        )


def _foreign(name: str, flags: Iterable[str]) -> UsageError:
    """The refusal of options that another target has."""
    flags = list(flags)
    having = [
        target.name
        for target in TARGETS.values()
        if {flag.name for flag in flags_of(target.Options).values()} & set(flags)
    ]
    return UsageError(
        f"the target {name} has no such option",
        got=", ".join(flags),
        expected=f"these with --target {' or '.join(having)} only" if having else "its own options",
        fix=f"leave {', '.join(flags)} away" + (f", or --target {having[0]}" if having else ""),
    )
