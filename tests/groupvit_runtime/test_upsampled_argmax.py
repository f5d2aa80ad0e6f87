"""The upsampled argmax against PyTorch, and against its written definition bit by bit.

The PyTorch oracles round differently, so they are compared where the winner leads by more than rounding;
the literal oracles carry out the docstrings' arithmetic on every pixel and have to agree everywhere.
"""

from __future__ import annotations

import numpy as np
import pytest
from decoding_support import seeds, soft_maps
from hypothesis import given, settings
from hypothesis import strategies as st

from groupvit_runtime.resize import composed_matrix
from groupvit_runtime.upsampled_argmax import upsampled_argmax


class TestUpsampledArgmax:
    @staticmethod
    def literal(scores: np.ndarray, size: tuple[int, int], through: tuple[int, int]) -> np.ndarray:
        def along_last(values: np.ndarray, matrix: np.ndarray) -> np.ndarray:
            outputs = []
            for row in matrix:
                nodes = np.flatnonzero(row)
                value = values[..., nodes[0]].copy()
                for node in nodes[1:]:
                    value += row[node] * (values[..., node] - values[..., nodes[0]])
                outputs.append(value)
            return np.stack(outputs, axis=-1)

        columns = along_last(scores, composed_matrix(scores.shape[2], through[1], size[1]))
        rows = along_last(columns.swapaxes(1, 2), composed_matrix(scores.shape[1], through[0], size[0]))
        return rows.swapaxes(1, 2).argmax(axis=0)

    @settings(deadline=None, max_examples=150)
    @given(
        seeds,
        st.integers(1, 12),
        st.tuples(st.integers(1, 6), st.integers(1, 6)),
        st.tuples(st.integers(1, 40), st.integers(1, 40)),
        st.one_of(st.none(), st.tuples(st.integers(1, 60), st.integers(1, 60))),
        st.sampled_from(["smooth", "integers", "equal", "nearly equal"]),
    )
    def test_is_the_definition_to_the_bit(
        self,
        seed: int,
        channels: int,
        grid: tuple[int, int],
        size: tuple[int, int],
        through: tuple[int, int] | None,
        kind: str,
    ) -> None:
        rng = np.random.default_rng(seed)
        shape = (channels, *grid)
        scores = {
            "smooth": lambda: rng.standard_normal(shape),
            # Few values, so that ties abound.
            "integers": lambda: rng.integers(-1, 2, shape),
            "equal": lambda: np.broadcast_to(rng.standard_normal(grid), shape),
            "nearly equal": lambda: 0.1 + 1e-7 * rng.standard_normal(shape),
        }[kind]().astype(np.float32)
        result = upsampled_argmax(scores, size, through=through)
        assert result.dtype == np.uint16
        np.testing.assert_array_equal(result, self.literal(scores, size, through or size))

    @pytest.mark.parametrize("channels", [21, 171, 300])
    def test_realistic_sizes(self, channels: int) -> None:
        rng = np.random.default_rng(channels)
        scores = np.einsum(
            "kg,gyx->kyx", rng.standard_normal((channels, 8)), soft_maps(rng, 8, 14, 14)
        ).astype(np.float32)
        result = upsampled_argmax(scores, (240, 333), through=(224, 224))
        np.testing.assert_array_equal(result, self.literal(scores, (240, 333), (224, 224)))

    def test_large_vocabularies_in_blocks_of_columns(self) -> None:
        scores = np.random.default_rng(0).standard_normal((4000, 3, 5)).astype(np.float32)
        result = upsampled_argmax(scores, (20, 130), through=(48, 80))
        np.testing.assert_array_equal(result, self.literal(scores, (20, 130), (48, 80)))
        assert result.max() > 255

    def test_a_lead_that_rounding_undoes_is_a_tie(self) -> None:
        # The upper channel leads by one unit in the last place at every node; interpolated, often by none.
        low = np.random.default_rng(0).uniform(0.5, 1, (3, 4)).astype(np.float32)
        scores = np.stack([low, np.nextafter(low, np.float32(2))])
        result = upsampled_argmax(scores, (60, 80), through=(48, 64))
        assert set(np.unique(result)) == {0, 1}
        np.testing.assert_array_equal(result, self.literal(scores, (60, 80), (48, 64)))

    @pytest.mark.parametrize(
        ("near", "far", "other"),
        # From the second node towards the first; and from the first, where floats grow coarser at 0.5.
        [((0.5, 0.9), (5e-5, 0), (0.8, 0.1)), ((0.49999997, 0.8), (0, 5e-5), (0.1, 0.95))],
    )
    def test_a_tie_close_to_a_node(
        self, near: tuple[float, float], far: tuple[float, float], other: tuple[float, float]
    ) -> None:
        # Channel 0 ties with channel 1 by rounding next to a node, and is beaten clearly further away.
        winner = np.array(near, np.float32)
        loser = np.nextafter(winner, np.float32(0)) - np.array(far, np.float32)
        scores = np.stack([loser, winner, np.array(other, np.float32)])[:, :, None]
        result = upsampled_argmax(scores, (40_000, 1))
        assert set(np.unique(result)) == {0, 1, 2}
        np.testing.assert_array_equal(result, self.literal(scores, (40_000, 1), (40_000, 1)))

    def test_the_lowest_channel_wins_ties(self) -> None:
        scores = np.zeros((5, 2, 3), np.float32)
        scores[2:4] = 1
        assert (upsampled_argmax(scores, (7, 9)) == 2).all()
