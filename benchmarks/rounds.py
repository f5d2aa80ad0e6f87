"""What every measurement in turns is asked for on the command line: how many rounds, how many threads."""

from __future__ import annotations

import argparse


def read_rounds(description: str | None, rounds: int, threads_of: str) -> argparse.Namespace:
    """Parse `--rounds` and `--threads`; anything below one ends the program with the usage.

    Args:
        description: of the program.
        rounds: the default.
        threads_of: what the threads belong to, in words.

    Returns:
        `rounds`, and `threads` or None.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--threads", type=int, help=threads_of)
    arguments = parser.parse_args()
    if arguments.rounds < 1 or (arguments.threads or 1) < 1:
        parser.error("--rounds and --threads must be positive")
    return arguments
