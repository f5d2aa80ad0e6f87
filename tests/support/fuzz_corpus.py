"""The seeds of the fuzz targets; `python tests/support/fuzz_corpus.py` writes runtimes/cpp/fuzz/corpus."""

from __future__ import annotations

import copy
import json
import struct
from pathlib import Path
from typing import Any, Final

from bad_bundles import make_older, with_additions
from changed_manifests import VALUE
from damaged_vocabularies import DAMAGED, file_bytes, with_header
from sentences import sentences
from tokenizers.pre_tokenizers import ByteLevel

from groupvit_export.checkpoint.tokenizer import clip_tokenizer
from groupvit_export.data.bundled import DEMO_CHECKPOINT

CORPUS: Final = Path(__file__).resolve().parents[2] / "runtimes" / "cpp" / "fuzz" / "corpus"
_MERGES = [("a", "t</w>"), ("c", "at</w>"), ("t", "h"), ("th", "e</w>"), ("i", "n"), ("Ġ", "a"), ("Ã", "©")]


def _bytes_tokenizer() -> str:
    letters = sorted(ByteLevel.alphabet())
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), *map("".join, _MERGES)]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    tokenizer = clip_tokenizer({token: index for index, token in enumerate(tokens)}, _MERGES)
    return str(json.dumps(json.loads(tokenizer.to_str()), ensure_ascii=False))


def _older() -> dict[str, Any]:
    value = copy.deepcopy(VALUE)
    make_older(value, 4)
    return value


def _settled(data: bytes) -> bytes:
    """The same file with its header in order, which the library writes in another one every time."""
    (length,) = struct.unpack("<Q", data[:8])
    header = json.dumps(json.loads(data[8 : 8 + length]), sort_keys=True)
    return with_header(header.encode(), data[8 + length :])


def seeds() -> dict[str, bytes]:
    """Contents by path."""
    demo = json.dumps(json.loads((DEMO_CHECKPOINT / "tokenizer.json").read_text())).encode()
    found = {
        "manifest/full.json": json.dumps(VALUE).encode(),
        "manifest/newer.json": json.dumps(with_additions(VALUE)).encode(),
        "manifest/older.json": json.dumps(_older()).encode(),
        "vocabulary/two.safetensors": _settled(file_bytes()),
        "vocabulary/nested.safetensors": _settled(file_bytes(names="[[[1]]]")),
        "vocabulary/tensors.safetensors": _settled(DAMAGED["two tensors"][0]),
        "vocabulary/overflow.safetensors": DAMAGED["sides that overflow"][0],
        "tokenizer/bytes.json": _bytes_tokenizer().encode(),
        "tokenizer/words.json": demo + b"\0a photo of a red car.",
    }
    for index, sentence in enumerate(sentences(24, seed=9)):
        found[f"encode/{index:02}.txt"] = sentence.encode()
    return found


def main() -> None:
    for path, data in seeds().items():
        (CORPUS / path).parent.mkdir(parents=True, exist_ok=True)
        (CORPUS / path).write_bytes(data)


if __name__ == "__main__":
    main()
