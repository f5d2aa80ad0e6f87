"""The words of a verification: titles of rows, places and findings, made where they are printed.

Nothing that is computed depends on anything here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from groupvit_export.provenance import ParityRow, ParitySummary
from groupvit_export.targets.words import substitute_words
from groupvit_export.verification.detail_words import computation_words, detail_words, note_words
from groupvit_export.verification.report import Column, Finding, Place, Report
from groupvit_export.verification.rows import RowKey, RowKind


@dataclass(frozen=True)
class RowWords:
    """A row's title and a sentence about it, both with `{stage}` or `{name}`."""

    title: str
    about: str


ROW_WORDS: Mapping[RowKind, RowWords] = MappingProxyType(
    {
        RowKind.CONSTANTS: RowWords(
            "constants", "logit scale, grid, text length and decode as the manifest records them"
        ),
        RowKind.PIXEL_VALUES: RowWords(
            "pixel_values", "preprocessing as the bundle records it, against the checkpoint's"
        ),
        RowKind.TOKEN_IDS: RowWords(
            "token ids", "sentences that the bundle's tokenizer reads otherwise than the checkpoint's"
        ),
        RowKind.PASS: RowWords("pass {name}", "largest error of an output in float64, with this pass alone"),
        RowKind.NETWORK_LAYER_NORMS: RowWords(
            "network: LayerNorms", "LayerNorms that TensorRT's parser took apart"
        ),
        RowKind.NETWORK_CASTS: RowWords(
            "network: casts", "casts that nobody reads, or that are taken back at once"
        ),
        RowKind.NETWORK_DECISIONS: RowWords(
            "network: decisions", "stages that do not take the first of the largest float32 logits"
        ),
        RowKind.NETWORK_INT8_PRODUCTS: RowWords(
            "network: int8 products",
            "quantized layers whose two sides do not reach TensorRT's product as int8",
        ),
        RowKind.RUNS: RowWords("runs", "every batch size and input is executed"),
        RowKind.GROUPING_DECISIONS: RowWords(
            "grouping {stage} alone: decisions", "the op cut out of the engine: ties, duplicates, margins"
        ),
        RowKind.GROUPING_LOGITS: RowWords("grouping {stage} alone: logits", "largest error of a logit there"),
        RowKind.GROUPING_MEANS: RowWords(
            "grouping {stage} alone: means", "largest error of means and counts there"
        ),
        RowKind.STAGE_LOGITS: RowWords("stage {stage} logits", "largest error of a logit that decides"),
        RowKind.STAGE_SELF_CONSISTENCY: RowWords(
            "stage {stage} self-consistency", "tokens that are not in the best group of their own soft map"
        ),
        RowKind.STAGE_SAFE_FLIPS: RowWords(
            "stage {stage} safe flips", "tokens in another group although no allowed error can explain it"
        ),
        RowKind.STAGE_FLIPS_AT_RISK: RowWords(
            "stage {stage} flips at risk", "tokens in another group where the reference is not sure either"
        ),
        RowKind.STAGE_TOKENS_AT_RISK: RowWords(
            "stage {stage} tokens at risk", "share of tokens about which nothing can be said"
        ),
        RowKind.STAGE_REGRET: RowWords(
            "stage {stage} regret", "how much worse the chosen group is, by the reference's logits"
        ),
        RowKind.STAGE_GROUP_COUNT_SHIFT: RowWords(
            "stage {stage} group count shift", "largest change of a group's number of tokens"
        ),
        RowKind.SOFT_MAP: RowWords("soft_map_{stage}", "largest error of the soft map, replayed"),
        RowKind.GROUP_EMBEDS: RowWords("group_embeds", "largest error of a group's embedding, replayed"),
        RowKind.IMAGE_EMBEDS: RowWords("image_embeds", "largest error of the image's embedding, replayed"),
        RowKind.MASKS: RowWords("masks", "largest error of a mask, replayed"),
        RowKind.TEXT_EMBEDS: RowWords("text_embeds", "largest error of a sentence's embedding"),
        RowKind.DECODE_SAFE_PIXELS: RowWords(
            "labels {name}: safe pixels", "pixels labeled otherwise although the reference is sure"
        ),
        RowKind.DECODE_PIXELS_AT_RISK: RowWords(
            "labels {name}: pixels at risk", "share of pixels about which nothing can be said"
        ),
        RowKind.DECODE_FREE_REFERENCE: RowWords(
            "labels {name}: against the free reference",
            "share of pixels labeled otherwise, without replay",
        ),
        RowKind.GRAPH_LABELS: RowWords(
            "labels in graph: safe pixels",
            "label maps decoded inside the engine, against the runtime's decode of its outputs",
        ),
        RowKind.REPEATED_RUNS: RowWords("repeated runs", "spread of one input over several runs"),
        RowKind.BATCH_AGAINST_SINGLE: RowWords(
            "batch against single", "safe tokens decided otherwise in a batch than alone"
        ),
        RowKind.PIXELS_UNLIKE_FP32: RowWords(
            "labels: pixels unlike fp32", "share of pixels with another class than fp32 gives them"
        ),
        RowKind.MIOU_DROP: RowWords("labels: mIoU drop", "mean IoU that is lost against fp32"),
    }
)

