"""Words to text embeddings: tokenizer, text engine, average over the templates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from groupvit_runtime.contract import TEXT_INPUT, TEXT_OUTPUT
from groupvit_runtime.engines import EngineOptions, load_engine
from groupvit_runtime.errors import BundleError, EngineError, LabelError
from groupvit_runtime.open_bundle import OpenBundle
from groupvit_runtime.prompts import shorten
from groupvit_runtime.tokenizer import Tokenizer
from groupvit_runtime.vocabulary import Vocabulary, average_templates

_BATCH = 64


class TextEncoder:
    """The text side of a bundle, loaded whole. `encode` may be called by several threads at once."""

    def __init__(self, bundle: OpenBundle, options: EngineOptions) -> None:
        manifest = bundle.manifest
        if manifest.tokenizer is None:
            raise BundleError(
                "the bundle has no tokenizer, so it knows the words of its vocabularies only",
                got=[vocabulary.name for vocabulary in manifest.vocabularies],
                expected="one of these names instead of labels",
                fix="export the bundle with --tokenizer PATH",
            )
        self._fingerprint = manifest.fingerprint
        self._width = manifest.model.projection_dim
        self._tokenizer = Tokenizer(
            manifest.tokenizer.read(bundle.root),
            max_length=manifest.model.text_max_length,
            pad_id=manifest.model.text_pad_id,
            nvlabs_cleaning=manifest.cleans_as_nvlabs,
        )
        engine = manifest.engine("text")
        self._batch = min(_BATCH, engine.max_batch or _BATCH)
        self._engine = load_engine(engine, bundle.root, options)

    def encode(self, names: tuple[str, ...], templates: tuple[str, ...]) -> Vocabulary:
        """Put every name into every template, encode, average and normalize.

        Raises:
            LabelError: a sentence is too long, has a word the tokenizer does not know or a token that is no
                word, or two names are the same to the tokenizer.
            EngineError: the text engine failed.
        """
        sentences = [template.format(name) for name in names for template in templates]
        for sentence in sentences:
            self._check_words(sentence)
        ids = self._tokenizer.encode(sentences)
        _check_distinct(names, ids.reshape(len(names), -1))
        parts = [self._embed(ids[start : start + self._batch]) for start in range(0, len(ids), self._batch)]
        embeddings = np.concatenate(parts)
        return Vocabulary(names, average_templates(embeddings, len(names)), templates, self._fingerprint)

    def _embed(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        found = self._engine.run({TEXT_INPUT: np.ascontiguousarray(ids)}).get(TEXT_OUTPUT)
        if found is None or found.dtype != np.float32 or found.shape != (len(ids), self._width):
            raise EngineError(
                f"{TEXT_OUTPUT} from the engine cannot be used",
                got="none" if found is None else f"{found.dtype} {list(found.shape)}",
                expected=f"float32 {[len(ids), self._width]}",
                fix="export the bundle again",
            )
        return found.astype(np.float32, copy=False)

    def _check_words(self, sentence: str) -> None:
        special = self._tokenizer.special_token_in(sentence)
        if special is not None:
            raise LabelError(
                "a label has a token that is no word: the model would not see what comes after it",
                got=f"{special} in {shorten(sentence)!r}",
                expected="words",
                fix="write the label without it",
            )


def _check_distinct(names: tuple[str, ...], ids: NDArray[np.int64]) -> None:
    seen: dict[bytes, str] = {}
    for name, row in zip(names, ids, strict=True):
        other = seen.setdefault(row.tobytes(), name)
        if other != name:
            raise LabelError(
                "two labels are the same to the tokenizer; a pixel could not say which of the two it is",
                got=f"{shorten(other)!r} and {shorten(name)!r}",
                expected="names that the model reads differently",
                fix="remove one of them",
            )
