"""Vocabularies that callers gave names to."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from groupvit_runtime.segmenter import Segmenter
from groupvit_runtime.serving.refusal import Refusal
from groupvit_runtime.vocabulary import Vocabulary

NAME_PATTERN: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"


class VocabularyStore:
    """The bundle's vocabularies, and up to so many others, in memory. Many threads may ask at once."""

    def __init__(self, segmenter: Segmenter, most: int) -> None:
        self._segmenter, self._most = segmenter, most
        self._bundled = frozenset(info.name for info in segmenter.manifest.vocabularies)
        self._given: dict[str, Vocabulary] = {}
        self._lock = threading.Lock()

    def put(
        self, name: str, labels: Sequence[str], templates: Sequence[str] | None
    ) -> tuple[Vocabulary, bool]:
        """Encode and keep; the second value is whether the name is new.

        Raises:
            Refusal: the name is the bundle's, or there are too many.
            LabelError: the labels or templates cannot be used.
        """
        self._check_room(name)
        made = self._segmenter.vocabulary(labels, templates=templates)
        with self._lock:
            self._check_room(name)
            new = name not in self._given
            self._given[name] = made
        return made, new

    def get(self, name: str) -> Vocabulary:
        """By its name.

        Raises:
            Refusal: there is none.
        """
        if (found := self._given.get(name)) is not None:
            return found
        if name not in self._bundled:
            raise Refusal(
                HTTPStatus.NOT_FOUND,
                "there is no vocabulary of this name",
                got=name[:100],
                expected=f"one of {', '.join(self.names()) or 'none yet'}",
                fix="POST /vocabularies makes one",
            )
        return self._segmenter.vocabulary(name)

    def remove(self, name: str) -> None:
        """Forget one that was given.

        Raises:
            Refusal: there is none.
        """
        with self._lock:
            if self._given.pop(name, None) is None:
                raise Refusal(
                    HTTPStatus.NOT_FOUND,
                    "no vocabulary of this name was posted",
                    got=name[:100],
                )

    def names(self) -> list[str]:
        """Of all."""
        return sorted({*self._given, *self._bundled})

    def _check_room(self, name: str) -> None:
        if name in self._bundled:
            raise Refusal(
                HTTPStatus.CONFLICT,
                "the bundle has a vocabulary of this name",
                got=name,
                fix="take another name",
            )
        if name not in self._given and len(self._given) >= self._most:
            raise Refusal(
                HTTPStatus.CONFLICT,
                "as many vocabularies are kept as may be",
                got=f"{len(self._given)} of them",
                expected=f"at most {self._most}",
                fix="DELETE /vocabularies/NAME of one, or restart with a higher --vocabularies",
            )
