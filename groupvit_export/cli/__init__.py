"""The command line: `groupvit VERB`, and `groupvit-export` for `groupvit export`.

Every verb is a module with `Arguments`, a frozen dataclass whose fields are its options, and
`run(arguments) -> exit code`. It is imported when it is asked for, and imports what it needs when it runs:
a deployment without PyTorch has the verbs it can use, and help is quick.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence

from groupvit_export.cli.app import VERBS, run_app
from groupvit_export.cli.streams import prepare_streams, with_written_output
from groupvit_export.cli.termination import ending_in_order
from groupvit_export.utf8 import utf8_text

__all__ = ["VERBS", "export_main", "main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of `groupvit`; gives the exit code.

    0 fine, 1 error, 2 usage, 3 parity failed or slower than allowed, 4 ambiguous.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["help"]:
        arguments = [*arguments[1:2], "--help"]
    prepare_streams()
    command = utf8_text(shlex.join(["groupvit", *arguments]))
    with ending_in_order():
        return with_written_output(lambda: run_app(arguments, command))


def export_main(argv: Sequence[str] | None = None) -> int:
    """Entry point of `groupvit-export`."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    return main(arguments if arguments == ["--version"] else ["export", *arguments])
