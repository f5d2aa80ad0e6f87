"""The rows of the matrix in the order in which the model computes, so that the first fault comes first."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from groupvit_export.graph.passes import PASSES
from groupvit_export.verification.checks.graph_labels import ROW as GRAPH_LABELS
from groupvit_export.verification.checks.passes import pass_row

LABEL_ROWS: Final = MappingProxyType(
    {
        "labels: pixels unlike fp32": "share of pixels with another class than fp32 gives them",
        "labels: mIoU drop": "mean IoU that is lost against fp32",
    }
)
"""Of int8, on images that it was not calibrated on; they stand last."""


def row_table(stages: int) -> dict[str, str]:
    """What each row says, for a model with this many grouping blocks."""
    rows = {
        "constants": "logit scale, grid, text length and decode as the manifest records them",
        "pixel_values": "preprocessing as the bundle records it, against the checkpoint's",
        "token ids": "sentences that the bundle's tokenizer reads otherwise than the checkpoint's",
        **{pass_row(name): "largest error of an output in float64, with this pass alone" for name in PASSES},
        "network: LayerNorms": "LayerNorms that TensorRT's parser took apart",
        "network: casts": "casts that nobody reads, or that are taken back at once",
        "network: decisions": "stages that do not take the first of the largest float32 logits",
        "network: int8 products": "quantized layers whose two sides do not reach TensorRT's product as int8",
        "runs": "every batch size and input is executed",
    }
    for stage in range(1, stages + 1):
        rows |= {
            f"grouping {stage} alone: decisions": "the op cut out of the engine: ties, duplicates, margins",
            f"grouping {stage} alone: logits": "largest error of a logit there",
            f"grouping {stage} alone: means": "largest error of means and counts there",
            f"stage {stage} logits": "largest error of a logit that decides",
            f"stage {stage} self-consistency": "tokens that are not in the best group of their own soft map",
            f"stage {stage} safe flips": "tokens in another group although no allowed error can explain it",
            f"stage {stage} flips at risk": "tokens in another group where the reference is not sure either",
            f"stage {stage} tokens at risk": "share of tokens about which nothing can be said",
            f"stage {stage} regret": "how much worse the chosen group is, by the reference's logits",
            f"stage {stage} group count shift": "largest change of a group's number of tokens",
            f"soft_map_{stage}": "largest error of the soft map, replayed",
        }
    return rows | {
        "group_embeds": "largest error of a group's embedding, replayed",
        "image_embeds": "largest error of the image's embedding, replayed",
        "masks": "largest error of a mask, replayed",
        "text_embeds": "largest error of a sentence's embedding",
        "labels hf: safe pixels": "pixels labeled otherwise although the reference is sure",
        "labels hf: pixels at risk": "share of pixels about which nothing can be said",
        "labels hf: against the free reference": "share of pixels labeled otherwise, without replay",
        "labels paper: safe pixels": "the same through sliding windows, over aspect ratios",
        "labels paper: pixels at risk": "share of pixels about which nothing can be said",
        "labels paper: against the free reference": "share of pixels labeled otherwise, without replay",
        GRAPH_LABELS: "label maps decoded inside the engine, against the runtime's decode of its outputs",
        "repeated runs": "spread of one input over several runs",
        "batch against single": "safe tokens decided otherwise in a batch than alone",
    }
