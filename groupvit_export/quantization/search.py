"""Layers are given back to float32, the most sensitive first, until the budget holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from groupvit_export.errors import ParityError
from groupvit_export.metrics.budget import LabelBudget
from groupvit_export.metrics.judge import Quality


@dataclass(frozen=True)
class Choice:
    """What was found.

    Attributes:
        fallback_layers: names of layers that stay in float32.
        quality: of the label maps with the other layers quantized.
    """

    fallback_layers: frozenset[str]
    quality: Quality


def find_fallback_layers(
    sensitivity: Mapping[str, float],
    judge: Callable[[Sequence[str]], Quality],
    budget: LabelBudget,
    fp32: Quality,
    note: Callable[[str], None] = lambda line: None,
) -> Choice:
    """Give back as few layers as the budget asks for, in the order of their sensitivity.

    The number is doubled until the budget holds, and then halved into; so an engine is built for some
    twice the logarithm of the number of layers, and not for each.

    Args:
        sensitivity: of all layers, in the order of the graph.
        judge: names of the layers that are quantized to the quality of such an engine.
        budget: what must hold.
        fp32: quality of no layer quantized.
        note: told what was tried.

    Raises:
        ParityError: it does not hold with a single layer in int8.
    """
    order = sorted(sensitivity, key=lambda name: -sensitivity[name])
    tried: dict[int, Quality] = {}

    def holds(count: int) -> bool:
        if count not in tried:
            back = frozenset(order[:count])
            tried[count] = judge([name for name in sensitivity if name not in back])
            found = tried[count]
            verdict = "holds" if budget.holds(found, fp32) else "does not hold"
            note(
                f"{len(order) - count} of {len(order)} layers in int8: mIoU {found.miou:.2f} % "
                f"(fp32 {fp32.miou:.2f} %), {found.agreement:.2f} % of the pixels as in fp32: "
                f"the budget {verdict}"
            )
        return budget.holds(tried[count], fp32)

    failing, count = -1, 0
    while not holds(count):
        failing = count
        count = min(max(1, 2 * count), len(order) - 1)
        if count == failing:
            raise _impossible(tried, budget, fp32)
    while count - failing > 1:
        middle = (failing + count) // 2
        failing, count = (failing, middle) if holds(middle) else (middle, count)
    return Choice(frozenset(order[:count]), tried[count])


def _impossible(tried: Mapping[int, Quality], budget: LabelBudget, fp32: Quality) -> ParityError:
    last = tried[max(tried)]
    return ParityError(
        "no layer can be computed in int8 within the budget; no bundle was written",
        got=f"with one layer in int8 {last.agreement:.3f} % of the pixels as in fp32, and mIoU "
        f"{last.miou:.2f} % against {fp32.miou:.2f} %",
        expected=f"at least {budget.min_agreement:g} %, and at most {budget.max_miou_drop:g} points less",
        fix="a wider budget (--min-agreement, --max-miou-drop), or --precision fp32",
    )
