"""What a report says beside its figures: of a cell, of a column, of the whole; `detail_words.py` says it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from groupvit_export.checkpoint.notes import PreprocessingNote
from groupvit_export.targets.inspection import Missing, WrongDecision


class Remark(Enum):
    """Why a row says nothing."""

    TOO_NOISY = "the model amplifies rounding"
    NORMALIZES_AS_PAPER = "asked for hf"
    NORMALIZES_AS_HF = "asked for paper"
    NOT_SQUARE = "no windows"
    NO_TOKENIZER = "none in the checkpoint"


class Counted(Enum):
    """What a number counts."""

    SENTENCES = "sentences"
    INPUTS = "inputs"
    CASTS = "casts"
    IMAGE_TOKENS = "tokens of images"
    PIXELS = "pixels"
    FLIPPED_TOKENS = "tokens in another group"
    CONSISTENT_TOKENS = "tokens in the best group of their own soft map"
    QUANTIZED_LAYERS = "layers that reach the product as bytes"


@dataclass(frozen=True)
class Total:
    """How many there were."""

    count: int
    of: Counted


@dataclass(frozen=True)
class Part:
    """How many of how many."""

    part: int
    whole: int
    of: Counted


@dataclass(frozen=True)
class Refusal:
    """An engine's own error; `case` is the run, where it is said."""

    message: str
    case: str = ""


@dataclass(frozen=True)
class Difference:
    """A constant that a manifest records otherwise than the checkpoint has it."""

    name: str
    recorded: object
    expected: object


@dataclass(frozen=True)
class Differences:
    """All of them; empty where there are none."""

    found: tuple[Difference, ...]


@dataclass(frozen=True)
class LayerNorms:
    """Of a parsed network: LayerNorms found, LayerNorms of the graphs, all layers."""

    found: int
    expected: int
    layers: int


@dataclass(frozen=True)
class WrongDecisions:
    """Of a parsed network; empty where there are none."""

    found: tuple[WrongDecision, ...]


@dataclass(frozen=True)
class GraphLabels:
    """Pixels labeled otherwise than by the runtime, all pixels, those at risk."""

    wrong: int
    pixels: int
    at_risk: int


@dataclass(frozen=True)
class LabelAgreement:
    """Label maps beside the reference's.

    Attributes:
        unlike: share of pixels with another class.
        miou: mean IoU of the two, 0 to 1.
        eager: share of eager PyTorch in the same precision; None where it has none, or decides nothing.
        too_noisy: whether `eager` is more than can be judged by.
    """

    unlike: float
    miou: float
    eager: float | None = None
    too_noisy: bool = False


@dataclass(frozen=True)
class Repeats:
    """Runs of one input, and whether all gave the same bits."""

    runs: int
    equal: bool


@dataclass(frozen=True)
class BatchAndAlone:
    """Images of a batch, tokens decided otherwise alone, and how many of those were at risk."""

    images: int
    otherwise: int
    at_risk: int


@dataclass(frozen=True)
class PixelsAsFp32:
    """Percent of pixels with the class that fp32 gives them; `images` says on what."""

    percent: float
    images: str


@dataclass(frozen=True)
class MeanIoUs:
    """In percent: of int8, of fp32."""

    int8: float
    fp32: float


Detail = (
    Remark
    | Missing
    | Refusal
    | Total
    | Part
    | Differences
    | LayerNorms
    | WrongDecisions
    | GraphLabels
    | LabelAgreement
    | Repeats
    | BatchAndAlone
    | PixelsAsFp32
    | MeanIoUs
)
"""Of a cell."""


@dataclass(frozen=True)
class LoadedEngine:
    """Runtime, version, device and precision that are really in use, as the runtime says them."""

    described: str


@dataclass(frozen=True)
class EagerPyTorch:
    """The reference model in a dtype."""

    version: str
    precision: str


@dataclass(frozen=True)
class DeployableEncoder:
    """The encoder before capture, in float64, with these graph passes."""

    version: str
    passes: tuple[str, ...]


Computation = LoadedEngine | EagerPyTorch | DeployableEncoder
"""What really computes a column."""


class Caution(Enum):
    """What a reader must know of a verification, without a figure."""

    MANIFEST_CHANGED = "since the export"
    LABELS_ONLY_INFORM = "int8 was calibrated on other images"
    MIOU_IS_WITH_MASKS = "at the export it was not"
    MIOU_IS_WITH_FP32 = "at the export it was with masks"


@dataclass(frozen=True)
class OtherCheckpoint:
    """The fingerprint of the checkpoint, and the one that the bundle records."""

    found: str
    recorded: str


@dataclass(frozen=True)
class ShrunkImages:
    """How many images were too large to be taken as they are."""

    count: int


@dataclass(frozen=True)
class ChosenImages:
    """How many images were taken, of how many."""

    taken: int
    found: int


@dataclass(frozen=True)
class TurnedImages:
    """How many images with masks have an orientation, of how many; the masks are taken to be upright."""

    turned: int
    images: int


Note = Caution | OtherCheckpoint | ShrunkImages | ChosenImages | TurnedImages | PreprocessingNote
"""Of a report: what was assumed, what was left out."""
