"""Label maps: which pixels the reference is sure of, and whether a candidate labels them alike.

The reference's scores are computed plainly, in float64, by the definition of each decode. A pixel whose two
best classes lie further apart than twice the budget of a score is *safe*: every sound candidate labels it
as the reference does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from groupvit_export.verification.details import LabelAgreement
from groupvit_export.verification.reference import Arrays
from groupvit_export.verification.report import Place
from groupvit_runtime.contract import PaperDecode
from groupvit_runtime.windows import WindowPlan

Embeddings = NDArray[Any]


@dataclass(frozen=True, eq=False)
class LabelView:
    """What the reference says about an image's pixels.

    Attributes:
        labels: int64 [H, W].
        margin: float64 [H, W], distance of the two best scores; 0 where a decision before the scores is
            itself at risk.
    """

    labels: NDArray[np.int64]
    margin: NDArray[np.float64]


@dataclass(frozen=True)
class PixelFigures:
    """A candidate's label map beside the reference's.

    Attributes:
        pixels, at_risk, wrong, wrong_safe: counts.
        first: (row, column) of the first wrong safe pixel.
        intersection, union: pixels by class, for the mean IoU of the two maps.
    """

    pixels: int
    at_risk: int
    wrong: int
    wrong_safe: int
    first: tuple[int, int] | None
    intersection: NDArray[np.int64]
    union: NDArray[np.int64]


@dataclass
class LabelTally:
    """`PixelFigures` of several images, added up; `first` is where the first wrong safe pixel lies."""

    classes: int
    pixels: int = 0
    at_risk: int = 0
    wrong: int = 0
    wrong_safe: int = 0
    first: Place | None = None
    intersection: NDArray[np.int64] = field(init=False)
    union: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self.intersection, self.union = (np.zeros(self.classes, np.int64) for _ in range(2))

    def add(self, image: str, found: PixelFigures) -> None:
        """Count an image, which is said by its name."""
        self.pixels += found.pixels
        self.at_risk += found.at_risk
        self.wrong += found.wrong
        self.wrong_safe += found.wrong_safe
        self.intersection += found.intersection
        self.union += found.union
        if self.first is None and found.first is not None:
            self.first = Place(image, "labels", found.first)

    @property
    def share(self) -> float:
        """Of pixels with another class, 0 to 1."""
        return self.wrong / self.pixels

    @property
    def agreement(self) -> LabelAgreement:
        """Of the two label maps."""
        present = self.union > 0
        miou = (self.intersection[present] / self.union[present]).mean()
        return LabelAgreement(self.share, float(miou))


def compare_labels(labels: NDArray[Any], view: LabelView, budget: float, classes: int) -> PixelFigures:
    """Compare a label map with the reference's.

    Args:
        labels: integers [H, W].
        view: of the reference.
        budget: the largest error of a score that is allowed.
        classes: how many labels there are.
    """
    ours = labels.astype(np.int64)
    wrong = ours != view.labels
    at_risk = view.margin <= 2 * budget
    wrong_safe = wrong & ~at_risk
    where = np.argwhere(wrong_safe)
    both = np.bincount(ours[~wrong], minlength=classes)
    either = np.bincount(ours.ravel(), minlength=classes) + np.bincount(
        view.labels.ravel(), minlength=classes
    )
    return PixelFigures(
        pixels=wrong.size,
        at_risk=int(at_risk.sum()),
        wrong=int(wrong.sum()),
        wrong_safe=len(where),
        first=(int(where[0][0]), int(where[0][1])) if len(where) else None,
        intersection=both,
        union=either - both,
    )


def hf_grid_scores(outputs: Arrays, image: int, words: Embeddings) -> NDArray[np.float64]:
    """Class scores on the grid of patches, float64 [K, gh, gw], of one image of a batch."""
    masks = np.asarray(outputs["masks"][image], np.float64)
    similarity = words.astype(np.float64) @ np.asarray(outputs["group_embeds"][image], np.float64).T
    return np.einsum("kg,gyx->kyx", similarity, masks)


def hf_view(scores: NDArray[np.float64], pixel_size: tuple[int, int], out_size: tuple[int, int]) -> LabelView:
    """The `hf` decode: upsampled to the engine's image, then to the caller's, then the best class."""
    return _view(torch.from_numpy(hf_scores_at(scores, pixel_size, out_size)))


def hf_scores_at(
    scores: NDArray[np.float64], pixel_size: tuple[int, int], out_size: tuple[int, int]
) -> NDArray[np.float64]:
    """Class scores of the `hf` decode at the caller's size, float64 [K, h, w]."""
    planes: NDArray[np.float64] = _resized(_resized(torch.from_numpy(scores), pixel_size), out_size).numpy()
    return planes


