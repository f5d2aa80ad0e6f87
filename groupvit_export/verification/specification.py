"""What is verified, and with which words: everything that the sections of a verification share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from groupvit_export.build.source import Source
from groupvit_export.metrics.decoding import Decoding
from groupvit_export.model.groupvit import GroupViTModel
from groupvit_export.verification.backends import Backend
from groupvit_export.verification.budgets import Budgets
from groupvit_export.verification.cases import Case
from groupvit_export.verification.decisions import StageView, logit_error, output_error
from groupvit_export.verification.reference import Arrays, Reference, assignments
from groupvit_runtime.contract import PaperDecode, Preprocessing
from groupvit_runtime.manifest import DecodeName, Preprocessings
from groupvit_runtime.vocabulary import average_templates

Noise = Mapping[tuple[str, str], float]
"""By kind of case and quantity ("logits_1", "masks"): how far eager PyTorch is from float64."""


@dataclass(frozen=True, eq=False)
class VerificationSpec:
    """The truth, as the checkpoint tells it; nothing here comes from a bundle.

    Attributes:
        model: the reference, float32, evaluation mode.
        image_size: (height, width) of the engine's images.
        contracts: preprocessing of both decodes.
        paper: constants of the `paper` decode; None where the engine is not square.
        normalizes: the decode as which the engine normalizes pixels inside; None where it does not.
    """

    model: GroupViTModel
    image_size: tuple[int, int]
    contracts: Preprocessings
    paper: PaperDecode | None
    normalizes: DecodeName | None = None

    @staticmethod
    def of(source: Source) -> VerificationSpec:
        """What engines that are built from this source are held against."""
        return VerificationSpec(
            source.model, source.image_size, source.contracts, source.decode.paper, source.normalizes
        )

    @property
    def whole(self) -> Preprocessing:
        """How images become cases: resized as for `hf`, normalized as the engine takes them."""
        hf = self.contracts.hf
        if self.normalizes is None:
            return hf
        own: Preprocessing = getattr(self.contracts, self.normalizes)
        return replace(hf, rescale=own.rescale, mean=own.mean, std=own.std, color_order=own.color_order)

    @property
    def stages(self) -> int:
        """How many grouping blocks there are."""
        return len(self.model.config.vision_config.grouping_stages)

    @property
    def logit_scale(self) -> float:
        """The learned parameter, of which the model takes the exponential."""
        return float(self.model.logit_scale.detach())

    def decoding(self, decode: DecodeName) -> Decoding:
        """By which label maps are made of outputs."""
        return Decoding.of(decode, self.image_size, self.contracts, self.paper, self.logit_scale)

    @property
    def stage_shapes(self) -> tuple[tuple[int, int, int], ...]:
        """(groups, tokens, channels) of the grouping attention of every stage."""
        config = self.model.config.vision_config
        patch = config.patch_size
        tokens = (self.image_size[0] // patch) * (self.image_size[1] // patch)
        shapes = []
        for stage in config.grouping_stages:
            shapes.append((config.num_output_groups[stage], tokens, config.hidden_size))
            tokens = config.num_output_groups[stage]
        return tuple(shapes)


@dataclass(frozen=True, eq=False)
class ClassPrompts:
    """The classes that label maps are compared with.

    Attributes:
        names: K class names.
        ids: int64 [K * T, L], every name in every template.
    """

    names: tuple[str, ...]
    ids: NDArray[np.int64]

    def of(self, backend: Backend) -> NDArray[np.float32]:
        """The backend's class embeddings, float32 [K, P], as the runtime makes them."""
        embeds = np.asarray(backend.text(self.ids), np.float32)
        return average_templates(embeds, len(self.names))

    def true(self, reference: Reference) -> NDArray[np.float64]:
        """The reference's class embeddings, float64 [K, P]."""
        embeds = reference.text(self.ids)
        mean = embeds.reshape(len(self.names), -1, embeds.shape[-1]).mean(axis=1)
        result: NDArray[np.float64] = mean / np.linalg.norm(mean, axis=-1, keepdims=True)
        return result


@dataclass(frozen=True, eq=False)
class ReferenceContext:
    """The reference, and what eager PyTorch in the precision under test is off from it.

    Attributes:
        subject: what is verified.
        reference: in float64.
        budgets: the reviewed numbers of the precision.
        noise: of eager PyTorch, by kind and quantity.
    """

    subject: VerificationSpec
    reference: Reference
    budgets: Budgets
    noise: Noise

    def budget(self, kind: str, quantity: str) -> float:
        """The largest error of a quantity that is allowed on cases of a kind."""
        return self.budgets.budget(self.noise[kind, quantity])

    def too_noisy(self, quantity: str) -> bool:
        """Whether the model amplifies rounding so much that the quantity cannot be judged."""
        limit = (
            self.budgets.logit_noise_limit
            if quantity.startswith("logits")
            else self.budgets.output_noise_limit
        )
        return any(noise > limit for (_, name), noise in self.noise.items() if name == quantity)


def measure_noise(
    eager: Backend, reference: Reference, image: list[Case], text: list[Case]
) -> dict[tuple[str, str], float]:
    """How far eager PyTorch is from float64, replayed with its own assignments.

    Args:
        eager: the reference model in the precision under test.
        reference: in float64.
        image, text: the cases that engines will be run on.
    """
    noise: dict[tuple[str, str], float] = {}

    def note(kind: str, quantity: str, error: float) -> None:
        noise[kind, quantity] = max(noise.get((kind, quantity), 0.0), error)

    for case in image:
        outputs = eager.image(case.value)
        truth = reference.replay(case.value, assignments(outputs))
        for stage in range(1, reference.stages + 1):
            error, _ = logit_error(StageView.of(outputs, stage), StageView.of(truth, stage))
            note(case.kind, f"logits_{stage}", error)
        for name in continuous(truth):
            note(case.kind, name, output_error(outputs[name], truth[name])[0])
    for case in text:
        note(case.kind, "text_embeds", output_error(eager.text(case.value), reference.text(case.value))[0])
    return noise


def continuous(outputs: Arrays) -> list[str]:
    """Names of the outputs that are no decisions."""
    return [name for name in outputs if not name.startswith("assignment_")]
