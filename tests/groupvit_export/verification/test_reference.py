"""The reference in float64: replayed, it is the model with other assignments, and runs what they change."""

from __future__ import annotations

import numpy as np
import torch

from groupvit_export import load_model
from groupvit_export.data.bundled import DEMO_CHECKPOINT
from groupvit_export.verification.reference import Reference, assignments, image_outputs


def test_a_replay_is_the_model_with_these_assignments() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.standard_normal((2, 3, 112, 112), np.float32)
    reference = Reference(load_model(DEMO_CHECKPOINT))
    runs: list[int] = []
    first = reference._model.vision_model.encoder.first
    first.layers[0].register_forward_hook(lambda *_: runs.append(1))
    free = reference.free(pixels)
    moved = [(index + 1) % index.max(initial=1) for index in assignments(free)]
    found = reference.replay(pixels, moved)
    assert len(runs) == len(pixels), "the first stage's layers run once an image"
    with torch.no_grad():
        for index in range(len(pixels)):
            one = torch.from_numpy(pixels[index : index + 1]).double()
            forced = [torch.from_numpy(item[index : index + 1]) for item in moved]
            for name, value in image_outputs(reference._model, one, forced).items():
                np.testing.assert_array_equal(found[name][index : index + 1], value, err_msg=name)
    assert all(np.array_equal(a, b) for a, b in zip(assignments(found), moved, strict=True))
