"""What verbs print: lines and tables, drawn for a terminal and plain for a pipe."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Sequence
from typing import Final

from rich.box import SIMPLE_HEAD, Box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from groupvit_export.cli.output import say

__all__ = ["Block", "Table", "plain", "separated", "show", "table"]

Block = str | Table
"""Lines of text, or a table."""

_STYLES: Final = {
    "PASS": "green",
    "AMBIGUOUS": "yellow",
    "FAIL": "bold red",
    "REGRESSION": "bold red",
    "warning:": "yellow",
}
_PLAIN: Final = Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)
_UNLIMITED: Final = 100_000


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, numbers_from: int | None = None) -> Table:
    """A table with a line below its header.

    Args:
        header: of the columns.
        rows: as many cells each.
        numbers_from: the first of the columns that are set to the right; None for none.
    """
    columns = [*zip(*rows, strict=True)] if (rows := list(rows)) else [()] * len(header)
    drawn = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for index, (name, cells) in enumerate(zip(header, columns, strict=True)):
        if numbers_from is not None and index >= numbers_from:
            # A number in two lines cannot be read.
            whole = max(map(len, cells), default=0)
            drawn.add_column(Text(name), justify="right", no_wrap=True, min_width=whole)
        else:
            drawn.add_column(Text(name), overflow="fold")
    for row in rows:
        drawn.add_row(*map(_colored, row))
    return drawn


def show(blocks: Iterable[Block]) -> None:
    """Print blocks on standard output, one below the other.

    A pipe gets no colors and lines as long as they need to be. On a terminal a table that is too wide folds
    its words; where even that does not help, the terminal breaks the lines. Nothing is cut off.
    """
    if not sys.stdout.isatty():
        say(plain(blocks))
        return
    console = Console(highlight=False)
    for block in blocks:
        if isinstance(block, str):
            console.print(_colored(block))
            continue
        limits = console.options.update(width=_UNLIMITED)
        if Measurement.get(console, limits, block).maximum > console.width:
            _break_headers(block)
        needed = Measurement.get(console, limits, block).minimum
        Console(highlight=False, width=max(console.width, needed)).print(block)


def plain(blocks: Iterable[Block]) -> str:
    """What a pipe gets, without the last newline."""
    stream = io.StringIO()
    console = Console(file=stream, width=_UNLIMITED, color_system=None, highlight=False, markup=False)
    for block in blocks:
        if isinstance(block, Table):
            block.box = _PLAIN
        console.print(block, soft_wrap=isinstance(block, str))
    return "\n".join(line.rstrip() for line in stream.getvalue().rstrip("\n").split("\n"))


def separated(parts: Iterable[Sequence[Block]]) -> list[Block]:
    """The blocks of all parts, with an empty line between the parts that have any."""
    blocks: list[Block] = []
    for part in filter(None, parts):
        blocks += ["", *part] if blocks else part
    return blocks


def _break_headers(block: Table) -> None:
    for column in block.columns:
        if column.no_wrap:
            column.header = Text(str(column.header).replace(" ", "\n"))


def _colored(text: str) -> Text:
    colored = Text(text)
    for word, style in _STYLES.items():
        colored.highlight_words((word,), style)
    return colored
