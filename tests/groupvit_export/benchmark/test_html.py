"""The page: well-formed, of itself enough, and nothing in a name becomes markup."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from groupvit_export.benchmark.accuracy import Accuracy
from groupvit_export.benchmark.cold import ColdStart
from groupvit_export.benchmark.compare import compare_records
from groupvit_export.benchmark.html import html_report
from groupvit_export.benchmark.paced import Late
from groupvit_export.benchmark.records import Record
from groupvit_export.benchmark.settings import Setting
from groupvit_export.benchmark.svg import Axis, Part, Series, bars, chart, number, ticks
from groupvit_export.benchmark.text import records_text

EVIL = '<script>alert("1")</script>&\'x'
VOID = {"meta", "br"}


class Strict(HTMLParser):
    """Every tag is closed, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture
def records(make_record: Callable[..., Record]) -> list[Record]:
    found = []
    for name in ("demo", EVIL):
        for batch in (1, 4):
            record = make_record(
                [10.0 * batch + n % 7 for n in range(120)],
                setting=Setting(None, batch, 1, None),
                engine=EVIL,
                command=EVIL,
                cold=ColdStart(5, 1.0, 2.0, 3.0, 6.0, 9.0, 0.5, 97.0),
                accuracy=Accuracy(EVIL, 0.81, 500, True),
            )
            found.append(replace(record, bundle=replace(record.bundle, name=name)))
    return found


def parsed(page: str) -> Strict:
    parser = Strict()
    parser.feed(page)
    parser.close()
    assert parser.open == []
    return parser


def test_the_page_is_well_formed_and_needs_nothing_else(records: list[Record]) -> None:
    compared = compare_records(records[:2], records[2:], 5)
    page = html_report(records, compared)
    parser = parsed(page)
    assert "http" not in page and "url(" not in page and "@import" not in page
    assert not {"script", "link", "img", "iframe", "object", "embed"} & set(parser.seen)
    assert not {"src", "href", "onclick", "onload", "xlink:href"} & {name for name, _ in parser.attributes}
    # Two distributions, one of throughput, the split, and accuracy.
    assert parser.seen.count("svg") == 5
    for drawing in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        ElementTree.fromstring(drawing)


def test_names_are_text(records: list[Record]) -> None:
    page = html_report(records)
    assert "<script>" not in page and EVIL not in page
    assert "&lt;script&gt;" in page


def test_what_was_not_measured_is_left_out(make_record: Callable[..., Record]) -> None:
    page = html_report([make_record([1.0, 2.0, 3.0])])
    for heading in ("Throughput", "Accuracy", "Cold start", "Comparison"):
        assert f"<h2>{heading}" not in page
    assert "not applicable on CPU" in page and "3 calls are too few for a p99" in page
    parsed(page)


def test_calls_that_were_late_are_shown(make_record: Callable[..., Record]) -> None:
    record = make_record([1.0, 2.0], late=Late(2, 1, 1.0), setting=Setting(1, 1, 1, 5.0))
    assert "1 of 2" in html_report([record]) and "1/2" in records_text([record])


def test_equal_latencies_can_be_drawn(make_record: Callable[..., Record]) -> None:
    page = html_report([make_record([2.0, 2.0, 2.0])])
    parsed(page)
    assert "<svg" in page and not re.search(r'"[^"]*\b(nan|inf)\b[^"]*"', page)


def test_cautions_of_a_kind_are_one_line(make_record: Callable[..., Record]) -> None:
    settings = [Setting(None, batch, 1, None) for batch in (1, 2, 4)]
    records = [make_record([1.0, 9.0, 1.0 + s.batch], setting=s) for s in settings]
    text = records_text(records)
    assert text.count("the calls vary by") == 1 and "out of 3)" in text
    assert text.count("too few for a p99") == 1


def test_ticks_are_round() -> None:
    assert ticks(0, 100) == [0, 20, 40, 60, 80, 100]
    assert ticks(0, 0.0031) == pytest.approx([0, 0.001, 0.002, 0.003])
    assert [number(value) for value in (0.0, 0.5, 20.0, 0.001)] == ["0", "0.5", "20", "0.001"]


def test_longer_bars_are_of_longer_times() -> None:
    drawing = ElementTree.fromstring(
        bars([("a", [Part(1, 0, "x"), Part(3, 1, "y")]), ("b", [Part(2, 0, "z")])], "ms")
    )
    one, three, two = (float(r.get("width", "")) for r in drawing.iter("rect"))
    assert three == pytest.approx(3 * one, abs=0.2) and two == pytest.approx(2 * one, abs=0.2)


def test_a_point_is_where_its_numbers_are() -> None:
    series = Series("s", ((0.0, 0.0), (5.0, 10.0)), 0, markers=True)
    drawing = ElementTree.fromstring(
        chart([series], Axis("x", top=10), Axis("y", top=10), width=468, height=252)
    )
    (left, bottom), (middle, top) = (
        (float(c.get("cx", "")), float(c.get("cy", ""))) for c in drawing.iter("circle")
    )
    assert (left, bottom) == (52, 212) and (middle, top) == (252, 12)
