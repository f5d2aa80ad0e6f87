"""Whatever is changed in a file of a bundle, its loader reads it or says what is wrong with it.

`make soak` does the same for as long as it is told to.
"""

from __future__ import annotations

import pytest
from hostile_files import FILES
from hypothesis import given, settings
from hypothesis import strategies as st

from groupvit_runtime.errors import BundleError
from groupvit_runtime.manifest import manifest_of


@pytest.mark.parametrize("kind", FILES)
def test_nothing_else_falls_out(kind: str) -> None:
    changes, read = FILES[kind]

    @settings(max_examples=100)
    @given(changes)
    def reads(data: bytes) -> None:
        read(data)

    reads()


def test_what_is_changed_is_not_always_refused() -> None:
    # Otherwise only the first check of each loader would be tested.
    accepted = 0

    @settings(max_examples=100, database=None)
    @given(FILES["manifest"][0], st.none())
    def counts(data: bytes, _: None) -> None:
        nonlocal accepted
        try:
            manifest_of(data, "here")
        except BundleError:
            return
        accepted += 1

    counts()
    assert accepted
