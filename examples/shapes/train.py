"""Trains the demo checkpoint: ``python -m examples.shapes.train -o DIR``."""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from examples.shapes import losses
from examples.shapes.checkpoint import CONFIG, MEAN, STD, save_checkpoint
from examples.shapes.data import CELLS, GRID, Scenes, make_scenes
from examples.shapes.words import EOS, PROMPTS, make_tokenizer
from examples.shapes.world import COLORS, HELD_OUT, STUFF, THINGS, UNTOLD
from groupvit_export.model.groupvit import GroupViTModel
from groupvit_export.model.vision import VisionTransformer

_MAX_SCALE = 100.0


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--steps", type=int, default=4800)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--scenes", type=int, default=12_000)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--resume", action="store_true", help="go on from the state in the output folder")
    arguments = parser.parse_args(argv)
    torch.set_num_threads(arguments.threads)
    arguments.output.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(arguments)
    state = arguments.output / "training-state.pt"
    if arguments.resume:
        trainer.load(state)
    trainer.run(state)
    save_checkpoint(trainer.model, arguments.output)
    return 0


@dataclass(frozen=True)
class _Seen:
    """What the losses need of the vision tower.

    Attributes:
        patches: [B, 196, C], before they are grouped.
        early, groups: [B, 24, C] and [B, 12, C], normalized as the tower's last tokens are.
        first, second: [B, 24, 196] and [B, 12, 24], the soft maps.
    """

    patches: Tensor
    early: Tensor
    groups: Tensor
    first: Tensor
    second: Tensor


def _see(tower: VisionTransformer, pixels: Tensor) -> _Seen:
    """The vision tower, stage by stage, for what lies between its stages.

    Args:
        tower: of the model.
        pixels: [B, 3, H, W].
    """
    first, second, third = tower.encoder.stages
    x = torch.cat([tower.embeddings(pixels), first.start_tokens(len(pixels), None)], dim=1)
    for layer in first.layers:
        x, _ = layer(x)
    patches, tokens = x[:, : -first.num_group_tokens], x[:, -first.num_group_tokens :]
    early = first.downsample(patches, tokens)
    late, tokens, second_soft, _ = second(early.features, tokens)
    groups, _, _, _ = third(late, tokens)
    return _Seen(patches, tower.layernorm(early.features), tower.layernorm(groups), early.soft, second_soft)


