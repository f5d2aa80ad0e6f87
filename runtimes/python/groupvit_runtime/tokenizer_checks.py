"""What a tokenizer.json may not have.

That is what the tokenizers library ends in a panic over, which prints before it is caught, and what would
take it without end or memory.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from tokenizers import Tokenizer

_KINDS: Final = (b"TemplateProcessing", b"FixedLength", b"Precompiled")
_ESCAPED: Final = b"\\u"
_PATTERN: Final = re.compile(rb'"Regex"\s*:\s*("(?:[^"\\]|\\.)*")', re.DOTALL)

_WORDS: Final = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
PATTERNS: Final = frozenset({r"\s+", _WORDS, r"<\|startoftext\|>|<\|endoftext\|>|" + _WORDS})
"""All regular expressions of CLIP's tokenizers. Of others nobody knows how long they take."""

# CLIP's have five. Each may make a text several times as long.
_MOST_STEPS: Final = 8


def faults_of(data: bytes) -> Iterator[str]:
    """What is wrong with a `tokenizer.json`; not what the library says itself, as that it is no JSON."""
    value: Any = None
    # Most have megabytes of merges, and neither these kinds nor names that are written in another way.
    if _ESCAPED in data or any(kind in data for kind in _KINDS):
        try:
            value = json.loads(data)
            data = json.dumps(value, ensure_ascii=False).encode(errors="surrogatepass")
        except (ValueError, RecursionError):
            return
    for found in _PATTERN.finditer(data):
        pattern = json.loads(found[1], strict=False)
        if pattern not in PATTERNS:
            yield f"the regular expression {pattern[:80]!r}, which is none of CLIP's"
    for part in _parts(value):
        kind = part.get("type")
        if kind == "TemplateProcessing":
            yield from _template(part)
        elif kind == "FixedLength" and part.get("length") == 0:
            yield "a FixedLength pre-tokenizer of length 0"
        elif kind == "Precompiled":
            yield "a Precompiled normalizer, which no tokenizer of CLIP's has"


def faults_of_steps(tokenizer: Tokenizer) -> Iterator[str]:
    """What would make a text far longer."""
    steps = 0
    for part in (tokenizer.normalizer, tokenizer.pre_tokenizer):
        for step in _inner(None if part is None else json.loads(part.__getstate__())):
            steps += step.get("type") != "Sequence"
            if step.get("type") == "Replace" and len(step["content"]) > 1:
                yield f"a replacement by {step['content'][:80]!r}, which is longer than a character"
    if steps > _MOST_STEPS:
        yield f"{steps} steps before the model, and at most {_MOST_STEPS} are taken"


def _parts(value: Any) -> Iterator[dict[str, Any]]:
    """Normalizer, pre-tokenizer and post-processor, and those that one is made of."""
    roots = ("normalizer", "pre_tokenizer", "post_processor")
    for key in roots if isinstance(value, dict) else ():
        yield from _inner(value.get(key))


def _inner(root: Any) -> Iterator[dict[str, Any]]:
    found = [root]
    while found:
        part = found.pop()
        if isinstance(part, dict):
            yield part
            for kind in ("normalizers", "pretokenizers", "processors"):
                found += part[kind] if isinstance(part.get(kind), list) else []


def _template(part: dict[str, Any]) -> Iterator[str]:
    special = part.get("special_tokens")
    known = set(special) if isinstance(special, dict) else set()
    for name in ("single", "pair"):
        for piece in part[name] if isinstance(part.get(name), list) else []:
            if not isinstance(piece, dict):
                continue
            for kind, content in piece.items():
                token = content.get("id") if isinstance(content, dict) else None
                if kind == "SpecialToken" and isinstance(token, str) and token not in known:
                    yield f"a template with the special token {token!r}, which it does not explain"
                if (name, kind, token) == ("single", "Sequence", "B"):
                    yield "a template of one sentence with a second one in it"
