"""NVlabs' tokenizer by its own libraries: ftfy and `html` clean, `regex` splits, CLIP's merges join."""

from __future__ import annotations

import gzip
import html
from itertools import pairwise
from pathlib import Path
from typing import Final

import ftfy
import regex

_PATTERN: Final = regex.compile(
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+",
    regex.IGNORECASE,
)

# Texts, and where it is plain, others that the cleaning makes equal to them.
TEXTS: Final[dict[str, str | None]] = {
    "child\u2019s toy": "child's toy",
    "\u201cstop\u201d sign": '"stop" sign',
    "\u201elow\u201f \u201bhigh\u02bc": "\u201elow\" 'high'",
    "\ufb01re \u01c6 \u0133s": "fire d\u017e ijs",
    "salt &amp; pepper": "salt & pepper",
    "&amp;amp; sign": "& sign",
    "&amp;amp;amp; sign": "& sign",
    "AT&ampT and &notit; &copy": "AT&T and \u00acit; \u00a9",
    "caf&eacute; CAF&EACUTE; &#233; &#xE9;": "café CAFÉ é é",
    "&lt;b&gt; &quot;x&quot;": '<b> "x"',
    "a < b &amp; c": "a < b & c",
    "&#8217; &#146; &#0; &#xD800; &#x110000;": "' ' \ufffd \ufffd \ufffd",
    "\uff23\uff21\uff34 \uff76\uff9e": "cat ガ",
    "red\u3000house": "red house",
    "e\u0301clair \u212bngstr\u00f6m": "\u00e9clair \u00e5ngstr\u00f6m",
    "  Two   Words\u00a0here\t": "two words here",
    "a\u2028b\r\nc": "a b c",
    "soft\ufeffly \u206atold": "softly told",
    "don't walk, you should've 'Twas": None,
    "na\u00efve fa\u00e7ade": None,
    "\u0130stanbul \u039f\u0394\u039f\u03a3 \u03a3\u0391\u03a3": None,
    "\u00bd cup, 3 \u00d7 4\u00b0": None,
    "a\u200bb so\u00adft": None,
    "\U0001f469\u200d\U0001f680 tent": None,
    "猫と犬 고양이 кошка": None,
    "<|endoftext|> <|EndOfText|>": None,
}

# What ftfy takes for text of another encoding, and what it is.
MOJIBAKE: Final = {
    "caf\u00c3\u00a9": "café",
    "\u00e2\u20ac\u0153stop\u00e2\u20ac\u009d sign": '"stop" sign',
    "na\u00c3\u00afve": "na\u00efve",
    "\u00e2\u009c\u0094 done": "\u2714 done",
    "it\x92s": "it's",
}


class NvlabsTokenizer:
    """CLIP's tokenizer from OpenAI's table of merges."""

    def __init__(self, table: Path) -> None:
        lines = gzip.decompress(table.read_bytes()).decode().split("\n")[1 : 49152 - 256 - 2 + 1]
        merges = [tuple(line.split()) for line in lines]
        printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
        others = [byte for byte in range(256) if byte not in printable]
        self._letters = {byte: chr(byte) for byte in printable}
        self._letters |= {byte: chr(256 + n) for n, byte in enumerate(others)}
        letters = list(self._letters.values())
        tokens = [*letters, *(letter + "</w>" for letter in letters), *("".join(merge) for merge in merges)]
        tokens += ["<|startoftext|>", "<|endoftext|>"]
        self._ids = {token: index for index, token in enumerate(tokens)}
        self._ranks = {merge: rank for rank, merge in enumerate(merges)}

    def encode(self, text: str) -> list[int]:
        """Ids with start and end."""
        cleaned = html.unescape(html.unescape(ftfy.fix_text(text))).strip()
        cleaned = regex.sub(r"\s+", " ", cleaned).strip().lower()
        ids = [self._ids["<|startoftext|>"]]
        for word in _PATTERN.findall(cleaned):
            ids += [self._ids[word]] if word.startswith("<|") and word in self._ids else self._word(word)
        return [*ids, self._ids["<|endoftext|>"]]

    def _word(self, word: str) -> list[int]:
        parts = [self._letters[byte] for byte in word.encode()]
        parts[-1] += "</w>"
        while len(parts) > 1:
            pairs = list(pairwise(parts))
            best = min(pairs, key=lambda pair: self._ranks.get(pair, len(self._ranks)))
            if best not in self._ranks:
                break
            place = pairs.index(best)
            parts[place : place + 2] = ["".join(best)]
        return [self._ids[part] for part in parts]
