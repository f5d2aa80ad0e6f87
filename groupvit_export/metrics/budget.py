"""What a lower precision may cost in label maps."""

from __future__ import annotations

from dataclasses import dataclass

from groupvit_export.metrics.judge import Quality
from groupvit_export.provenance import LabelLimits
from groupvit_runtime.errors import UsageError


@dataclass(frozen=True)
class LabelBudget:
    """Both must hold.

    Attributes:
        max_miou_drop: points (percent) of mean IoU that may be lost against fp32.
        min_agreement: percent of the pixels that must have fp32's class.
    """

    max_miou_drop: float = 1.0
    min_agreement: float = 99.0

    def __post_init__(self) -> None:
        for flag, value in (
            ("--max-miou-drop", self.max_miou_drop),
            ("--min-agreement", self.min_agreement),
        ):
            if not 0 <= value <= 100:
                raise UsageError(f"{flag} is in percent", got=value, expected="0 to 100")

    @property
    def limits(self) -> LabelLimits:
        """As a provenance records it."""
        return LabelLimits(self.max_miou_drop, self.min_agreement)

    @staticmethod
    def recorded(limits: LabelLimits) -> LabelBudget:
        """As a provenance has recorded it."""
        return LabelBudget(limits.max_miou_drop, limits.min_agreement)

    def holds(self, found: Quality, fp32: Quality) -> bool:
        """Whether label maps of `found` are good enough beside those of fp32."""
        return fp32.miou - found.miou <= self.max_miou_drop and found.agreement >= self.min_agreement
