"""The command line: `groupvit VERB`, and `groupvit-export` for `groupvit export`.

Every verb is a module with `configure(parser)` and `run(arguments) -> exit code`; it imports what it
needs when it runs, so that a deployment without PyTorch has the verbs it can use.
"""

from __future__ import annotations

import argparse
import importlib
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from types import MappingProxyType
from typing import Final, NoReturn

from groupvit_export.cli.output import fail
from groupvit_export.errors import GroupViTError

VERBS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "export": "turn a checkpoint into a bundle for a target",
        "verify": "hold a bundle against the PyTorch reference: outputs, decisions, pixels",
        "segment": "segment images with a bundle",
        "bench": "measure how fast bundles are here, and compare them",
        "eval": "measure a bundle's masks on a data set with ground truth",
        "vocab": "encode class names once and keep them",
        "inspect": "show what a bundle is and check its files",
        "doctor": "say which targets work on this machine and what the others lack",
    }
)

_EXIT_INTERRUPTED = 130


class _Parser(argparse.ArgumentParser):
    """Argument parser without abbreviations: a script must not change meaning when an option is added."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(2, f"{self.prog}: error: {message}\n  fix: {self.prog} --help\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of `groupvit`; gives the exit code.

    0 fine, 1 error, 2 usage, 3 parity failed or slower than allowed, 4 ambiguous.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = _Parser(
        prog="groupvit",
        description="Export a trained GroupViT, prove it equal, and segment images without PyTorch.",
        epilog="groupvit VERB --help explains a verb; groupvit-export is groupvit export.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--version", action="version", version=f"groupvit-export {version('groupvit-export')}"
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb, summary in VERBS.items():
        sub = verbs.add_parser(verb, help=summary, description=summary, allow_abbrev=False)
        if verb in arguments:
            importlib.import_module(f"groupvit_export.cli.{verb}").configure(sub)
    return _run(parser.parse_args(arguments), arguments)


def export_main(argv: Sequence[str] | None = None) -> int:
    """Entry point of `groupvit-export`."""
    return main(["export", *(sys.argv[1:] if argv is None else argv)])


def _run(parsed: argparse.Namespace, arguments: list[str]) -> int:
    module = importlib.import_module(f"groupvit_export.cli.{parsed.verb}")
    parsed.command = shlex.join(["groupvit", *arguments])
    try:
        code: int = module.run(parsed)
    except GroupViTError as error:
        return fail(error, as_json=getattr(parsed, "json", False))
    except KeyboardInterrupt:
        print("groupvit: interrupted; nothing half-written was left", file=sys.stderr)
        return _EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader (head, less) has gone; Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code
