"""The check after every export: the engine against the reference, never only on the traced input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from groupvit_export.model.groupvit import GroupViTModel
from groupvit_export.verify.reference import (
    Arrays,
    Reference,
    image_outputs,
    logit_error,
    margins,
    stage_view,
)
from groupvit_runtime.contract import IMAGE_INPUT, TEXT_INPUT, TEXT_OUTPUT
from groupvit_runtime.engines import Engine
from groupvit_runtime.manifest import OutputParity, ParitySummary, StageParity

BUDGET_FACTOR: Final = 16.0
"""Budget of a float32 engine in units of eager float32 PyTorch's own error against float64.

Another order of summation costs a small factor; a wrong formula costs orders of magnitude."""

_FLOOR: Final = 1e-6
"""Budgets do not go below this: on tiny models eager PyTorch can be right to the last bit by luck."""


@dataclass(frozen=True)
class Case:
    """One run of the engine: what it is called in the summary, and its input."""

    name: str
    value: NDArray[Any]


def compare_image_engine(model: GroupViTModel, engine: Engine, cases: Sequence[Case]) -> ParitySummary:
    """Run the image engine on every case and compare outputs and decisions.

    Args:
        model: the reference, float32, evaluation mode.
        engine: what was exported.
        cases: `value` is pixel_values float32 [B, 3, H, W].
    """
    reference = Reference(model)

    def eager(case: Case) -> Arrays:
        with torch.no_grad():
            return image_outputs(model, torch.from_numpy(case.value))

    def replay(case: Case, outputs: Arrays) -> Arrays:
        return reference.image(case.value, _assignments(outputs))

    stages = len(model.config.vision_config.grouping_stages)
    noise = _compare(cases, eager, replay, stages)
    found = _compare(cases, lambda case: engine.run({IMAGE_INPUT: case.value}), replay, stages)
    return _summary(cases, found, noise)


def compare_text_engine(model: GroupViTModel, engine: Engine, cases: Sequence[Case]) -> ParitySummary:
    """Run the text engine on every case; `value` is input_ids int64 [B, L]."""
    reference = Reference(model)

    def eager(case: Case) -> Arrays:
        with torch.no_grad():
            return {TEXT_OUTPUT: model.get_text_features(torch.from_numpy(case.value)).numpy()}

    def replay(case: Case, outputs: Arrays) -> Arrays:
        return reference.text(case.value)

    noise = _compare(cases, eager, replay, 0)
    found = _compare(cases, lambda case: engine.run({TEXT_INPUT: case.value}), replay, 0)
    return _summary(cases, found, noise)


@dataclass
class _Found:
    """Worst figures over the cases."""

    errors: dict[str, float]
    logit_errors: list[float]
    tokens: list[int]
    flip_margins: list[list[float]]


def _compare(
    cases: Sequence[Case],
    run: Callable[[Case], Arrays],
    replay: Callable[[Case, Arrays], Arrays],
    stages: int,
) -> _Found:
    found = _Found({}, [0.0] * stages, [0] * stages, [[] for _ in range(stages)])
    for case in cases:
        outputs = run(case)
        truth = replay(case, outputs)
        for name, expected in truth.items():
            if name.startswith("assignment_"):
                continue
            difference = np.abs(np.asarray(outputs[name], dtype=np.float64) - expected)
            # NaN compares as smaller than every tolerance; infinity does not.
            error = float(difference.max()) if np.isfinite(difference).all() else float("inf")
            found.errors[name] = max(found.errors.get(name, 0.0), error)
        for stage in range(1, stages + 1):
            candidate, reference = stage_view(outputs, stage), stage_view(truth, stage)
            decided = reference.log_soft.argmax(axis=1)
            flipped = candidate.index != decided
            found.logit_errors[stage - 1] = max(
                found.logit_errors[stage - 1], logit_error(candidate, reference)
            )
            found.tokens[stage - 1] += flipped.size
            found.flip_margins[stage - 1] += margins(reference)[flipped].tolist()
    return found


def _summary(cases: Sequence[Case], found: _Found, noise: _Found) -> ParitySummary:
    outputs = tuple(
        OutputParity(name=name, max_error=error, tolerance=_budget(noise.errors[name]))
        for name, error in found.errors.items()
    )
    stages = []
    for stage, (error, tokens, flips) in enumerate(
        zip(found.logit_errors, found.tokens, found.flip_margins, strict=True), 1
    ):
        budget = _budget(noise.logit_errors[stage - 1])
        stages.append(
            StageParity(
                stage=stage,
                tokens=tokens,
                flips=len(flips),
                flips_beyond_margin=sum(margin > 2 * budget for margin in flips),
                logit_error=error,
                logit_budget=budget,
            )
        )
    passed = all(output.max_error <= output.tolerance for output in outputs) and all(
        stage.flips_beyond_margin == 0 and stage.logit_error <= stage.logit_budget for stage in stages
    )
    return ParitySummary(
        verdict="PASS" if passed else "FAIL",
        cases=tuple(case.name for case in cases),
        outputs=outputs,
        stages=tuple(stages),
    )


def _budget(noise: float) -> float:
    return max(_FLOOR, BUDGET_FACTOR * noise)


def _assignments(outputs: Arrays) -> list[NDArray[np.int64]]:
    names = sorted(name for name in outputs if name.startswith("assignment_"))
    return [np.asarray(outputs[name], dtype=np.int64) for name in names]
