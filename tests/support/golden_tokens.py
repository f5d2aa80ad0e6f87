"""Golden hashes of token ids: what a pinned version of the tokenizers library made of 10,000 sentences.

    python tests/support/golden_tokens.py tests/data/clip-bpe/bpe_simple_vocab_16e6.txt.gz

writes tests/groupvit_runtime_cpp/golden/clip_tokens.json anew. There is a hash for every 100 sentences, which
tells where a difference is.
"""

from __future__ import annotations

import hashlib
import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Final

from sentences import sentences

GOLDEN: Final = Path(__file__).resolve().parents[1] / "groupvit_runtime_cpp" / "golden" / "clip_tokens.json"
COUNT: Final = 10_000
BLOCK: Final = 100


def block_hashes(ids: list[list[int]]) -> list[str]:
    """The first 16 hexadecimal digits of the sha256 of every `BLOCK` lists, written as JSON."""
    blocks = [ids[start : start + BLOCK] for start in range(0, len(ids), BLOCK)]
    return [hashlib.sha256(json.dumps(block).encode()).hexdigest()[:16] for block in blocks]


def main(table: Path) -> None:
    from groupvit_export.checkpoint.tokenizer import from_clip_table

    texts = list(sentences(COUNT))
    value = {
        "tokenizers": version("tokenizers"),
        "sentences": hashlib.sha256("\0".join(texts).encode()).hexdigest(),
        "ids": block_hashes([each.ids for each in from_clip_table(table).encode_batch(texts)]),
    }
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(json.dumps(value, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
