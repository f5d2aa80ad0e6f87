"""When label maps decide a verdict: below float32, where margins leave too many tokens in doubt.

A budget is the largest error of any token, and half precision makes it larger than most margins of a small
model, though hardly a token flips. What such an engine is for can still be counted: the pixels that get
another class than the reference gives them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from groupvit_export.verification.details import LabelAgreement
from groupvit_export.verification.report import Cell
from groupvit_runtime.manifest import Verdict


@dataclass(frozen=True)
class LabelCriterion:
    """How many pixels may have another class; shares are of all pixels of the judged images.

    Attributes:
        share: that may always differ.
        factor: of the share that eager PyTorch in the same dtype has, which may differ too.
        noise_limit: share of eager PyTorch above which the model's label maps say nothing: AMBIGUOUS.
    """

    share: float
    factor: float
    noise_limit: float

    def limit(self, eager: float | None) -> float:
        """The largest share that is allowed.

        Args:
            eager: share of eager PyTorch; None where it has no such precision.
        """
        return max(self.share, self.factor * eager) if eager is not None else self.share

    def cell(self, found: LabelAgreement, eager: float | None) -> Cell:
        """FAIL beyond the limit; AMBIGUOUS where eager PyTorch itself labels too many pixels otherwise."""
        limit = self.limit(eager)
        too_noisy = eager is not None and eager > self.noise_limit
        verdict: Verdict = "PASS" if found.unlike <= limit else "FAIL"
        detail = replace(found, eager=eager, too_noisy=too_noisy)
        return Cell("AMBIGUOUS" if too_noisy else verdict, found.unlike, limit, detail)
