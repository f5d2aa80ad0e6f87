"""The options of the targets: flags that are made from their dataclasses, a panel a target."""

from __future__ import annotations

from dataclasses import dataclass, make_dataclass
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from groupvit_export.targets.options import Flag, TargetOptions, flags_of
from groupvit_export.targets.registry import TARGETS, parse_options


def _destination(flag: Flag) -> str:
    return flag.name.lstrip("-").replace("-", "_")


def _field(flag: Flag, panel: str) -> tuple[str, Any, Any]:
    """Name, annotation and default of a field; texts are read by the target's own dataclass."""
    option = Option(flag.name, help=flag.help, metavar=flag.metavar, rich_help_panel=panel)
    if flag.metavar is None:
        return _destination(flag), Annotated[bool, option], False
    kind: Any = list[str] | None if flag.repeated else str | None
    return _destination(flag), Annotated[kind, option], None


if TYPE_CHECKING:

    @dataclass(frozen=True, kw_only=True)
    class TargetFlags:
        """The flags as they were typed; None and False where one was not given."""

else:
    TargetFlags = make_dataclass(
        "TargetFlags",
        [
            _field(flag, f"--target {target.name} only")
            for target in TARGETS.values()
            for flag in flags_of(target.Options).values()
        ],
        frozen=True,
        kw_only=True,
    )


def read_target_options(flags: TargetFlags, target: str) -> TargetOptions:
    """What was given to the chosen target.

    Raises:
        UsageError: a value cannot be understood, or is of another target.
    """
    every = [flag for item in TARGETS.values() for flag in flags_of(item.Options).values()]
    values = {flag.name: getattr(flags, _destination(flag)) for flag in every}
    texts = {
        name: ",".join(value) if isinstance(value, list) else value
        for name, value in values.items()
        if value not in (None, False)
    }
    return parse_options(target, texts)
