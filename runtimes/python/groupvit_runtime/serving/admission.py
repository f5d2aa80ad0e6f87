"""How many requests are worked on or wait."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final

from groupvit_runtime.serving.refusal import Refusal

_OLD: Final = 0.9
"""Weight of what requests took so far, beside the last one."""
_LONGEST: Final = 60


class Admission:
    """Lets so many requests in at a time. Used by the event loop's thread only.

    Args:
        most: requests.
        observe: is told how many are in whenever that changes.
    """

    def __init__(self, most: int, observe: Callable[[int], None]) -> None:
        self._most, self._observe = most, observe
        self._inside = 0
        self._seconds = 0.0

    @contextmanager
    def enter(self) -> Iterator[None]:
        """Be let in until the block ends.

        Raises:
            Refusal: 429, and when to try again.
        """
        if self._inside >= self._most:
            wait = min(max(math.ceil(self._seconds), 1), _LONGEST)
            raise Refusal(
                HTTPStatus.TOO_MANY_REQUESTS,
                "too many requests are being worked on",
                got=f"{self._inside} of them",
                expected=f"fewer than {self._most}",
                fix=f"try again in {wait} s",
                headers={"Retry-After": str(wait)},
            )
        self._change(1)
        started = time.monotonic()
        try:
            yield
        finally:
            self._change(-1)
            self._seconds = _OLD * self._seconds + (1 - _OLD) * (time.monotonic() - started)

    def _change(self, by: int) -> None:
        self._inside += by
        self._observe(self._inside)