AXES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "pixel_values": ("image", "channel", "row", "column"),
        "masks": ("image", "group", "row", "column"),
        "group_embeds": ("image", "group", "component"),
        "image_embeds": ("image", "component"),
        "text_embeds": ("sentence", "component"),
        "soft_map": ("image", "group", "token"),
        "assignment": ("image", "token"),
        "logits": ("image", "group", "token"),
        "means": ("image", "group", "channel"),
        "soft": ("image", "group", "token"),
        "index": ("image", "token"),
        "count": ("image", "group"),
        "labels": ("row", "column"),
    }
)
"""What the dimensions of a tensor are, by its name without the stage."""


def row_title(key: RowKey) -> str:
    """The row in a few words: "stage 1 safe flips"."""
    return ROW_WORDS[key.kind].title.format(stage=key.stage, name=key.name)


def row_about(key: RowKey) -> str:
    """What the row says."""
    return ROW_WORDS[key.kind].about.format(stage=key.stage, name=key.name)


def recorded_title(slug: str) -> str:
    """The title of a row of a provenance; its name where this version has no such row."""
    key = RowKey.parse(slug)
    return slug if key is None else row_title(key)


def index_words(place: Place) -> str:
    """A place's index: "image 0, token 17"; empty for the whole tensor."""
    axes = AXES.get(place.output.rstrip("_0123456789"), ())
    return ", ".join(f"{axis} {i}" for axis, i in zip(axes, place.index, strict=False))


def place_words(place: Place, named: str = "") -> str:
    """Tensor, run and element; the tensor is left out where `named`, which stands before, is its name."""
    output = "" if place.output == named else place.output
    return ", ".join(part for part in (output, place.case, index_words(place)) if part)


def finding_words(finding: Finding) -> str:
    """Where a column first left its budget, in a line."""
    title, place = row_title(finding.row), finding.cell.place
    where = f" at {place_words(place, title)}" if place else ""
    detail = detail_words(finding.cell.detail)
    return f"{finding.column}: {title}{where}{f' ({detail})' if detail else ''}"


def report_notes(report: Report) -> list[str]:
    """What a reader must know, and which engines were not run."""
    substitutions = (column.substitution for column in report.columns)
    return [
        *map(note_words, report.notes),
        *(substitute_words(item) for item in substitutions if item is not None),
    ]


def parity_summary(report: Report, column: str) -> ParitySummary:
    """What the provenance keeps of one column."""
    first = next((finding_words(f) for f in report.findings if f.column == column), None)
    return ParitySummary(
        verdict=report.column_verdict(column),
        cases=report.cases,
        rows=tuple(
            ParityRow(row.key.slug, cell.verdict, cell.value, cell.budget, detail_words(cell.detail))
            for row in report.rows
            if (cell := row.cells.get(column)) is not None
        ),
        first=first,
        substitute=_substitute(next(c for c in report.columns if c.name == column)),
    )


def _substitute(column: Column) -> str | None:
    return None if column.substitution is None else substitute_words(column.substitution)


def report_json(report: Report) -> dict[str, object]:
    """A report for machines, with the names of its rows and the words about them."""
    return {
        "bundle": report.bundle,
        "checkpoint": report.checkpoint,
        "columns": [
            {
                "name": column.name,
                "description": computation_words(column.computation),
                "target": column.target,
                "precision": column.precision,
                "device": column.device,
                "substitute": _substitute(column),
            }
            for column in report.columns
        ],
        "rows": [
            {
                "name": row.key.slug,
                "title": row_title(row.key),
                "about": row_about(row.key),
                "unit": row.key.spec.unit.name.lower(),
                "cells": {
                    column: {
                        "verdict": cell.verdict,
                        "value": cell.value,
                        "budget": cell.budget,
                        "detail": detail_words(cell.detail),
                        "place": None
                        if cell.place is None
                        else {
                            "case": cell.place.case,
                            "output": cell.place.output,
                            "index": list(cell.place.index),
                            "meaning": index_words(cell.place),
                        },
                    }
                    for column, cell in row.cells.items()
                },
            }
            for row in report.rows
        ],
        "cases": list(report.cases),
        "notes": report_notes(report),
        "seconds": report.seconds,
    }
