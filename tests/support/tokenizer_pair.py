"""One tokenizer.json, read by the tokenizers library and by the C++ runtime."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from text_probe import TextProbe
from tokenizers import Tokenizer

from groupvit_runtime.errors import LabelError

Edit = Callable[[dict[str, Any]], object]


class Pair:
    """The same tokenizer.json in the library and here."""

    def __init__(self, probe: TextProbe, path: Path) -> None:
        self.library = Tokenizer.from_file(str(path))
        self.library.no_truncation()
        self.ours = probe.tokenizer(path)

    def check(self, text: str) -> None:
        try:
            expected = self.library.encode(text).ids
        except Exception:  # noqa: BLE001 - the library raises nothing narrower
            with pytest.raises(LabelError):
                self.ours.encode(text)
        else:
            assert self.ours.encode(text) == expected, ascii(text)

    def check_all(self, texts: list[str]) -> None:
        expected = [encoding.ids for encoding in self.library.encode_batch(texts)]
        for text, ids, wanted in zip(texts, self.ours.encode_all(texts), expected, strict=True):
            assert ids == wanted, ascii(text)


def saved(tokenizer: Any, path: Path, edit: Edit | None = None) -> Path:
    value = json.loads(tokenizer.to_str())
    if edit is not None:
        edit(value)
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    return path
