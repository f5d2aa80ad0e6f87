"""The words of the world: the tokenizer, and the prompts that training puts phrases into."""

from __future__ import annotations

from typing import Final

from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

from examples.shapes.world import COLORS, STUFF, THINGS

MAX_TOKENS: Final = 32

_GENERAL = ("a", "the", "photo", "picture", "of", "and", ".", "background", "thing")
_WORDS = ("<pad>", "<bos>", *_GENERAL, *STUFF, *THINGS, *COLORS, "<eos>")
# Last on purpose: a text tower with eos_token_id 2 pools at the highest id, see the model card.
EOS: Final = len(_WORDS) - 1
BOS: Final = 1
PAD: Final = 0
VOCABULARY_SIZE: Final = len(_WORDS)

PROMPTS: Final = (
    "a photo of a {}.",
    "a photo of a {}",
    "a photo of {}",
    "a picture of a {}.",
    "the {}",
    "a {}",
    "{}",
)
"""The first is the paper's; the others keep the text tower from needing it."""


def make_tokenizer() -> Tokenizer:
    """Whole words only: a word that it does not know is an error, not a guess."""
    tokenizer = Tokenizer(WordLevel({word: i for i, word in enumerate(_WORDS)}, unk_token="<unk>"))
    tokenizer.normalizer = Lowercase()
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(
        single="<bos> $A <eos>", special_tokens=[("<bos>", BOS), ("<eos>", EOS)]
    )
    tokenizer.enable_truncation(MAX_TOKENS)
    return tokenizer
