"""Sentences that tokenizers disagree about when they disagree, the same for every run: a seeded generator."""

from __future__ import annotations

import random
from collections.abc import Iterator

_SCRIPTS = (
    (0x20, 0x7F),  # ASCII
    (0xA1, 0x250),  # Latin with accents
    (0x370, 0x530),  # Greek, Cyrillic
    (0x590, 0x700),  # Hebrew, Arabic, from right to left
    (0x900, 0xE80),  # India, Thailand
    (0x1100, 0x1200),  # letters of Hangul
    (0x1E00, 0x2000),  # more accents
    (0x2000, 0x2C00),  # spaces, punctuation, symbols
    (0x3040, 0x3100),  # kana
    (0x4E00, 0x9FFF),  # CJK
    (0xAC00, 0xD7A4),  # syllables of Hangul
    (0xF900, 0xFB00),  # compatibility ideographs, which NFC changes
    (0xFF00, 0xFFF0),  # full width
    (0x1D100, 0x1D800),  # music, mathematical letters and digits
    (0x1F000, 0x1FB00),  # emoji
)
_MARKS = "\u0300\u0301\u0308\u030a\u0323\u0327\u0334\u0345\u05b0\u064b\u093c\u3099\u20e3\U0001d165"
_DIGITS = "0123456789٠١٢٣٤٥०१२३৪௫๖႗០᠙０９𝟎𝟗½Ⅷ㊿⑨〇"
_SPACES = " \t\n\r\x0b\x0c\x1c\x1f\x85\xa0\u1680\u2003\u2028\u202f\u3000\u200b\ufeff"
_CONTROLS = "".join(
    map(chr, [*range(1, 9), *range(0xE, 0x20), *range(0x7F, 0x85), 0xAD, 0x200D, 0xFE0F, 0xE0001])
)
_PIECES = (
    "'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "’s", "''", "don't", "<|", "|>", "</w>",
    "<|endoftext|>", "<|startoftext|>", "<|EndOfText|>", "İ", "ΑΣ", "ß", "ﬁ", "Å", "e\u0301",
    "👨‍👩‍👧", "🇩🇪", "👍🏽", "❤️", "...", "--", "!?", "$1,000.50", "http://a.b/c?d=e", "@user",
    "#tag", "a_b", "x²", "½",
)  # fmt: skip
_WORDS = [
    "a", "photo", "of", "the", "cat", "dog", "red", "car", "house", "tree", "person", "standing", "on",
    "grass", "near", "water", "with", "blue", "sky", "old", "small", "large", "bicycle", "Éclair", "naïve",
    "café", "über", "straße", "señor", "猫", "犬", "고양이", "кошка", "собака", "γάτα", "قطة", "חתול", "แมว",
    "बिल्ली",
]  # fmt: skip


def sentences(count: int, seed: int = 0) -> Iterator[str]:
    """`count` sentences without U+0000; every 1,000th has 500 words."""
    choose = random.Random(seed)
    for index in range(count):
        if index % 1000 == 999:
            yield " ".join(choose.choice(_WORDS) for _ in range(500))
        elif index % 3 == 0:
            yield _separated(choose)
        else:
            yield "".join(_piece(choose) for _ in range(choose.randint(0, 12)))


def _separated(choose: random.Random) -> str:
    text = choose.choice(["", " ", "A "])
    for _ in range(choose.randint(1, 12)):
        text += choose.choice(_WORDS + list(_PIECES)) + choose.choice(["", " ", " ", choose.choice(_SPACES)])
    return text


def _piece(choose: random.Random) -> str:
    kind = choose.randrange(10)
    if kind < 4:
        first, last = choose.choice(_SCRIPTS)
        return "".join(chr(choose.randrange(first, last)) for _ in range(choose.randint(1, 5)))
    if kind == 4:
        return choose.choice(_MARKS) * choose.randint(1, 2) + choose.choice(_MARKS)
    if kind == 5:
        code = choose.randrange(1, 0x10F800)
        return chr(code if code < 0xD800 else code + 0x800)
    return choose.choice(choose.choice((_DIGITS, _SPACES, _CONTROLS, _PIECES)))
