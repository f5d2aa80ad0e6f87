"""What a report says beside its figures, in words: of cells, of columns, of the whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from groupvit_export.checkpoint.words import PREPROCESSING_WORDS
from groupvit_export.data.images import LONG_SIDE
from groupvit_export.data.orientation import turned_line
from groupvit_export.plural import counted
from groupvit_export.targets.inspection import Missing
from groupvit_export.targets.words import decision_words, missing_words
from groupvit_export.verification.details import (
    BatchAndAlone,
    Caution,
    ChosenImages,
    Computation,
    Counted,
    DeployableEncoder,
    Detail,
    Differences,
    EagerPyTorch,
    GraphLabels,
    LabelAgreement,
    LayerNorms,
    LoadedEngine,
    MeanIoUs,
    Note,
    OtherCheckpoint,
    Part,
    PixelsAsFp32,
    Refusal,
    Remark,
    Repeats,
    ShrunkImages,
    Total,
    TurnedImages,
    WrongDecisions,
)

if TYPE_CHECKING:
    from groupvit_export.verification.bisect import FirstDivergence

REMARK_WORDS: Final[Mapping[Remark, str]] = MappingProxyType(
    {
        Remark.TOO_NOISY: "the model amplifies rounding beyond what can be judged",
        Remark.NORMALIZES_AS_PAPER: "the engine normalizes pixels as the paper decode does",
        Remark.NORMALIZES_AS_HF: "the engine normalizes pixels as the hf decode does",
        Remark.NOT_SQUARE: "the engine is not square, the paper's windows are",
        Remark.NO_TOKENIZER: "the checkpoint has no tokenizer of its own; the bundle's was taken as given",
    }
)

COUNTED_WORDS: Final[Mapping[Counted, str]] = MappingProxyType(
    {
        Counted.SENTENCES: "{count:,} sentences",
        Counted.INPUTS: "{count:,} inputs",
        Counted.CASTS: "of {count:,}",
        Counted.IMAGE_TOKENS: "{part:,} of {whole:,} tokens of images",
        Counted.PIXELS: "{part:,} of {whole:,} pixels",
        Counted.FLIPPED_TOKENS: "{part:,} of {whole:,} tokens flipped",
        Counted.CONSISTENT_TOKENS: "{part:,} of {whole:,} tokens are in the best group of its own soft map",
        Counted.QUANTIZED_LAYERS: "{part:,} of {whole:,} quantized layers",
    }
)


def _agreement(found: LabelAgreement) -> str:
    words = f"{_percent(1 - found.unlike)} of pixels equal, mIoU {_percent(found.miou)}"
    if found.eager is not None:
        words += f"; eager PyTorch differs in {100 * found.eager:.2f} %"
    return words + (", more than can be judged by" if found.too_noisy else "")


def _percent(share: float) -> str:
    # 100.00 % is said of everything only.
    return "100 %" if share == 1 else f"{min(100 * share, 99.9999):.4f} %"


def _batch(found: BatchAndAlone) -> str:
    if not found.otherwise:
        return f"{found.images} images decided alike in a batch and alone"
    return f"{found.otherwise} tokens decided otherwise alone, {found.at_risk} of them at risk"


DETAIL_WORDS: Final[Mapping[type, Callable[[Any], str]]] = MappingProxyType(
    {
        Remark: lambda remark: REMARK_WORDS[remark],
        Missing: missing_words,
        Refusal: lambda found: f"{found.case}: {found.message}" if found.case else found.message,
        Total: lambda found: COUNTED_WORDS[found.of].format(count=found.count),
        Part: lambda found: COUNTED_WORDS[found.of].format(part=found.part, whole=found.whole),
        Differences: lambda given: "; ".join(
            f"{item.name}: {item.recorded}, expected {item.expected}" for item in given.found
        ),
        LayerNorms: lambda norms: f"{norms.found} of {norms.expected} recognized, {norms.layers:,} layers",
        WrongDecisions: lambda wrong: (
            "; ".join(f"stage {item.stage} {decision_words(item)}" for item in wrong.found)
            or "first of the largest float32 logits"
        ),
        GraphLabels: lambda found: (
            f"{found.wrong:,} of {found.pixels:,} pixels otherwise than the runtime, "
            f"{found.at_risk:,} at risk"
        ),
        LabelAgreement: _agreement,
        Repeats: lambda found: f"{found.runs} runs, {'' if found.equal else 'not '}equal to the bit",
        BatchAndAlone: _batch,
        PixelsAsFp32: lambda found: f"{found.percent:.3f} % as in fp32; {found.images}",
        MeanIoUs: lambda found: f"{found.int8:.2f} % against {found.fp32:.2f} %",
    }
)
"""By type of a detail, what it says."""

COMPUTATION_WORDS: Final[Mapping[type, Callable[[Any], str]]] = MappingProxyType(
    {
        LoadedEngine: lambda engine: engine.described,
        EagerPyTorch: lambda found: f"PyTorch {found.version}, eager reference, {found.precision}",
        DeployableEncoder: lambda found: (
            f"PyTorch {found.version}, deployable encoder, fp64, passes: {', '.join(found.passes) or 'none'}"
        ),
    }
)
"""By type of what computes a column, its description."""

CAUTION_WORDS: Final[Mapping[Caution, str]] = MappingProxyType(
    {
        Caution.MANIFEST_CHANGED: "manifest.json was changed after the export",
        Caution.LABELS_ONLY_INFORM: (
            "int8 was calibrated on images of its own, so label maps of the drawn scenes only inform; "
            "--images DIR judges it on images like those"
        ),
        Caution.MIOU_IS_WITH_MASKS: (
            "the export measured mIoU otherwise than against masks, so here it only informs"
        ),
        Caution.MIOU_IS_WITH_FP32: (
            "the export measured mIoU otherwise than against the label maps of fp32, so here it only informs"
        ),
    }
)

NOTE_WORDS: Final[Mapping[type, Callable[[Any], str]]] = MappingProxyType(
    {
        Caution: lambda caution: CAUTION_WORDS[caution],
        OtherCheckpoint: lambda given: (
            "the checkpoint is not the one that the bundle was exported from: fingerprint "
            f"{given.found[:16]}..., recorded {given.recorded[:16]}..."
        ),
        ShrunkImages: lambda images: (
            f"{counted(images.count, 'image')} shrunk to {LONG_SIDE} pixels on the long side"
        ),
        ChosenImages: lambda images: (
            f"{images.taken} of {images.found:,} images were taken, spread evenly; --limit N takes more"
        ),
        TurnedImages: lambda images: turned_line(images.turned, images.images),
        **PREPROCESSING_WORDS,
    }
)
"""By type of a note on the whole report, what it says."""

DIVERGENCE_WORDS: Final = (
    "node {node.position} of {node.nodes}: {node.operator} {node.node!r}, value {node.value!r} is off by "
    "{node.error:.3g} (budget {node.budget:.3g}) at {index}; it reads {inputs}"
)


def detail_words(detail: Detail | None) -> str:
    """What a cell says beside its figure; empty where it says nothing."""
    return "" if detail is None else DETAIL_WORDS[type(detail)](detail)


def computation_words(computation: Computation) -> str:
    """What really computes a column."""
    return COMPUTATION_WORDS[type(computation)](computation)


def note_words(note: Note) -> str:
    """What a reader must know of the whole verification."""
    return NOTE_WORDS[type(note)](note)


def divergence_words(found: FirstDivergence | None) -> str:
    """What bisecting found."""
    if found is None:
        return "every value of the graph is within its budget"
    return DIVERGENCE_WORDS.format(node=found, index=list(found.index), inputs=", ".join(found.inputs))
