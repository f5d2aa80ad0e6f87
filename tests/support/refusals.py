"""Errors that are raised on purpose."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest

from groupvit_runtime.errors import GroupViTError

Refusal = TypeVar("Refusal", bound=GroupViTError)


def refused(kind: type[Refusal], call: Callable[[], object], *says: object, complete: bool = True) -> Refusal:
    """The error of `call`: of this very kind, with every part of `says` in it.

    Args:
        complete: it names what was there, what was expected and how to mend it.
    """
    with pytest.raises(kind) as caught:
        call()
    error = caught.value
    assert type(error) is kind
    assert not complete or (error.got and error.expected and error.fix), str(error)
    for part in says:
        assert str(part) in str(error)
    return error
