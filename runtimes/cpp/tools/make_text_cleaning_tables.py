"""Writes src/text_cleaning_tables.inc: what NVlabs' cleaning of text needs that is a matter of tables.

    python runtimes/cpp/tools/make_text_cleaning_tables.py

They are asked of ftfy (Apache License 2.0) and of Python: entities, widths, ligatures, and the pairs of
characters by which ftfy suspects text that was decoded by the wrong encoding.
"""

from __future__ import annotations

import html
import html.entities
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

from ftfy import badness, chardata

OUTPUT = Path(__file__).resolve().parents[1] / "src" / "text_cleaning_tables.inc"
CODES = [code for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
_WIDTH = 110

Elements = list[tuple[Any, Any]]


def runs(codes: Iterable[int]) -> list[tuple[int, int]]:
    """Sorted code points as first and last; a gap of surrogates is none, for text has none."""
    found: list[tuple[int, int]] = []
    for code in sorted(codes):
        if found and code in (found[-1][1] + 1, 0xE000 if found[-1][1] == 0xD7FF else -1):
            found[-1] = (found[-1][0], code)
        else:
            found.append((code, code))
    return found


def shown(ranges: Iterable[tuple[int, int]]) -> list[str]:
    """As `{first, last}`."""
    return [f"{{{first:#x}, {last:#x}}}" for first, last in ranges]


def members(element: tuple[Any, Any]) -> frozenset[int]:
    """The code points that one element of a pattern matches."""
    kind, value = element
    if kind is op.ANY:
        return frozenset(CODES) - {ord("\n")}
    items = [element] if kind is not op.IN else list(value)
    negated = items[0][0] is op.NEGATE
    found: set[int] = set()
    for name, item in items[negated:]:
        if name is op.LITERAL:
            found.add(item)
        elif name is op.RANGE:
            found.update(range(item[0], item[1] + 1))
        elif (name, item) == (op.CATEGORY, op.CATEGORY_SPACE):
            found.update(code for code in CODES if chr(code).isspace())
        elif (name, item) == (op.CATEGORY, op.CATEGORY_WORD):
            found.update(code for code in CODES if chr(code).isalnum() or chr(code) == "_")
        else:
            raise NotImplementedError(f"{name} {item}")
    return frozenset(CODES) - found if negated else frozenset(found)


def alternatives(elements: Elements) -> Iterator[Elements]:
    """The same without elements that may be absent."""
    for place, (kind, value) in enumerate(elements):
        if kind is op.MAX_REPEAT:
            least, most, repeated = value
            assert (least, most) == (0, 1), value
            for middle in ([], list(repeated)):
                yield from alternatives([*elements[:place], *middle, *elements[place + 1 :]])
            return
    yield elements


def badness_tables() -> tuple[list[str], list[str], list[str]]:
    """Rows of the ranges of all sets, of where each set begins, and of the patterns: anchored, sets."""
    ((kind, (_, branches)),) = parser.parse(badness.BADNESS_RE.pattern, badness.BADNESS_RE.flags)
    assert kind is op.BRANCH
    numbers: dict[frozenset[int], int] = {}
    patterns: list[str] = []
    for branch in branches:
        for elements in alternatives(list(branch)):
            anchored = elements[0] == (op.AT, op.AT_BEGINNING)
            sets = [numbers.setdefault(members(e), len(numbers)) for e in elements[anchored:]]
            assert 1 <= len(sets) <= 8
            patterns.append(f"{{{str(anchored).lower()}, {len(sets)}, {{{', '.join(map(str, sets))}}}}}")
    ranges: list[str] = []
    starts: list[str] = ["0"]
    for codes in numbers:
        ranges += shown(runs(codes))
        starts.append(str(len(ranges)))
    return ranges, starts, patterns


def literal(text: str) -> str:
    """A text as a C++ literal of code points."""
    return 'U"' + "".join(f"\\U{ord(letter):08x}" for letter in text) + '"'


def named(entities: Mapping[str, str]) -> Iterator[str]:
    """Names, which are ASCII, and their texts, sorted by name."""
    return (f'{{"{name}", {literal(text)}}}' for name, text in sorted(entities.items()))


def replaced(codes: Mapping[int, str]) -> Iterator[str]:
    """Code points and their texts, sorted."""
    return (f"{{{code:#x}, {literal(text)}}}" for code, text in sorted(codes.items()))


def final_sigma_tables() -> tuple[list[str], list[str]]:
    """Ranges of cased letters, and of what `str.lower` skips when it looks for a word's end."""

    def ends_a_word(before: str) -> bool:
        return (before + "\u03a3").lower().endswith("\u03c2")

    cased = [code for code in CODES if ends_a_word(chr(code))]
    ignored = [code for code in CODES if ends_a_word("A" + chr(code)) and not ends_a_word(chr(code))]
    return shown(runs(cased)), shown(runs(ignored))


def table(kind: str, name: str, rows: Iterable[str]) -> str:
    """One C++ array."""
    lines, line = [f"constexpr {kind} {name}[] = {{"], "   "
    for row in rows:
        if len(line) + len(row) + 2 > _WIDTH:
            lines.append(line)
            line = "   "
        line += f" {row},"
    return "\n".join([*lines, line, "};", ""])


def main() -> None:
    # What ends with a semicolon is in `html.unescape`'s table, too; ftfy adds names in capitals.
    html5 = html.entities.html5
    capitals = {
        name[1:]: text for name, text in chardata.HTML_ENTITIES.items() if html5.get(name[1:]) != text
    }
    assert all(name in html5 or name == name.upper() for name in (*capitals, *html5))
    references = html._invalid_charrefs  # type: ignore[attr-defined]
    no_references = runs(html._invalid_codepoints)  # type: ignore[attr-defined]
    ranges, starts, patterns = badness_tables()
    cased, ignored = final_sigma_tables()
    text = "\n".join(
        [
            f"// Made by tools/make_text_cleaning_tables.py from ftfy {version('ftfy')} (Apache License 2.0)"
            " and Python.",
            table("NamedText", "kEntities", named(html5)),
            table("NamedText", "kCapitalEntities", named(capitals)),
            table("ReplacedCode", "kReferences", replaced(references)),
            table("CodeRange", "kNoReferences", shown(no_references)),
            table("ReplacedCode", "kLigatures", replaced(chardata.LIGATURES)),
            table("ReplacedCode", "kWidths", replaced(chardata.WIDTH_MAP)),
            table("CodeRange", "kControls", shown(runs(chardata.CONTROL_CHARS))),
            table("CodeRange", "kSuspectRanges", ranges),
            table("std::uint16_t", "kSuspectSets", starts),
            table("SuspectPattern", "kSuspectPatterns", patterns),
            table("CodeRange", "kCased", cased),
            table("CodeRange", "kCaseIgnored", ignored),
        ]
    )
    OUTPUT.write_text(text, encoding="utf-8")
    print(f"{OUTPUT}: {len(text)} bytes")


if __name__ == "__main__":
    main()
