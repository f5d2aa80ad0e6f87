"""Tables: whole on any terminal, and plain in a pipe."""

from __future__ import annotations

import io
import re

import pytest

from groupvit_export.cli.tables import plain, separated, show, table

HEADER = ["bundle", "not in any stage", "images a second"]
ROWS = [["a [bold]name[/bold]", "12,345.678", "1.5"], ["b", "0.1", "FAIL"]]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(monkeypatch: pytest.MonkeyPatch, columns: int) -> str:
    stream = Terminal()
    monkeypatch.setattr("sys.stdout", stream)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    show(["head", table(HEADER, ROWS, numbers_from=1)])
    return stream.getvalue()


def test_a_pipe_gets_plain_text(capsys: pytest.CaptureFixture[str]) -> None:
    show(["head", table(HEADER, ROWS, numbers_from=1), "a line " * 40])
    assert capsys.readouterr().out.splitlines() == [
        "head",
        "bundle               not in any stage  images a second",
        "-" * 54,
        "a [bold]name[/bold]        12,345.678              1.5",
        "b                                 0.1             FAIL",
        ("a line " * 40).rstrip(),
    ]


def test_a_table_without_rows_is_its_header() -> None:
    assert plain([table(["a", "bc"], [], numbers_from=1)]).splitlines() == ["a  bc", "-----"]


def test_words_stand_between_parts_that_have_any() -> None:
    assert separated([[], ["a", "b"], [], ["c"]]) == ["a", "b", "", "c"]


@pytest.mark.parametrize("columns", [120, 44, 10])
def test_no_number_is_cut_or_broken(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    text = re.sub(r"\x1b\[[0-9;]*m", "", shown(monkeypatch, columns))
    assert "12,345.678" in text and "…" not in text
    widest = max(map(len, text.splitlines()))
    assert widest <= columns or columns == 10
    assert ("not in any stage" in text) == (columns == 120)


def test_verdicts_have_colors_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert re.search(r"\x1b\[1;31mFAIL", shown(monkeypatch, 120))
