"""The page: well-formed, of itself enough, and nothing in a name becomes markup."""

from __future__ import annotations

import base64
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
from groupvit_export.cli.bench_report import record_blocks
from groupvit_export.cli.tables import plain
from groupvit_export.errors import MissingDependencyError
from groupvit_export.html.page import Origin
from groupvit_runtime.install_hint import install_hint

EVIL = '<script>alert("1")</script>&\'x'
ORIGIN = Origin("groupvit bench demo --html page.html", "2026-01-01 12:00 UTC")
SVG = "{http://www.w3.org/2000/svg}"
PREFIX = "data:image/svg+xml;base64,"
VOID = {"meta", "img"}


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
    page = html_report(records, compared, ORIGIN)
    parser = parsed(page)
    assert "http" not in page and "url(" not in page and "@import" not in page
    assert not {"script", "link", "svg", "iframe", "object", "embed"} & set(parser.seen)
    assert not {"href", "onclick", "onload", "xlink:href"} & {name for name, _ in parser.attributes}
    # Two distributions, one of throughput, the split, and accuracy.
    drawings = drawn(parser)
    assert len(drawings) == parser.seen.count("img") == 5
    for drawing in drawings:
        root = ElementTree.fromstring(drawing)
        assert root.tag == f"{SVG}svg" and not list(root.iter(f"{SVG}script"))


def drawn(parser: Strict) -> list[bytes]:
    """The charts of a page, which are inside of it."""
    sources = [value or "" for name, value in parser.attributes if name == "src"]
    assert all(source.startswith(PREFIX) for source in sources)
    return [base64.b64decode(source.removeprefix(PREFIX)) for source in sources]


def test_what_it_comes_to_stands_at_the_top(records: list[Record]) -> None:
    page = html_report(records, (), ORIGIN)
    top = page[: page.index("</header>")]
    assert ORIGIN.command in top and ORIGIN.created in top
    # 13 ms for one image, 43 ms for four.
    assert '<div class="verdict">10.75 ms an image</div>' in top
    assert "demo with auto threads, batch 4, 1 stream is the fastest here: 43.00 ms a call of 4 images" in top


def test_a_regression_stands_at_the_top(make_record: Callable[..., Record]) -> None:
    first, second = (
        make_record([10.0 + n % 3 for n in range(40)]),
        make_record([15.0 + n % 3 for n in range(40)]),
    )
    second = replace(second, bundle=replace(second.bundle, name="slow"))
    for allowed, tone, verdict in ((5, "bad", "REGRESSION"), (90, "doubtful", "slower")):
        page = html_report([first, second], compare_records([first], [second], allowed), ORIGIN)
        top = page[page.index("<header") : page.index("</header>")]
        assert f'class="{tone}"' in top and f">{verdict}</div>" in top
        assert "slow takes 1.45 times as long as demo: 16.00 ms against 11.00 ms" in top


def test_without_the_extra_it_is_said_how_to_install_it(
    records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("groupvit_export.html.page.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=re.escape(install_hint("report"))):
        html_report(records, (), ORIGIN)


def test_names_are_text(records: list[Record]) -> None:
    page = html_report(records, (), Origin(EVIL, EVIL))
    assert "<script>" not in page and EVIL not in page
    assert "&lt;script&gt;" in page


def test_what_was_not_measured_is_left_out(make_record: Callable[..., Record]) -> None:
    page = html_report([make_record([1.0, 2.0, 3.0])], (), ORIGIN)
    for heading in ("Throughput", "Accuracy", "Cold start", "Comparison"):
        assert f"<h2>{heading}" not in page
    assert "not applicable on CPU" in page and "3 calls are too few for a p99" in page
    parsed(page)


def test_calls_that_were_late_are_shown(make_record: Callable[..., Record]) -> None:
    record = make_record([1.0, 2.0], late=Late(2, 1, 1.0), setting=Setting(1, 1, 1, 5.0))
    assert "1 of 2" in html_report([record], (), ORIGIN) and "1/2" in plain(record_blocks([record]))


def test_equal_latencies_can_be_drawn(make_record: Callable[..., Record]) -> None:
    page = html_report([make_record([2.0, 2.0, 2.0])], (), ORIGIN)
    drawings = drawn(parsed(page))
    assert drawings and not any(re.search(rb'"[^"]*\b(nan|inf)\b[^"]*"', drawing) for drawing in drawings)


def test_cautions_of_a_kind_are_one_line(make_record: Callable[..., Record]) -> None:
    settings = [Setting(None, batch, 1, None) for batch in (1, 2, 4)]
    records = [make_record([1.0, 9.0, 1.0 + s.batch], setting=s) for s in settings]
    text = plain(record_blocks(records))
    assert text.count("the calls vary by") == 1 and "out of 3)" in text
    assert text.count("too few for a p99") == 1


def test_the_same_numbers_make_the_same_page(records: list[Record]) -> None:
    assert html_report(records, (), ORIGIN) == html_report(records, (), ORIGIN)


def test_a_dollar_begins_no_formula(make_record: Callable[..., Record]) -> None:
    record = make_record([1.0, 2.0, 3.0])
    named = replace(record, bundle=replace(record.bundle, name="$\\frac{a$_{b}"))
    parsed(html_report([named], (), ORIGIN))


def test_the_verdict_of_a_comparison_is_seen_before_names_that_may_be_long(
    make_record: Callable[..., Record],
) -> None:
    first, second = make_record([1.0] * 12), make_record([2.0] * 12)
    page = html_report([first, second], compare_records([first], [second], None), ORIGIN)
    table = page.split("Comparison of the medians")[1]
    headers = [cell.split(">")[-1] for cell in table.split("</tr>")[0].split("</th>")[:-1]]
    assert headers[:2] == ["setting", "the second is"] and headers[-2:] == ["first", "second"]
