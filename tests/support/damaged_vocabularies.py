"""Vocabulary files, labels and templates that every runtime refuses."""

from __future__ import annotations

import json
import struct
from typing import Any, Final

import numpy as np
from safetensors.numpy import save

from groupvit_runtime.vocabulary import Vocabulary

_UNREADABLE, _UNFITTING, _NORMS = "cannot be read", "do not fit", "unit vectors"


def vocabulary(names: tuple[str, ...] = ("cat", "dog"), width: int = 8) -> Vocabulary:
    """Random unit vectors under `names`."""
    random = np.random.default_rng(0).normal(size=(len(names), width))
    embeddings = (random / np.linalg.norm(random, axis=1, keepdims=True)).astype(np.float32)
    return Vocabulary(names, embeddings, ("a {}",), "f" * 64)


def file_bytes(embeddings: Any = None, tensor: str = "embeddings", **metadata: str | None) -> bytes:
    """The file of `vocabulary()`, with some of it replaced; None leaves an entry of the metadata out."""
    made = vocabulary()
    entries = {
        "format": "groupvit-vocabulary-1",
        "names": json.dumps(made.names),
        "templates": json.dumps(made.templates),
        "fingerprint": made.fingerprint,
    } | metadata
    kept = {name: value for name, value in entries.items() if value is not None}
    return save({tensor: made.embeddings if embeddings is None else embeddings}, kept)


