"""Vocabularies by name or by words: read from the bundle, or encoded when they are first asked for."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from groupvit_runtime.competition import ANYTHING
from groupvit_runtime.engines import EngineOptions
from groupvit_runtime.errors import LabelError
from groupvit_runtime.manifest import Manifest
from groupvit_runtime.open_bundle import OpenBundle
from groupvit_runtime.prompts import check_labels, resolve_templates
from groupvit_runtime.vocabulary import Vocabulary

if TYPE_CHECKING:
    from groupvit_runtime.text_encoder import TextEncoder

Labels = Iterable[str] | Vocabulary
_Key = str | tuple[tuple[str, ...], tuple[str, ...]]

_REMEMBERED: Final = 16


class Vocabularies:
    """Those of a bundle and those of words, the last few remembered. Many threads may ask at once.

    The text engine and the tokenizer are loaded when the first words come.
    """

    def __init__(self, bundle: OpenBundle, options: EngineOptions) -> None:
        self._bundle = bundle
        self._options = options
        self._text: TextEncoder | None = None
        self._known: OrderedDict[_Key, Vocabulary] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def _manifest(self) -> Manifest:
        return self._bundle.manifest

    def get(self, labels: Labels | str, templates: str | Sequence[str] | None) -> Vocabulary:
        """See `Segmenter.vocabulary`.

        Raises:
            LabelError: the labels or templates cannot be used, or the vocabulary is another model's.
            EngineError: the text engine failed.
        """
        if isinstance(labels, Vocabulary):
            self._bundle.check_fits(labels)
            return labels
        if isinstance(labels, str):
            return self._remembered(labels, partial(self._bundle.vocabulary, labels))
        names = check_labels(labels)
        resolved = self._manifest.prompts if templates is None else resolve_templates(templates)
        return self._remembered((names, resolved), partial(self._encode_vocabulary, names, resolved))

    def competing(
        self,
        labels: Labels | str,
        negatives: Labels | str | None,
        templates: str | Sequence[str] | None,
        *,
        alone: bool,
    ) -> tuple[Vocabulary, Vocabulary | None]:
        """Labels, and what competes with them for a pixel without being reported.

        Args:
            labels: as for `get`.
            negatives: likewise, or None.
            templates: of both.
            alone: whether one label may have nothing to compete with; else that is the empty prompt.

        Raises:
            LabelError: as `get`; or one label alone, and no tokenizer in the bundle for the empty prompt.
            EngineError: the text engine failed.
        """
        vocabulary = self.get(labels, templates)
        if negatives is not None:
            return vocabulary, self.get(negatives, templates)
        if alone or len(vocabulary) > 1:
            return vocabulary, None
        if self._manifest.tokenizer is None:
            raise LabelError(
                "one label alone has nothing to compete with: there is no tokenizer for the empty prompt",
                got=repr(vocabulary.names[0]),
                expected="negatives, or more labels",
                fix="negatives=, or export the bundle with --tokenizer PATH",
            )
        # By itself, without a template's words: an image of anything.
        key = ((ANYTHING,), ("{}",))
        return vocabulary, self._remembered(key, partial(self._encode_vocabulary, *key))

    def _remembered(self, key: _Key, make: Callable[[], Vocabulary]) -> Vocabulary:
        with self._lock:
            known = self._known.get(key)
            if known is not None:
                self._known.move_to_end(key)
                return known
        made = make()
        with self._lock:
            self._known[key] = made
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return made

    def _encode_vocabulary(self, names: tuple[str, ...], templates: tuple[str, ...]) -> Vocabulary:
        with self._lock:
            if self._text is None:
                # Imported here: a cached vocabulary needs neither the tokenizers library nor this engine.
                from groupvit_runtime.text_encoder import TextEncoder

                self._text = TextEncoder(self._bundle, self._options)
            text = self._text
        return text.encode(names, templates)
