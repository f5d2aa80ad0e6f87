"""The options of the targets, from their dataclasses."""

from __future__ import annotations

import argparse

from groupvit_export.targets.options import Flag, TargetOptions, flags_of
from groupvit_export.targets.registry import TARGETS, parse_options


def add_target_options(parser: argparse.ArgumentParser) -> None:
    """Add a group for every target that has options."""
    for target in TARGETS.values():
        flags = flags_of(target.Options).values()
        if flags:
            group = parser.add_argument_group(f"--target {target.name}", f"with --target {target.name} only")
            for flag in flags:
                _add(group, flag)


def read_target_options(arguments: argparse.Namespace) -> TargetOptions:
    """What was given to the chosen target.

    Raises:
        UsageError: a value cannot be understood, or is of another target.
    """
    flags = [flag for target in TARGETS.values() for flag in flags_of(target.Options).values()]
    values = {flag.name: getattr(arguments, _destination(flag)) for flag in flags}
    texts = {
        name: ",".join(value) if isinstance(value, list) else value
        for name, value in values.items()
        if value not in (None, False)
    }
    return parse_options(arguments.target, texts)


def _add(group: argparse._ArgumentGroup, flag: Flag) -> None:
    if flag.metavar is None:
        group.add_argument(flag.name, action="store_true", help=flag.help)
    else:
        action = "append" if flag.repeated else "store"
        group.add_argument(flag.name, action=action, metavar=flag.metavar, help=flag.help)


def _destination(flag: Flag) -> str:
    return flag.name.lstrip("-").replace("-", "_")
