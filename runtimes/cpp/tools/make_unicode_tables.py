"""Writes src/unicode_tables.inc: what the tokenizers library and Python know of every code point.

    python runtimes/cpp/tools/make_unicode_tables.py

The tokenizers library takes letters, lower case and normal forms from three Unicode versions, none of them
Python's, so its tables are asked of the library itself. Labels are compared by Python's `str.casefold` and
split by `str.split`, so those tables are Python's.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import version
from pathlib import Path

from tokenizers import Regex, normalizers, pre_tokenizers

OUTPUT = Path(__file__).resolve().parents[1] / "src" / "unicode_tables.inc"
CODES = [code for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
_CHUNK = 4096
_HANGUL = range(0xAC00, 0xD7A4)
_WIDTH = 110


def matched(pattern: str) -> set[int]:
    """Code points that a pattern of the library matches."""
    remove = normalizers.Replace(Regex(pattern), "")
    found: set[int] = set()
    for start in range(0, len(CODES), _CHUNK):
        chunk = CODES[start : start + _CHUNK]
        left = set(map(ord, remove.normalize_str("".join(map(chr, chunk)))))
        found.update(code for code in chunk if code not in left)
    return found


def word_letters() -> set[int]:
    """Code points that the pre-tokenizer `Whitespace` keeps in a word with letters."""
    split = pre_tokenizers.Whitespace()
    return {code for code in CODES if len(split.pre_tokenize_str(f"a{chr(code)}a")) == 1}


def whitespace_splits() -> set[int]:
    """Code points that the pre-tokenizer `Whitespace` drops."""
    split = pre_tokenizers.Whitespace()
    return {code for code in CODES if not split.pre_tokenize_str(chr(code))}


def expansions(change: Callable[[str], str], codes: Iterable[int] = CODES) -> dict[int, str]:
    """What `change` makes of every code point that it changes."""
    changed = ((code, change(chr(code))) for code in codes)
    return {code: after for code, after in changed if after != chr(code)}


def combining_classes() -> dict[int, int]:
    """Canonical combining classes of the library, as its reordering shows them."""
    nfd = normalizers.NFD().normalize_str
    classes: dict[int, int] = {}
    for code in CODES:
        letter = chr(code)
        known = unicodedata.combining(letter)
        # U+0334 is of class 1 and U+0301 of class 230.
        if nfd(letter + "\u0334") == "\u0334" + letter and letter != "\u0334":
            assert known > 1, f"U+{code:04X} has a class that this Python does not know"
            classes[code] = known
        elif known == 1 and nfd("\u0301" + letter) == letter + "\u0301":
            classes[code] = known
    return classes


def compositions() -> dict[tuple[int, int], int]:
    """Pairs that the library composes, Hangul left out."""
    nfc = normalizers.NFC().normalize_str
    pairs: dict[tuple[int, int], int] = {}
    for code in CODES:
        parts = unicodedata.decomposition(chr(code)).split()
        if len(parts) != 2 or parts[0].startswith("<"):
            continue
        first, second = (int(part, 16) for part in parts)
        if nfc(chr(first) + chr(second)) == chr(code):
            pairs[first, second] = code
    return pairs


def ranges(codes: Iterable[int]) -> Iterator[str]:
    """Sorted code points as `{first, last}`."""
    for first, last, _ in _runs(dict.fromkeys(codes, 0)):
        yield f"{{{first:#x}, {last:#x}}}"


def class_ranges(classes: dict[int, int]) -> Iterator[str]:
    """Code points with a number each as `{first, last, number}`."""
    for first, last, value in _runs(classes):
        yield f"{{{first:#x}, {last:#x}, {value}}}"


def _runs(values: dict[int, int]) -> Iterator[tuple[int, int, int]]:
    run: list[int] = []
    for code in sorted(values):
        if run and (code != run[-1] + 1 or values[code] != values[run[0]]):
            yield run[0], run[-1], values[run[0]]
            run = []
        run.append(code)
    if run:
        yield run[0], run[-1], values[run[0]]


def case_runs(mapping: dict[int, str]) -> Iterator[str]:
    """One-to-one mappings as `{first, last, step, delta}`."""
    deltas = {code: ord(after) - code for code, after in mapping.items() if len(after) == 1}
    codes = sorted(deltas)
    while codes:
        first, last, step = codes[0], codes[0], 1
        if len(codes) > 1 and codes[1] - first <= 2 and deltas[codes[1]] == deltas[first]:
            step = codes[1] - first
        while last + step in deltas and deltas[last + step] == deltas[first]:
            last += step
        yield f"{{{first:#x}, {last:#x}, {step}, {deltas[first]}}}"
        codes = [code for code in codes if code not in range(first, last + 1, step)]


def expansion_rows(mapping: dict[int, str], shortest: int) -> Iterator[str]:
    """Mappings of at least `shortest` code points as `{code, {to, ...}}`."""
    for code, after in sorted(mapping.items()):
        if len(after) >= shortest:
            assert len(after) <= 4
            yield f"{{{code:#x}, {{{', '.join(f'{ord(letter):#x}' for letter in after)}}}}}"


def table(kind: str, name: str, rows: Iterable[str]) -> str:
    """One C++ array."""
    lines = [f"constexpr {kind} {name}[] = {{"]
    line = "   "
    for row in rows:
        if len(line) + len(row) + 2 > _WIDTH:
            lines.append(line)
            line = "   "
        line += f" {row},"
    return "\n".join([*lines, line, "};", ""])


def main() -> None:
    lower = expansions(normalizers.Lowercase().normalize_str)
    fold = expansions(str.casefold)
    decomposed = expansions(normalizers.NFD().normalize_str, (code for code in CODES if code not in _HANGUL))
    spaces = matched(r"\s")
    assert whitespace_splits() == spaces, "the pre-tokenizer and the pattern disagree on white space"
    pairs = (f"{{{a:#x}, {b:#x}, {c:#x}}}" for (a, b), c in sorted(compositions().items()))
    text = "\n".join(
        [
            f"// Made by tools/make_unicode_tables.py from tokenizers {version('tokenizers')} and the Unicode"
            f" {unicodedata.unidata_version} of Python.",
            f'constexpr char kPythonUnicode[] = "{unicodedata.unidata_version}";\n',
            table("CodeRange", "kLetters", ranges(matched(r"\p{L}"))),
            table("CodeRange", "kNumbers", ranges(matched(r"\p{N}"))),
            table("CodeRange", "kSpaces", ranges(spaces)),
            table("CodeRange", "kWords", ranges(word_letters())),
            table("CaseRun", "kLower", case_runs(lower)),
            table("Expansion", "kLowerExpansions", expansion_rows(lower, 2)),
            table("ClassRange", "kCombining", class_ranges(combining_classes())),
            table("Expansion", "kDecompositions", expansion_rows(decomposed, 1)),
            table("Composition", "kCompositions", pairs),
            table("CodeRange", "kPythonSpaces", ranges(code for code in CODES if chr(code).isspace())),
            table("CaseRun", "kFold", case_runs(fold)),
            table("Expansion", "kFoldExpansions", expansion_rows(fold, 2)),
        ]
    )
    OUTPUT.write_text(text, encoding="utf-8")
    print(f"{OUTPUT}: {len(text)} bytes")


if __name__ == "__main__":
    main()