def with_header(header: bytes | dict[str, Any], data: bytes = b"", length: int | None = None) -> bytes:
    """A file of this header; `length` is what it says of its length, in place of the truth."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def _tensor(dtype: str = "F32", shape: Any = (1, 1), offsets: Any = (0, 4)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


_ONE = np.float32(1).tobytes()
_METADATA = {
    "format": "groupvit-vocabulary-1", "names": '["a"]', "templates": '["{}"]', "fingerprint": "",
}  # fmt: skip


def _with_tensor(tensor: dict[str, Any], data: bytes = _ONE, **others: Any) -> bytes:
    return with_header({"__metadata__": _METADATA, "embeddings": tensor, **others}, data)


_UNIT = np.eye(2, 8, dtype=np.float32)
_WHOLE = file_bytes()
# Contents, and what the message says.
DAMAGED: Final[dict[str, tuple[bytes, str]]] = {
    "nothing": (b"", _UNREADABLE),
    "no safetensors": (b"not safetensors", _UNREADABLE),
    "half": (_WHOLE[: len(_WHOLE) // 2], _UNREADABLE),
    "a byte less": (_WHOLE[:-1], _UNREADABLE),
    "a byte more": (_WHOLE + b"\0", _UNREADABLE),
    "a header of nothing": (with_header(b""), _UNREADABLE),
    "a header longer than the file": (with_header(b"{}", length=3), _UNREADABLE),
    "a header of 2^64 - 1 bytes": (with_header(b"{}", length=2**64 - 1), _UNREADABLE),
    "a header of 2^64 - 8 bytes": (with_header(b"{}", length=2**64 - 8), _UNREADABLE),
    "a header that is a list": (with_header(b"[]"), _UNREADABLE),
    "a header that is not UTF-8": (with_header(b'{"\xff": 1}'), _UNREADABLE),
    "a deep header": (with_header(b'{"a":' * 50_000), _UNREADABLE),
    "no tensor": (with_header({"__metadata__": _METADATA}), _UNREADABLE),
    "another tensor": (file_bytes(tensor="vectors"), _UNREADABLE),
    "two tensors": (
        save({"embeddings": _UNIT, "more": _UNIT}, {**_METADATA, "names": '["a", "b"]'}),
        _UNREADABLE,
    ),
    "a tensor of unknown dtype": (_with_tensor(_tensor("F33")), _UNREADABLE),
    "a tensor without shape": (_with_tensor({"dtype": "F32", "data_offsets": [0, 4]}), _UNREADABLE),
    "a side that is negative": (_with_tensor(_tensor(shape=[-1, -1])), _UNREADABLE),
    "a side with a point": (_with_tensor(_tensor(shape=[1.0, 1])), _UNREADABLE),
    "sides that overflow": (_with_tensor(_tensor(shape=[2**62, 4])), _UNREADABLE),
    "sides that wrap around to the truth": (_with_tensor(_tensor(shape=[2**62 + 1, 1])), _UNREADABLE),
    "offsets that do not begin at zero": (_with_tensor(_tensor(offsets=[4, 8]), _ONE * 2), _UNREADABLE),
    "offsets that go backwards": (_with_tensor(_tensor(offsets=[4, 0])), _UNREADABLE),
    "offsets beyond the end": (_with_tensor(_tensor(shape=[2, 1], offsets=[0, 8])), _UNREADABLE),
    "three offsets": (_with_tensor(_tensor(offsets=[0, 4, 4])), _UNREADABLE),
    "metadata that are a number": (
        with_header({"__metadata__": {"format": 1}, "embeddings": _tensor()}, _ONE),
        _UNREADABLE,
    ),
    "no metadata": (save({"embeddings": _UNIT}), "not a vocabulary"),
    "another format": (file_bytes(format="groupvit-vocabulary-2"), "not a vocabulary"),
    "no format": (file_bytes(format=None), "not a vocabulary"),
    "no names": (file_bytes(names=None), _UNREADABLE),
    "no templates": (file_bytes(templates=None), _UNREADABLE),
    "no fingerprint": (file_bytes(fingerprint=None), _UNREADABLE),
    "names that are not JSON": (file_bytes(names="cat, dog"), _UNREADABLE),
    "names that are text": (file_bytes(names='"ab"'), _UNREADABLE),
    "names that are an object": (file_bytes(names='{"cat": 0, "dog": 1}'), _UNREADABLE),
    "names that are numbers": (file_bytes(names="[1, 2]"), _UNREADABLE),
    "deep names": (file_bytes(names="[" * 50_000), _UNREADABLE),
    "templates that are numbers": (file_bytes(templates="[1]"), _UNREADABLE),
    "a name too many": (file_bytes(names='["cat", "dog", "cow"]'), _UNFITTING),
    "no names but vectors": (file_bytes(names="[]"), _UNFITTING),
    "neither names nor vectors": (file_bytes(np.zeros((0, 8), np.float32), names="[]"), _UNFITTING),
    "one dimension": (file_bytes(np.ones(2, np.float32)), _UNFITTING),
    "three dimensions": (file_bytes(_UNIT[:, None]), _UNFITTING),
    "a scalar": (file_bytes(np.ones((), np.float32)), _UNFITTING),
    "float64": (file_bytes(_UNIT.astype(np.float64)), _NORMS),
    "float16": (file_bytes(_UNIT.astype(np.float16)), _NORMS),
    "integers": (file_bytes(_UNIT.astype(np.int32)), _NORMS),
    "vectors twice as long": (file_bytes(_UNIT * 2), _NORMS),
    "vectors a little too long": (file_bytes(_UNIT * np.float32(1.00012)), _NORMS),
    "vectors of nothing": (file_bytes(np.zeros((2, 0), np.float32)), _NORMS),
    "a vector of zeros": (file_bytes(np.zeros((2, 8), np.float32)), _NORMS),
    "no numbers": (file_bytes(np.full((2, 8), np.nan, np.float32)), _NORMS),
    "infinity": (file_bytes(np.full((2, 8), np.inf, np.float32)), _NORMS),
}

BAD_LABELS: Final[list[tuple[list[str], str]]] = [
    ([], "empty"),
    (["cat", ""], "label 2 of 2"),
    (["cat", "  "], "empty"),
    (["cat", "\u3000\x1c"], "label 2 of 2"),
    (["cat", "dog", "Cat"], "given twice"),
    (["a  cat", "a cat"], "given twice"),
    (["straße", "STRASSE"], "given twice"),
    (["ΑΣ", "ας"], "given twice"),
    (["caf\u00e9", "cafe\u0301"], "given twice"),
    (["cafe\u0301", "CAFÉ"], "given twice"),
    (["\u212b", "\u00e5"], "given twice"),
    (["sky", "sk\u200by"], "given twice"),
    (["sky", "s\u00adk\u2060y\ufeff"], "given twice"),
    (["sky", "\u200esky\u200f"], "given twice"),
    (["sky", "sk\u200dy"], "given twice"),
    (["sky", "sky\ufe0f"], "given twice"),
    (["sky", "sky\u3164"], "given twice"),
    (["sky", "\ufeffsky"], "given twice"),
    (["sky", "sky\U000e0061"], "given twice"),
    (["sky", "\u200b\u00ad"], "label 2 of 2"),
    (["sky", "\ufeff"], "label 2 of 2"),
    (["sky", "tr\x08ee"], "control character"),
    (["sky", "tree\x7f"], "control character"),
    (["sky", "\x80"], "control character"),
    (["x" * 3000, "x" * 3000], "given twice"),
]

GOOD_LABELS: Final[list[tuple[list[str], tuple[str, ...]]]] = [
    ([" a  cat ", "dog"], ("a cat", "dog")),
    (["red\u2028house", "blue\u0085boat", "a\x0bb\x1cc\x0cd"], ("red house", "blue boat", "a b c d")),
    (["\ufeffsky", "tree"], ("sky", "tree")),
    # An astronaut, and a woman and a rocket; two Persian words; a heart as an emoji and as text; two flags.
    *(
        ([one, other], (one, other))
        for one, other in (
            ("\U0001f469\u200d\U0001f680 tent", "\U0001f469\U0001f680 tent"),
            ("\u0646\u0627\u0645\u0647\u200c\u0627\u06cc", "\u0646\u0627\u0645\u0647\u0627\u06cc"),
            ("\u2764\ufe0f", "\u2764"),
            ("\u2764\ufe0f\u200d\U0001f525", "\u2764\ufe0f\U0001f525"),
            ("\U0001f3f4\U000e0067\U000e007f", "\U0001f3f4"),
        )
    ),
]

BAD_TEMPLATES: Final = [
    "no place", "{} and {}", "{0}", "{name} {}", "{", "}", "", "{{}}", "{}}", "}{}", "{} }", "{}}}}", "}}}{}",
]  # fmt: skip
