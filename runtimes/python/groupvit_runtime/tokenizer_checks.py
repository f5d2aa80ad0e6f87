"""What the tokenizers library ends in a panic over, which prints before it is caught."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

_KINDS: Final = (b"TemplateProcessing", b"FixedLength")


def faults_of(data: bytes) -> Iterator[str]:
    """What is wrong with a `tokenizer.json`; not what the library says itself, as that it is no JSON."""
    # Most tokenizers have neither, and megabytes of merges.
    if not any(kind in data for kind in _KINDS):
        return
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return
    for part in _parts(value):
        if part.get("type") == "TemplateProcessing":
            yield from _template(part)
        elif part.get("type") == "FixedLength" and part.get("length") == 0:
            yield "a FixedLength pre-tokenizer of length 0"


def _parts(value: Any) -> Iterator[dict[str, Any]]:
    """Normalizer, pre-tokenizer and post-processor, and those that one is made of."""
    roots = ("normalizer", "pre_tokenizer", "post_processor")
    found = [value.get(key) for key in roots] if isinstance(value, dict) else []
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
