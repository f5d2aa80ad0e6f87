"""docs/commands.md: what `groupvit VERB --help` says, of every verb."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Final

_WIDTH: Final = "100"
_PROGRAM: Final = "import sys; from groupvit_export.cli import main; sys.exit(main(sys.argv[1:]))"


def render() -> str:
    """The page, in Markdown."""
    from groupvit_export.cli.app import VERBS

    parts = [
        "# Commands",
        "What every verb says of itself with `--help`. Made by `python -m tools.references`. Do not edit. "
        "`groupvit-export` is `groupvit export`.",
    ]
    for verb, summary in VERBS.items():
        parts += [
            f"## groupvit {verb}",
            f"{summary[0].upper()}{summary[1:]}.",
            f"```text\n{_help(verb)}\n```",
        ]
    return "\n\n".join(parts) + "\n"


def _help(verb: str) -> str:
    # As a terminal of one width shows it, without colors.
    environment = {**os.environ, "COLUMNS": _WIDTH, "NO_COLOR": "1", "TERM": "dumb"}
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, verb, "--help"],
        capture_output=True,
        text=True,
        env=environment,
        check=True,
    )
    return "\n".join(line.rstrip() for line in done.stdout.strip().splitlines())
