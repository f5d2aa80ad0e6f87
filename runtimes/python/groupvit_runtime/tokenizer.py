"""Sentences to token ids, by the `tokenizers` library and the checkpoint's own tokenizer.json."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer as _Tokenizer
from tokenizers import normalizers

from groupvit_runtime.errors import BundleError, LabelError
from groupvit_runtime.manifest.regular_file import open_regular
from groupvit_runtime.prompts import shorten
from groupvit_runtime.tokenizer_checks import faults_of, faults_of_steps


class Tokenizer:
    """Encodes sentences for the text engine. Immutable after construction, safe between threads.

    Args:
        source: a `tokenizer.json`, or its contents.
        max_length: longest sequence that the text engine takes, special tokens included.
        pad_id: fills up shorter sequences. Causal attention and pooling at the end-of-text token
            make what follows it invisible, so the value matters only in that it must not be
            pooled at: the end-of-text token itself is always right (the first one is taken).
        nvlabs_cleaning: whether sentences are cleaned as NVlabs' tokenizer does (`text_cleaning`), which
            takes the place of the file's normalizer.

    Raises:
        BundleError: the file is no tokenizer.
    """

    def __init__(
        self, source: Path | bytes, *, max_length: int, pad_id: int, nvlabs_cleaning: bool = False
    ) -> None:
        where = "tokenizer.json" if isinstance(source, bytes) else str(source)
        with _refusing(where):
            data = source if isinstance(source, bytes) else _contents(source)
            fault = next(faults_of(data), None)
            if fault is not None:
                raise ValueError(fault)
            self._tokenizer = _Tokenizer.from_buffer(data)
            fault = next(faults_of_steps(self._tokenizer), None)
            if fault is not None:
                raise ValueError(fault)
        # Truncation would silently drop the end of a label, and with it the end-of-text token.
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._clean: Callable[[str], str] | None = None
        if nvlabs_cleaning:
            # Imported here: other bundles need no ftfy.
            from groupvit_runtime.text_cleaning import clean_as_nvlabs

            self._clean = clean_as_nvlabs
            self._tokenizer.normalizer = normalizers.Sequence([])
        self._where = where
        self.max_length = max_length
        self.pad_id = pad_id
        with _refusing(where):
            self._around = frozenset(self._tokenizer.encode("").ids)

    @property
    def vocab_size(self) -> int:
        """Number of ids, added tokens included."""
        return int(self._tokenizer.get_vocab_size(with_added_tokens=True))

    def encode(self, sentences: Sequence[str]) -> NDArray[np.int64]:
        """Encode and pad to the longest of `sentences`.

        Returns:
            int64 [n, L], L at most `max_length`.

        Raises:
            LabelError: a sentence is too long, or has a word that a word-level tokenizer does not know.
        """
        encodings = [self._encode_one(sentence) for sentence in sentences]
        length = max(map(len, encodings))
        ids = np.full((len(encodings), length), self.pad_id, dtype=np.int64)
        for row, encoding in zip(ids, encodings, strict=True):
            row[: len(encoding)] = encoding
        return ids

    def special_token_in(self, sentence: str) -> str | None:
        """A token in the words of `sentence` that is none of words: the model would read it as their end.

        Raises:
            LabelError: as `encode`.
        """
        added = self._tokenizer.get_added_tokens_decoder()
        for token_id in self._ids(sentence, around=False):
            if token_id in self._around or (token_id in added and added[token_id].special):
                return str(self._tokenizer.id_to_token(token_id))
        return None

    def _encode_one(self, sentence: str) -> list[int]:
        ids = self._ids(sentence, around=True)
        if len(ids) > self.max_length:
            raise LabelError(
                "a label is too long for the text encoder",
                got=f"{len(ids)} tokens: {shorten(sentence)!r}",
                expected=f"at most {self.max_length} tokens, start and end included",
                fix="shorten the label; nothing is cut off silently, because the end would be lost",
            )
        return ids

    def _ids(self, sentence: str, *, around: bool) -> list[int]:
        text = sentence if self._clean is None else self._clean(sentence)
        with _refusing(self._where):
            try:
                ids: list[int] = self._tokenizer.encode(text, add_special_tokens=around).ids
            except Exception as error:
                raise LabelError(
                    "a label has a word that this model's tokenizer does not know",
                    got=f"{shorten(sentence)!r} ({shorten(str(error))})",
                    expected=self._known_words(),
                    fix="use words of the vocabulary the model was trained with",
                ) from error
        return ids

    def _known_words(self) -> str:
        words = sorted(word for word in self._tokenizer.get_vocab() if not word.startswith("<"))
        return " ".join(words[:60]) + (" ..." if len(words) > 60 else "")


def _contents(path: Path) -> bytes:
    with open_regular(path) as file:
        return file.read()


@contextmanager
def _refusing(where: str) -> Iterator[None]:
    """Turn what the library raises of a file into a `BundleError`; its panics are no `Exception`."""
    try:
        yield
    except (LabelError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        raise BundleError(
            "the tokenizer cannot be read",
            got=f"{where}: {error}",
            expected="a tokenizer.json of the tokenizers library",
            fix="export the bundle again",
        ) from error
