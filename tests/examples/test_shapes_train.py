"""Training of the demo checkpoint: its losses against plain loops, and a few real steps."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from examples.shapes import losses
from examples.shapes.checkpoint import CONFIG, save_checkpoint
from examples.shapes.data import VALUES
from examples.shapes.train import Trainer
from examples.shapes.words import EOS, PROMPTS, make_tokenizer
from examples.shapes.world import (
    COLORS,
    HELD_OUT,
    STUFF,
    THINGS,
    UNTOLD,
    VOCABULARIES,
    kindless_value,
    nameless_value,
    thing_value,
)
from groupvit_export.checkpoint.load import build_model, load_checkpoint

B, G, N, K = 2, 3, 4, 5


@pytest.fixture
def mixture() -> tuple[torch.Tensor, ...]:
    torch.manual_seed(0)
    soft = torch.randn(B, G, N).softmax(dim=1)
    similarity = torch.randn(B, G, K)
    target = torch.rand(B, N, K).softmax(dim=-1)
    return soft, similarity, target, torch.rand(B, N) + 0.5, torch.zeros(B, N, K)


def test_the_mixture_loss_is_its_definition(mixture: tuple[torch.Tensor, ...]) -> None:
    soft, similarity, target, weight, _ = mixture
    total = 0.0
    for b in range(B):
        for n in range(N):
            for k in range(K):
                named = sum(float(soft[b, g, n]) * float(similarity[b, g].softmax(0)[k]) for g in range(G))
                total -= float(weight[b, n] * target[b, n, k]) * torch.tensor(named).log().item()
    assert float(losses.mixture_loss(*mixture)) == pytest.approx(total / float(weight.sum()), rel=1e-4)


def test_the_linear_loss_is_a_cross_entropy_of_mixed_logits(mixture: tuple[torch.Tensor, ...]) -> None:
    soft, similarity, target, weight, _ = mixture
    logits = torch.einsum("bgn,bgk->bnk", soft, similarity)
    each = F.cross_entropy(logits.flatten(0, 1), target.flatten(0, 1), reduction="none").view(B, N)
    expected = float((each * weight).sum() / weight.sum())
    assert float(losses.linear_loss(*mixture)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("loss", [losses.mixture_loss, losses.linear_loss])
def test_an_unjudged_class_is_as_good_as_absent(loss: Callable[..., torch.Tensor]) -> None:
    """One group, so that both losses are plain cross entropies."""
    similarity = torch.randn(B, 1, K, requires_grad=True)
    soft, weight = torch.ones(B, 1, N), torch.ones(B, N)
    target = F.one_hot(torch.randint(0, K - 1, (B, N)), K).float()
    unjudged = torch.zeros(B, N, K)
    unjudged[..., K - 1] = 1
    found = loss(soft, similarity, target, weight, unjudged)
    without = loss(soft, similarity[..., :-1], target[..., :-1], weight, unjudged[..., :-1])
    assert float(found.detach()) == pytest.approx(float(without.detach()), abs=1e-4)
    found.backward()
    assert similarity.grad is not None
    torch.testing.assert_close(similarity.grad[..., -1], torch.zeros(B, 1), atol=1e-4, rtol=0)


def test_a_class_that_shows_is_judged_all_the_same() -> None:
    target, unjudged = torch.tensor([0.4, 0.6, 0.0]), torch.tensor([0.6, 0.0, 0.6])
    named = losses.judged_log_softmax(torch.zeros(3), target, unjudged)
    assert named.tolist() == pytest.approx([-0.6931, -0.6931, -torch.inf], abs=1e-3)
    assert float(losses.cross_entropy(target, named)) == pytest.approx(0.6931, abs=1e-3)


def test_the_grouping_loss_is_its_definition() -> None:
    torch.manual_seed(3)
    n = 6
    soft = torch.randn(B, G, n).softmax(dim=1)
    region = torch.tensor([[0, 0, 1, 1, 1, 2], [4, 4, 4, 4, 0, 0]])
    pure = torch.tensor([[True] * 6, [True, True, False, True, True, True]])
    sums = {True: [0.0, 0.0], False: [0.0, 0.0]}
    for b in range(B):
        size = {int(r): int(((region[b] == r) & pure[b]).sum()) for r in region[b]}
        for i in range(n):
            for j in range(n):
                if not (pure[b, i] and pure[b, j]):
                    continue
                weight = 1 / (size[int(region[b, i])] * size[int(region[b, j])])
                joined = float(soft[b, :, i] @ soft[b, :, j])
                same = bool(region[b, i] == region[b, j])
                sums[same][0] -= weight * math.log((joined if same else 1 - joined) + 1e-6)
                sums[same][1] += weight
    apart, together = losses.grouping_loss(soft, region, pure)
    assert float(apart) == pytest.approx(sums[True][0] / sums[True][1], rel=1e-4)
    assert float(together) == pytest.approx(sums[False][0] / sums[False][1], rel=1e-4)


def test_a_caption_that_is_true_of_another_image_is_no_negative() -> None:
    similarity = torch.tensor([[2.0, 1.0, 0.5], [0.1, 3.0, 0.2], [0.3, 0.4, 1.0]])
    only_own = torch.eye(3, dtype=torch.bool)
    own = torch.arange(3)
    plain = (F.cross_entropy(similarity, own) + F.cross_entropy(similarity.T, own)) / 2
    assert torch.allclose(losses.caption_loss(similarity, only_own), plain)
    also = only_own.clone()
    also[0, 1] = True
    without = similarity.clone()
    without[0, 1] = -torch.inf
    expected = (F.cross_entropy(without, own) + F.cross_entropy(without.T, own)) / 2
    assert torch.allclose(losses.caption_loss(similarity, also), expected)


def test_a_image_of_nothing_costs_nothing() -> None:
    logits = torch.randn(1, K, requires_grad=True)
    loss = losses.presence_loss(logits, torch.zeros(1, N, K))
    loss.backward()
    assert float(loss.detach()) == 0 and logits.grad is not None and not logits.grad.any()


def test_balance_is_best_when_all_groups_are_used() -> None:
    even = losses.balance_loss(torch.full((B, G, N), 1 / G))
    one = losses.balance_loss(F.one_hot(torch.zeros(B, N, dtype=torch.long), G).float().mT)
    assert float(even) < float(one)


def test_a_sum_of_words_costs_nothing() -> None:
    color, noun = F.normalize(torch.randn(2, K, 8), dim=-1)
    assert float(losses.composition_loss(F.normalize(color + noun, dim=-1), color, noun)) < 1e-6
    opposite = F.normalize(color - noun, dim=-1)
    assert float(losses.composition_loss(opposite, color, noun)) == pytest.approx(1, abs=1e-5)


def test_training_never_hears_of_what_is_held_out() -> None:
    names = {f"{color} {thing}" for thing, color in HELD_OUT}
    held_out = [VALUES.index(thing_value(thing, color)) for thing, color in HELD_OUT]
    made = losses.training_vocabularies()
    assert len(made) == 2 * len(VOCABULARIES) - 1
    for vocabulary in made:
        assert not names & set(vocabulary.names)
        assert vocabulary.columns.shape == (len(VALUES), len(vocabulary.names))
        assert vocabulary.columns.sum(dim=1).max() == 1
    pairs = next(v for v in made if "red car" in v.names)
    assert not pairs.columns[held_out].any()


def test_what_is_held_out_is_no_negative_either() -> None:
    made = losses.training_vocabularies()
    things = next(v for v in made if v.names[:2] == ("background", "house"))
    colors = next(v for v in made if "red thing" in v.names)
    pairs = next(v for v in made if v.names[:2] == ("background", "red house"))

    def unjudged(vocabulary: losses.TrainingVocabulary, thing: str, color: str) -> list[str]:
        row = vocabulary.unjudged[VALUES.index(thing_value(thing, color))]
        return [name for name, cell in zip(vocabulary.names, row.tolist(), strict=True) if cell]

    assert unjudged(things, "tent", "purple") == ["house"]
    assert unjudged(things, "house", "red") == []
    assert unjudged(colors, "house", "red") == ["purple thing"]
    assert unjudged(colors, "tent", "purple") == ["blue thing"]
    # A purple tent must not teach that purple things are no houses, nor that tents are never blue.
    assert set(unjudged(pairs, "tent", "purple")) == {
        *(f"{color} house" for color in COLORS if color != "purple"),
        *(f"blue {thing}" for thing in THINGS if thing != "tent"),
    }
    for vocabulary in (things, colors, pairs):
        assert not vocabulary.unjudged[: len(STUFF)].any()


def test_of_half_told_things_the_other_half_is_not_asked() -> None:
    halves = {nameless_value(thing): thing for thing in THINGS}
    halves |= {kindless_value(color): f"{color} thing" for color in COLORS}
    assert tuple(halves) == UNTOLD
    for vocabulary in losses.training_vocabularies():
        for value, name in halves.items():
            row = VALUES.index(value)
            told = name in vocabulary.names
            assert float(vocabulary.known[row]) == told == float(vocabulary.columns[row].sum())
            if told:
                assert vocabulary.columns[row, vocabulary.names.index(name)] == 1
        assert vocabulary.known[: -len(UNTOLD)].all()


def test_the_tokenizer_knows_every_prompt_and_nothing_else() -> None:
    tokenizer = make_tokenizer()
    phrases = [name for vocabulary in VOCABULARIES.values() for name in vocabulary.classes]
    for phrase in phrases:
        for prompt in PROMPTS:
            encoded = tokenizer.encode(prompt.format(phrase))
            assert encoded.ids[-1] == EOS == max(encoded.ids) and "<unk>" not in encoded.tokens
    with pytest.raises(Exception, match="UNK"):
        tokenizer.encode("a photo of a zebra.")


def options(**changes: object) -> argparse.Namespace:
    given = {
        "steps": 4,
        "batch": 4,
        "scenes": 8,
        "learning_rate": 1e-3,
        "seed": 1,
        "threads": 1,
        "device": "cpu",
    }
    return argparse.Namespace(**{**given, **changes})


@pytest.mark.slow
def test_training_stopped_and_resumed_is_training(tmp_path: Path) -> None:
    state = tmp_path / "state.pt"
    straight = Trainer(options())
    straight.draw()
    first_half = straight.scenes
    parts = [straight.update() for _ in range(2)]
    # Of four, so that what follows is the second half, with all of its losses.
    straight.step = 2
    straight.save(state)
    straight.draw()
    assert first_half is not None and straight.scenes is not None
    assert not first_half.images.equal(straight.scenes.images)
    later = [straight.update() for _ in range(2)]
    assert all(torch.isfinite(torch.tensor(list(part.values()))).all() for part in parts + later)
    resumed = Trainer(options())
    resumed.load(state)
    resumed.draw()
    assert resumed.step == 2
    assert {"apart", "together"} <= set(later[0]) - set(parts[0])
    assert [resumed.update() for _ in range(2)] == later
    for ours, theirs in zip(straight.model.parameters(), resumed.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)

    save_checkpoint(straight.model, tmp_path / "checkpoint")
    loaded = load_checkpoint(tmp_path / "checkpoint")
    assert loaded.config.to_dict() == CONFIG.to_dict()
    for name, tensor in build_model(loaded).state_dict().items():
        expected = straight.model.state_dict()[name]
        assert torch.equal(tensor, expected.half().to(tensor.dtype)), name
