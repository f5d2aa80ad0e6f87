"""Lines of JSON: what is written is read again, and nothing else is."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from groupvit_export.benchmark.accuracy import Accuracy
from groupvit_export.benchmark.cold import ColdStart
from groupvit_export.benchmark.paced import Late
from groupvit_export.benchmark.records import Record, RecordError, read_records, write_records
from groupvit_export.errors import BundleError, GroupViTError


@pytest.fixture
def records(make_record: Callable[..., Record]) -> tuple[Record, ...]:
    cold = ColdStart(5, 1.0, 2.0, 3.0, 6.0, 9.0, 0.5, None)
    return (
        make_record([10.0, 11.0, 12.0]),
        make_record(
            [1 / 3] * 4,
            late=Late(4, 1, 1.0),
            cold=cold,
            accuracy=Accuracy("shapes", 0.5, 8, True),
            device="cpu",
        ),
    )


def test_what_is_written_is_read(records: tuple[Record, ...], tmp_path: Path) -> None:
    path = tmp_path / "bench.jsonl"
    write_records(path, records)
    assert read_records(path) == records
    assert len(path.read_text().splitlines()) == 2
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("end", ["\u2028", "\u0085", "\x0b", "\x1c"])
def test_a_name_with_what_others_take_for_the_end_of_a_line(
    records: tuple[Record, ...], end: str, tmp_path: Path
) -> None:
    facts = replace(records[0].bundle, path=f"one{end}bundle")
    write_records(tmp_path / "bench.jsonl", [replace(records[0], bundle=facts)])
    assert read_records(tmp_path / "bench.jsonl")[0].bundle == facts


def change(path: Path, **changes: Any) -> None:
    value = json.loads(path.read_text().splitlines()[0])
    path.write_text("\n" + json.dumps({**value, **changes}) + "\n")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema_version": 2}, "no measurement of this schema"),
        ({"extra": 1}, "unknown ['extra']"),
        ({"classes": "9"}, "record.classes"),
        ({"decode": "other"}, "record.decode"),
        ({"rounds": [[1.0], [1.0, 2.0]]}, "as many calls"),
        ({"rounds": []}, "as many calls"),
        ({"rounds": [[0.0]]}, "not a positive number"),
        ({"rounds": [[float("nan")]]}, "NaN is not JSON"),
    ],
)
def test_what_breaks_the_schema_is_refused_with_its_line(
    records: tuple[Record, ...], tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    path = tmp_path / "bench.jsonl"
    write_records(path, records)
    change(path, **changes)
    with pytest.raises(RecordError) as caught:
        read_records(path)
    assert message in str(caught.value) and "line 2" in str(caught.value)


@pytest.mark.parametrize("text", ["[1, 2]", "3", "null", '{"schema_version": 1'])
def test_a_line_that_is_no_record(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bench.jsonl"
    path.write_text(text)
    with pytest.raises(RecordError, match="line 1"):
        read_records(path)


def test_an_empty_file_and_none(tmp_path: Path) -> None:
    path = tmp_path / "bench.jsonl"
    with pytest.raises(RecordError, match="cannot be read"):
        read_records(path)
    path.write_text("\n\n")
    with pytest.raises(RecordError, match="has no measurement"):
        read_records(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(RecordError, match="cannot be read"):
        read_records(path)


def test_a_missing_field_is_named(records: tuple[Record, ...], tmp_path: Path) -> None:
    path = tmp_path / "bench.jsonl"
    write_records(path, records)
    value = json.loads(path.read_text().splitlines()[0])
    del value["machine"]["cores"]
    path.write_text(json.dumps(value))
    with pytest.raises(RecordError, match="record.machine.*\n.*missing \\['cores'\\]|missing \\['cores'\\]"):
        read_records(path)


def test_a_record_that_contradicts_itself_cannot_be_made(records: tuple[Record, ...]) -> None:
    with pytest.raises(BundleError):
        replace(records[0], rounds=((1.0,), ()))


def test_a_folder_that_is_not_there(records: tuple[Record, ...], tmp_path: Path) -> None:
    with pytest.raises(GroupViTError, match="cannot be written"):
        write_records(tmp_path / "none" / "bench.jsonl", records)
