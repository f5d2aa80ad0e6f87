"""The notebooks run from top to bottom, and what is stored is of the text beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import notebooks

jupytext = pytest.importorskip("jupytext", reason="jupytext is not installed: pip install '.[notebooks]'")
pytest.importorskip("nbclient", reason="nbclient is not installed: pip install '.[notebooks]'")

TEXTS = [pytest.param(path, id=path.stem) for path in notebooks.texts()]


@pytest.mark.parametrize("text", TEXTS)
def test_the_stored_notebook_is_of_its_text(text: Path) -> None:
    stored, written = jupytext.read(text.with_suffix(".ipynb")), jupytext.read(text)
    assert [(cell.cell_type, cell.source) for cell in stored.cells] == [
        (cell.cell_type, cell.source) for cell in written.cells
    ], f"run: python -m tools.notebooks {text.stem}"
    assert text.with_suffix(".ipynb").stat().st_size < 300_000
    outputs = [output for cell in stored.cells for output in cell.get("outputs", ())]
    assert outputs and not [output for output in outputs if output.output_type == "error"]
    # What a run prints of its own machine is in no file.
    texts = text.with_suffix(".ipynb").read_text()
    assert not [place for place in ("/home/", "/tmp/", "site-packages") if place in texts]


@pytest.mark.slow
@pytest.mark.parametrize("text", TEXTS)
def test_it_runs(text: Path) -> None:
    notebooks.executed(text)


def test_the_shortest_runs_always() -> None:
    notebooks.executed(notebooks.FOLDER / "zero_shot.py")
