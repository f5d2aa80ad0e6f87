"""Executes the notebooks of examples/notebooks and stores them with their outputs beside their texts.

Usage: python -m tools.notebooks [NAME ...]
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).resolve().parent.parent / "examples" / "notebooks"

_LIMIT: Final = 600
"""Seconds a cell may take."""


def texts() -> tuple[Path, ...]:
    """The notebooks as they are written: Python, a cell a comment."""
    return tuple(sorted(FOLDER.glob("*.py")))


def executed(text: Path) -> Any:
    """The notebook with its outputs, and without what differs from run to run besides.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed.
    """
    import jupytext
    from nbclient import NotebookClient

    notebook = jupytext.read(text)
    # Small pictures, the same on every machine.
    os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    NotebookClient(
        notebook, timeout=_LIMIT, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}}
    ).execute()
    for number, cell in enumerate(notebook.cells, 1):
        cell.id = f"cell-{number}"
        cell.metadata.pop("execution", None)
        if "outputs" in cell:
            # Warnings of packages name where they are installed.
            cell.outputs = [one for one in cell.outputs if one.get("name") != "stderr"]
    notebook.metadata.pop("language_info", None)
    return notebook


def main() -> None:
    """Write those that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="for instance groups; all where none is given")
    names = parser.parse_args().names
    import nbformat

    for text in texts():
        if not names or text.stem in names:
            nbformat.write(executed(text), text.with_suffix(".ipynb"))
            print(text.with_suffix(".ipynb"))


if __name__ == "__main__":
    main()