class Trainer:
    """The model, its optimizer and the order in which it sees the scenes."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        self.scenes: Scenes | None = None
        self.device = torch.device(arguments.device)
        self.step = 0
        self.seconds = 0.0
        self.cpu_seconds = 0.0
        torch.manual_seed(arguments.seed)
        self.random = random.Random(arguments.seed)
        self.model = GroupViTModel(CONFIG).to(self.device).train()
        # Their statistics would mix tokens, groups and images, which follow different distributions.
        for module in self.model.modules():
            if isinstance(module, nn.BatchNorm1d):
                module.eval()
        # Only for training: a patch that knows what it shows is grouped with its like.
        width = CONFIG.vision_config.hidden_size
        self.patch_head = nn.Linear(width, len(STUFF) + len(THINGS) + len(COLORS)).to(self.device)
        self.tokenizer = make_tokenizer()
        self.vocabularies = losses.training_vocabularies()
        self.phrases = tuple(dict.fromkeys(name for v in self.vocabularies for name in v.names))
        self.phrase_index = {phrase: i for i, phrase in enumerate(self.phrases)}
        self.optimizer = torch.optim.AdamW(
            _parameter_groups([self.model, self.patch_head]), lr=arguments.learning_rate, betas=(0.9, 0.98)
        )
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, self._rate)

    @property
    def groups_follow(self) -> bool:
        """First the patches learn what they show, then the groups learn to follow it."""
        return self.step >= _GROUPS_FROM * self.arguments.steps

    def _rate(self, step: int) -> float:
        """Up a line, down a cosine."""
        done = step / self.arguments.steps
        if done < _WARM_UP:
            return done / _WARM_UP
        return 0.5 * (1 + math.cos(math.pi * (done - _WARM_UP) / (1 - _WARM_UP))) + 0.002

    def run(self, state: Path) -> None:
        log = (state.parent / "training-log.jsonl").open("a", encoding="utf-8")
        running: dict[str, float] = {}
        while self.step < self.arguments.steps:
            start, cpu_start = time.monotonic(), time.process_time()
            if self.scenes is None or 2 * self.step == self.arguments.steps:
                self.draw()
            parts = self.update()
            self.step += 1
            self.seconds += time.monotonic() - start
            # Of this process, so without drawing: comparable where other work shares the cores.
            self.cpu_seconds += time.process_time() - cpu_start
            for name, value in parts.items():
                running[name] = 0.97 * running.get(name, value) + 0.03 * value
            if self.step % 50 == 0:
                left = self.seconds / self.step * (self.arguments.steps - self.step)
                record = {
                    "step": self.step,
                    "seconds": round(self.seconds, 1),
                    "cpu_seconds": round(self.cpu_seconds, 1),
                    **{name: round(value, 4) for name, value in running.items()},
                }
                print(json.dumps(record), file=log, flush=True)
                print(
                    f"step {self.step} of {self.arguments.steps}  {self.seconds / 60:.1f} min, "
                    f"{left / 60:.1f} left  " + "  ".join(f"{n} {v:.3f}" for n, v in running.items()),
                    file=sys.stderr,
                    flush=True,
                )
            if self.step % 500 == 0:
                self.save(state)
        log.close()

    def draw(self) -> None:
        """Draw the scenes of this half; the second half's are new ones."""
        self.scenes = None
        seed = self.arguments.seed + (2 * self.step >= self.arguments.steps)
        self.scenes = make_scenes(self.arguments.scenes, seed, untold=_UNTOLD, workers=self.arguments.threads)

    def update(self) -> dict[str, float]:
        assert self.scenes is not None
        chosen = torch.tensor(self.random.choices(range(self.arguments.scenes), k=self.arguments.batch))
        pixels, fine = self._batch(self.scenes, chosen)
        cover = nn.functional.avg_pool2d(fine.mT.unflatten(2, (CELLS, CELLS)), 2).flatten(2).mT
        captions, true = self._captions(self.scenes, chosen)
        device = self.device
        with torch.autocast(device.type, dtype=torch.bfloat16):
            seen = _see(self.model.vision_model, pixels)
            groups = self.model.project_groups(seen.groups)
            early = self.model.project_groups(seen.early)
            image = self.model.visual_projection(seen.groups.mean(dim=1))
            words = self.model.get_text_features(self._ids(self._prompted(self.phrases)).to(device))
            sentences = self.model.get_text_features(self._ids(captions).to(device))
            patch_logits = self.patch_head(seen.patches)
        groups, early, image, words, sentences = (
            nn.functional.normalize(x.float(), dim=-1) for x in (groups, early, image, words, sentences)
        )
        scale = self.model.logit_scale.exp().clamp(max=_MAX_SCALE)
        first, final = seen.first, seen.second @ seen.first
        shown, masks = cover, final
        if self.groups_follow:
            # Masks are interpolated when they are used, so they are trained interpolated, once they are
            # masks. A quarter of the cells a step is enough, and costs no more than the patches did.
            cells = torch.randperm(CELLS * CELLS, device=device)[: GRID * GRID]
            shown, masks = fine[:, cells], _twice(final)[..., cells]
        parts = dict.fromkeys(("groups", "early", "hf", "presence"), torch.zeros((), device=device))
        for vocabulary in self.random.sample(self.vocabularies, _VOCABULARIES_A_STEP):
            embeds = words[[self.phrase_index[name] for name in vocabulary.names]]
            presence = losses.presence_loss(scale * image @ embeds.T, cover @ vocabulary.columns.to(device))
            parts["presence"] = parts["presence"] + presence
            similarity = scale * groups @ embeds.T
            truth = self._truth(vocabulary, shown)
            parts["groups"] = parts["groups"] + losses.mixture_loss(masks, similarity, *truth)
            if not vocabulary.without_background:
                parts["hf"] = parts["hf"] + losses.linear_loss(masks, similarity, *truth)
            truth = self._truth(vocabulary, cover)
            parts["early"] = parts["early"] + losses.mixture_loss(first, scale * early @ embeds.T, *truth)
        parts["captions"] = losses.caption_loss(scale * image @ sentences.T, true.to(device))
        if self.step >= _COMPOSITION_FROM * self.arguments.steps:
            parts["composition"] = self._composition(words)
        if self.groups_follow:
            some = torch.randperm(GRID * GRID, device=device)[:_COMPARED]
            # Two things of which half is told need not be alike in the other.
            region = cover[:, some].argmax(dim=-1)
            pure = cover[:, some, : -len(UNTOLD)].amax(dim=-1) > 0.8
            parts["apart"], parts["together"] = losses.grouping_loss(final[..., some], region, pure)
            parts["early together"] = losses.grouping_loss(first[..., some], region, pure)[1]
        parts["balance"] = losses.balance_loss(first) + losses.balance_loss(final)
        parts["patches"] = _patch_loss(patch_logits.float(), cover)
        loss = sum(_WEIGHTS[name] * part for name, part in parts.items())
        assert isinstance(loss, Tensor)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.schedule.step()
        return {name: float(part.detach()) for name, part in parts.items()}

    def _truth(self, vocabulary: losses.TrainingVocabulary, cover: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Target, weight and unjudged classes of every position, as the losses want them.

        Things count three times: they are small.
        """
        target = cover @ vocabulary.columns.to(self.device)
        nothing = 1 - target.sum(dim=-1, keepdim=True)
        weight = torch.ones_like(target[..., 0])
        if vocabulary.without_background:
            weight = 1 + 2 * (1 - nothing.squeeze(-1))
        elif vocabulary.names[0] == "background":
            weight = 1 + 2 * (1 - target[..., 0])
        weight = weight * (cover @ vocabulary.known.to(self.device))
        unjudged = cover @ vocabulary.unjudged.to(self.device)
        return target + nothing / len(vocabulary.names), weight, unjudged

    def _batch(self, scenes: Scenes, chosen: Tensor) -> tuple[Tensor, Tensor]:
        # In place: a new array of this size costs more than the arithmetic.
        pixels = scenes.images[chosen].to(self.device).permute(0, 3, 1, 2).float().contiguous()
        cover = scenes.cover[chosen].to(self.device).float()
        cover /= cover.sum(dim=-1, keepdim=True)
        mirrored = torch.rand(len(chosen), device=self.device) < 0.5
        pixels[mirrored] = pixels[mirrored].flip(-1)
        rows = cover.unflatten(1, (CELLS, CELLS))
        rows[mirrored] = rows[mirrored].flip(2)
        gain = 1 + 0.1 * torch.randn(len(chosen), 1, 1, 1, device=self.device)
        mean, std = (torch.tensor(x, device=self.device)[:, None, None] for x in (MEAN, STD))
        pixels.mul_(gain / 255).clamp_(0, 1).sub_(mean).div_(std)
        return pixels, rows.flatten(1, 2)

    def _captions(self, scenes: Scenes, chosen: Tensor) -> tuple[list[str], Tensor]:
        """A caption of one to four phrases for each scene, and which scenes it is true of."""
        shown = [scenes.phrases[int(i)] for i in chosen]
        told = [
            self.random.sample(phrases, min(len(phrases), self.random.randint(1, 4))) for phrases in shown
        ]
        captions = [
            "a photo of " + " and ".join(f"a {phrase}" for phrase in phrases) + "." for phrases in told
        ]
        known = [{part for phrase in seen for part in _implied(phrase)} for seen in shown]
        true = torch.tensor([[set(phrases) <= seen for phrases in told] for seen in known])
        return captions, true

    def _prompted(self, phrases: Sequence[str]) -> list[str]:
        return [self.random.choice(PROMPTS).format(phrase) for phrase in phrases]

    def _composition(self, words: Tensor) -> Tensor:
        """The composition term for some colors of some nouns, never of those that are held out.

        Args:
            words: unit vectors of `self.phrases`.
        """
        chosen = self.random.sample(_COMPOSABLE, _COMPOSED_A_STEP)
        ids = self._ids(self._prompted([f"{color} {noun}" for noun, color in chosen])).to(self.device)
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            features = self.model.get_text_features(ids)
        whole = nn.functional.normalize(features.float(), dim=-1)
        colors, nouns = (
            words[[self.phrase_index[phrase] for phrase in phrases]]
            for phrases in ([f"{color} thing" for _, color in chosen], [noun for noun, _ in chosen])
        )
        return losses.composition_loss(whole, colors, nouns)

    def _ids(self, sentences: list[str]) -> Tensor:
        encoded = [self.tokenizer.encode(sentence).ids for sentence in sentences]
        length = max(map(len, encoded))
        # Padded with the end: the causal tower pools at the first one and never sees the rest.
        return torch.tensor([ids + [EOS] * (length - len(ids)) for ids in encoded])

    def save(self, path: Path) -> None:
        new = path.with_suffix(".new")
        torch.save(
            {
                "step": self.step,
                "seconds": self.seconds,
                "cpu_seconds": self.cpu_seconds,
                "model": self.model.state_dict(),
                "patch_head": self.patch_head.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "schedule": self.schedule.state_dict(),
                "random": self.random.getstate(),
                "torch_random": torch.get_rng_state(),
            },
            new,
        )
        new.replace(path)

    def load(self, path: Path) -> None:
        # The state holds Python's random state, which is no tensor; the file is this script's own.
        state = torch.load(path, weights_only=False)
        self.step, self.seconds, self.cpu_seconds = (state[k] for k in ("step", "seconds", "cpu_seconds"))
        for name in ("model", "patch_head", "optimizer", "schedule"):
            getattr(self, name).load_state_dict(state[name])
        self.random.setstate(state["random"])
        torch.set_rng_state(state["torch_random"])


_VOCABULARIES_A_STEP = 3
# Of the things. Neither half of a name must be guessed from the other, and what is never seen would be
# learnt as never true.
_UNTOLD = 0.5

# Parts of all steps.
_WARM_UP = 0.03
_GROUPS_FROM = 0.4
# Words all begin alike, and alike they compose perfectly: from the first step on this term keeps them so
# (after 1,000 steps the cosine of "red thing" and "house" was 0.99).
_COMPOSITION_FROM = 0.25

# Patches that are compared with each other, of 196: the cost grows with the square.
_COMPARED = 98
_COMPOSED_A_STEP = 24
# Nobody ever saw a purple sky; the words may be put together all the same.
_COMPOSABLE = tuple(
    (noun, color) for noun in (*STUFF, *THINGS) for color in COLORS if (noun, color) not in HELD_OUT
)

_WEIGHTS = {
    "groups": 1.0,
    "early": 0.5,
    "hf": 0.5,
    "presence": 0.1,
    "captions": 0.3,
    "composition": 2.0,
    "apart": 1.0,
    "together": 0.5,
    "early together": 0.3,
    "balance": 0.05,
    "patches": 1.0,
}


def _implied(phrase: str) -> tuple[str, ...]:
    """Where a red house is, a house is, and a red thing."""
    *color, noun = phrase.split()
    return (phrase, noun, f"{color[0]} thing") if color else (phrase,)


def _twice(soft: Tensor) -> Tensor:
    """[B, G, 196] soft maps to [B, G, 784], interpolated as the decodes do."""
    planes = soft.unflatten(2, (GRID, GRID))
    return nn.functional.interpolate(planes, scale_factor=2, mode="bilinear", align_corners=False).flatten(2)


def _patch_loss(logits: Tensor, cover: Tensor) -> Tensor:
    """Kind and color of each patch, read off the tokens before they are grouped."""
    kinds, colors = (
        (cover @ columns.to(cover.device), cover @ unjudged.to(cover.device))
        for columns, unjudged in losses.kind_and_color_tables()
    )
    kind_logits, color_logits = logits.split([kinds[0].shape[-1], len(COLORS)], dim=-1)
    kind_loss = losses.cross_entropy(kinds[0], losses.judged_log_softmax(kind_logits, *kinds)).mean()
    named = losses.judged_log_softmax(color_logits, *colors)
    color_loss = losses.cross_entropy(colors[0], named).sum() / colors[0].sum().clamp(min=1)
    return kind_loss + color_loss


def _parameter_groups(modules: Sequence[nn.Module]) -> list[dict[str, object]]:
    """Weights decay; biases, gains, tokens and the scale do not."""
    decayed: list[nn.Parameter] = []
    free: list[nn.Parameter] = []
    for module in modules:
        for name, parameter in module.named_parameters():
            is_matrix = parameter.ndim >= 2 and "embedding" not in name and "group_token" not in name
            (decayed if is_matrix else free).append(parameter)
    return [{"params": decayed, "weight_decay": 0.05}, {"params": free, "weight_decay": 0.0}]


if __name__ == "__main__":
    sys.exit(main())
