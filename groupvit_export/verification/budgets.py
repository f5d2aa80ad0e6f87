"""How far an engine may be from the reference: reviewed factors, fixed before any engine is looked at.

A budget is ``max(floor, factor * noise)``. The noise is what eager PyTorch in the engine's own dtype is off
from float64, on the same inputs and the same model; the candidate's own error never enters, for it would
excuse every flip. The factors and limits are data, in ``budgets.json`` beside this module;
``python -m benchmarks.parity`` measures what they are held against.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from groupvit_export.errors import UsageError
from groupvit_export.verification.criterion import LabelCriterion
from groupvit_runtime.serialize import from_json


@dataclass(frozen=True)
class Budgets:
    """The reviewed numbers of one precision.

    Attributes:
        factor: a sound engine sums in another order, which costs a small factor of the noise; a wrong
            formula costs orders of magnitude.
        floor: on tiny models eager PyTorch can be right to the last bit by luck.
        at_risk_limit: share of tokens, or of pixels, whose two best lie within twice the budget, above
            which agreement on the others proves too little: AMBIGUOUS; None where label maps decide.
        logit_noise_limit, output_noise_limit: noise above which the model itself amplifies rounding so
            much that nothing can be judged: AMBIGUOUS.
        reviewed: what the numbers were held against.
        labels: what label maps decide; None where the margins do.
    """

    precision: str
    factor: float
    floor: float
    at_risk_limit: float | None
    logit_noise_limit: float
    output_noise_limit: float
    reviewed: str
    labels: LabelCriterion | None

    def budget(self, noise: float) -> float:
        """The largest error that is allowed where eager PyTorch has `noise`."""
        return max(self.floor, self.factor * noise)


@cache
def load_budgets(precision: str) -> Budgets:
    """The reviewed numbers for engines of `precision`.

    Raises:
        UsageError: there are none.
    """
    table: dict[str, dict[str, object]] = json.loads(
        files("groupvit_export.verification").joinpath("budgets.json").read_text(encoding="utf-8")
    )
    if precision not in table:
        raise UsageError(
            "there are no reviewed budgets for this precision", got=precision, expected=", ".join(table)
        )
    return from_json(Budgets, {"precision": precision, **table[precision]}, f"budgets.{precision}")
