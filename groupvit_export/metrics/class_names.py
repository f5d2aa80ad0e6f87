"""The class names of images that come without, and their embeddings."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer as RawTokenizer

from groupvit_export.data.bundled import DEMO_LABELS
from groupvit_runtime.errors import LabelError
from groupvit_runtime.tokenizer import Tokenizer
from groupvit_runtime.vocabulary import average_templates

_KNOWN_WORDS: Final = 9
_BATCH: Final = 64


def default_names(tokenizer: Tokenizer, path: Path, templates: Sequence[str]) -> tuple[str, ...]:
    """The demo's labels, or where the tokenizer does not know them the last words that it knows.

    Args:
        tokenizer: of the model.
        path: its tokenizer.json.
        templates: prompt templates, each with one `{}`.
    """
    vocabulary = RawTokenizer.from_buffer(path.read_bytes()).get_vocab()
    known = [word for word, _ in sorted(vocabulary.items(), key=lambda item: item[1])]
    words = tuple(word for word in known if re.fullmatch("[a-z]{3,}", word))[-_KNOWN_WORDS:]
    return DEMO_LABELS if not words or _tells_apart(tokenizer, DEMO_LABELS, templates[0]) else words


def embed(
    run: Callable[[NDArray[np.int64]], NDArray[Any]],
    tokenizer: Tokenizer,
    templates: Sequence[str],
    names: Sequence[str],
    batch: int | None = None,
) -> NDArray[np.float32]:
    """Class embeddings as the runtime makes them.

    Args:
        run: the text engine, input_ids int64 [B, L] to float [B, P].
        tokenizer: of the model.
        templates: prompt templates, each with one `{}`.
        names: K class names.
        batch: most sentences at once; None for 64.

    Returns:
        float32 [K, P], unit vectors.
    """
    ids = tokenizer.encode([template.format(name) for name in names for template in templates])
    size = min(_BATCH, batch or _BATCH)
    parts = [np.asarray(run(ids[start : start + size]), np.float32) for start in range(0, len(ids), size)]
    return average_templates(np.concatenate(parts), len(names))


def _tells_apart(tokenizer: Tokenizer, names: Sequence[str], template: str) -> bool:
    """Whether every name is known, and read otherwise than the others.

    Some tokenizers read all unknown words as one token; label maps of such classes compare nothing.
    """
    try:
        ids = tokenizer.encode([template.format(name) for name in names])
    except LabelError:
        return False
    return len(np.unique(ids, axis=0)) == len(names)