@dataclass(frozen=True)
class PaperBudgets:
    """Largest errors that are allowed: of a mask, an affinity, and the similarity that ranks classes."""

    mask: float
    affinity: float
    relevance: float


def paper_tables(
    outputs: Arrays, words: Embeddings, logit_scale: float, decode: PaperDecode
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What ranks the classes of every window, and what each group is worth for each class.

    Returns:
        Relevance float64 [n, K], and affinity float64 [n, G, K] without regard to the best classes.
    """
    text = words.astype(np.float64)
    groups, image = (np.asarray(outputs[name], np.float64) for name in ("group_embeds", "image_embeds"))
    scale = min(float(np.exp(logit_scale)), decode.max_logit_scale)
    return image @ text.T, _softmax(scale * (groups @ text.T))


def paper_view(
    outputs: Arrays,
    words: Embeddings,
    logit_scale: float,
    decode: PaperDecode,
    plan: WindowPlan,
    out_size: tuple[int, int],
    budgets: PaperBudgets,
) -> LabelView:
    """The `paper` decode without a background, as `groupvit_runtime.paper` defines it.

    Pixels under a window whose ranking of classes is at risk, or whose group is, have margin 0.
    """
    relevance, affinity = paper_tables(outputs, words, logit_scale, decode)
    masks = torch.from_numpy(np.asarray(outputs["masks"], np.float64))
    height, width = plan.padded_size
    classes = words.shape[0]
    total = torch.zeros(classes, height, width, dtype=torch.float64)
    over = torch.zeros(height, width, dtype=torch.float64)
    risk = torch.zeros(height, width, dtype=torch.float64)
    kept = min(decode.top_classes, classes)
    for window, (top, left) in enumerate(plan.boxes):
        area = (slice(top, top + plan.side), slice(left, left + plan.side))
        order = np.argsort(-relevance[window], kind="stable")
        table = np.zeros_like(affinity[window])
        best = order[:kept]
        among = affinity[window][:, best] / affinity[window][:, best].sum(axis=1, keepdims=True)
        table[:, best] = affinity[window][:, best] * among
        planes = _resized(masks[window], (plan.side, plan.side))
        total[:, area[0], area[1]] += torch.from_numpy(table.T.copy())[:, planes.argmax(dim=0)]
        over[area] += 1
        ranking_at_risk = kept < classes and (
            relevance[window][order[kept - 1]] - relevance[window][order[kept]] <= 2 * budgets.relevance
        )
        if ranking_at_risk:
            risk[area] = 1
        elif len(planes) > 1:
            first, second = planes.topk(2, dim=0).values
            risk[area] = torch.maximum(risk[area], (first - second <= 2 * budgets.mask).double())
    rows, columns = plan.size
    averaged = (total / over)[:, :rows, :columns]
    view = _view(_resized(averaged, out_size))
    touched = _resized(risk[None, :rows, :columns], out_size)[0].numpy() > 0
    return LabelView(view.labels, np.where(touched, 0.0, view.margin))


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    result: NDArray[np.float64] = powers / powers.sum(axis=-1, keepdims=True)
    return result


def _resized(planes: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    return F.interpolate(planes[None], size=size, mode="bilinear", align_corners=False)[0]


def _view(planes: torch.Tensor) -> LabelView:
    labels = planes.argmax(dim=0).numpy()
    if len(planes) == 1:
        return LabelView(labels, np.full(labels.shape, np.inf))
    first, second = planes.topk(2, dim=0).values
    return LabelView(labels, (first - second).numpy())
