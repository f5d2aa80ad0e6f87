"""The words that label maps are compared with."""

from __future__ import annotations

from pathlib import Path

from tokenizers import Tokenizer as RawTokenizer
from tokenizers import models, pre_tokenizers, processors

from groupvit_export.data.bundled import DEMO_CHECKPOINT, DEMO_LABELS
from groupvit_export.metrics.class_names import default_names
from groupvit_runtime.tokenizer import Tokenizer


def test_words_are_such_that_the_tokenizer_tells_them_apart(tmp_path: Path) -> None:
    """A word-level tokenizer may read every word that it does not know as one and the same token."""
    assert (
        default_names(
            Tokenizer(DEMO_CHECKPOINT / "tokenizer.json", max_length=32, pad_id=0),
            DEMO_CHECKPOINT / "tokenizer.json",
            ("a photo of a {}.",),
        )
        == DEMO_LABELS
    )
    raw = RawTokenizer(models.WordLevel({"<start>": 0, "<end>": 1, "cat": 2, "dog": 3}, unk_token="<start>"))
    raw.pre_tokenizer = pre_tokenizers.Whitespace()
    raw.post_processor = processors.TemplateProcessing(
        single="<start> $A <end>", special_tokens=[("<start>", 0), ("<end>", 1)]
    )
    raw.save(str(tmp_path / "tokenizer.json"))
    own = Tokenizer(tmp_path / "tokenizer.json", max_length=32, pad_id=1)
    assert default_names(own, tmp_path / "tokenizer.json", ("{}",)) == ("cat", "dog")
