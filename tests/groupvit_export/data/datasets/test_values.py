"""What a value of a mask means."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from groupvit_export.data.dataset import IGNORE, ILLEGAL
from groupvit_export.data.datasets.values import value_table


class TestValueTable:
    @given(st.dictionaries(st.integers(0, 65535), st.integers(0, ILLEGAL - 1), max_size=40), st.data())
    def test_every_value_is_a_class_ignored_or_illegal(self, classes: dict[int, int], data: Any) -> None:
        ignored = data.draw(st.sets(st.integers(0, 65535), max_size=5)) - classes.keys()
        table = value_table(classes, ignored)
        assert table.shape == (65536,)
        assert table.dtype == np.uint16
        for value, found in enumerate(table.tolist()):
            assert found == (IGNORE if value in ignored else classes.get(value, ILLEGAL))
