"""Finding or building the tokenizer.json that a bundle ships."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from groupvit_export.errors import CheckpointError

_START, _END = "<|startoftext|>", "<|endoftext|>"
# Words, contractions, single digits and runs of punctuation, as OpenAI's CLIP splits them.
_SPLIT = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
_MERGES = 49152 - 256 - 2


def find_tokenizer(source: Path) -> Tokenizer:
    """Load the tokenizer of a checkpoint.

    Args:
        source: a `tokenizer.json`, CLIP's `bpe_simple_vocab_16e6.txt.gz`, or a folder that has a
            `tokenizer.json` or `vocab.json` with `merges.txt`.

    Raises:
        CheckpointError: there is none, or it cannot be read.
    """
    try:
        if source.is_dir():
            if (source / "tokenizer.json").is_file():
                return _from_file(source / "tokenizer.json")
            if (source / "vocab.json").is_file() and (source / "merges.txt").is_file():
                vocab = json.loads((source / "vocab.json").read_text(encoding="utf-8-sig"))
                return clip_tokenizer(vocab, _read_merges(source / "merges.txt"))
        elif source.name.endswith(".txt.gz"):
            return from_clip_table(source)
        elif source.is_file():
            return _from_file(source)
    except Exception as error:
        raise CheckpointError(
            "the tokenizer cannot be read", got=f"{source}: {error}", fix="--tokenizer PATH"
        ) from error
    raise CheckpointError(
        "the checkpoint comes without a tokenizer",
        got=f"nothing usable at {source}",
        expected="tokenizer.json, or vocab.json with merges.txt, or CLIP's bpe_simple_vocab_16e6.txt.gz",
        fix="--tokenizer PATH (the published checkpoints use CLIP's)",
    )


def clip_tokenizer(vocab: dict[str, int], merges: list[tuple[str, str]]) -> Tokenizer:
    """CLIP's byte-pair encoding in the `tokenizers` library (lower case, end-of-word suffix)."""
    tokenizer = Tokenizer(
        models.BPE(
            vocab=vocab,
            merges=merges,
            continuing_subword_prefix="",
            end_of_word_suffix="</w>",
            fuse_unk=False,
            unk_token=_END,
        )
    )
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_SPLIT), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in (_START, _END)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{_START} $A {_END}", special_tokens=[(_START, vocab[_START]), (_END, vocab[_END])]
    )
    return tokenizer


def from_clip_table(path: Path) -> Tokenizer:
    """Build CLIP's tokenizer (49,408 ids) from OpenAI's table of merges."""
    lines = gzip.decompress(path.read_bytes()).decode("utf-8").split("\n")[1 : _MERGES + 1]
    merges = [_pair(line) for line in lines]
    # OpenAI numbers the printable bytes first, then the others, then both again at a word's end.
    letters = _byte_letters()
    tokens = [*letters, *(letter + "</w>" for letter in letters), *(a + b for a, b in merges), _START, _END]
    return clip_tokenizer({token: index for index, token in enumerate(tokens)}, merges)


def _from_file(path: Path) -> Tokenizer:
    # The library refuses a byte order mark, which some editors write.
    return Tokenizer.from_str(path.read_text(encoding="utf-8-sig"))


def _byte_letters() -> list[str]:
    printable = [
        *range(ord("!"), ord("~") + 1),
        *range(ord("¡"), ord("¬") + 1),
        *range(ord("®"), ord("ÿ") + 1),
    ]
    others = 256 - len(printable)
    return [chr(byte) for byte in printable] + [chr(256 + index) for index in range(others)]


def _read_merges(path: Path) -> list[tuple[str, str]]:
    lines = path.read_text(encoding="utf-8-sig").split("\n")
    return [_pair(line) for line in lines if line and not line.startswith("#version")]


def _pair(line: str) -> tuple[str, str]:
    first, second = line.split()
    return first, second
