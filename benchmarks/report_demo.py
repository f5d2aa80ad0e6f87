"""The page of figures, second part: how good the demo checkpoint's label maps are, in every precision."""

from __future__ import annotations

from typing import Final

from benchmarks.markdown import NOT_RUN, Record, measured_with, number, rounded, table

_TITLES: Final = {"onnx": "ONNX Runtime", "openvino": "OpenVINO"}
_COMPOSITIONS: Final = (
    ("miou_trained", "… compositions named in training"),
    ("miou_held-out", "… held-out compositions"),
)


def demo_sections(evaluation: Record, precisions: Record) -> list[str]:
    """Headings, tables and what to know about them.

    Args:
        evaluation: what `benchmarks.evaluation` wrote; empty for not run.
        precisions: what `benchmarks.precisions` wrote; empty for not run.
    """
    return [
        "## The demo's label maps",
        *_evaluation(evaluation),
        "## Precisions side by side",
        *_precisions(precisions),
    ]


def _evaluation(evaluation: Record) -> list[str]:
    miou = evaluation.get("miou", {})
    columns = [(decode, target) for decode in miou for target in _TITLES]
    rows = []
    for vocabulary, found in miou.get("hf", {}).items():
        named = [("miou", f"`{vocabulary}`")]
        named += [pair for pair in _COMPOSITIONS if pair[0] in found["onnx"]]
        for key, title in named:
            cells = [number(miou[decode][vocabulary][target][key]) for decode, target in columns]
            rows.append([title, *cells])
    head = ["", *(f"`{decode}`, {_TITLES[target]}" for decode, target in columns)]
    if not evaluation:
        return [table(head, rows)]
    about = (
        f"mIoU in percent on {number(evaluation['scenes'])} drawn scenes that the demo was not trained on,"
        " by vocabulary (`benchmarks.evaluation`). The [model "
        "card](../groupvit_export/data/demo/README.md) says what the vocabularies are and what limits it."
    )
    return [table(head, rows), about]


def precision_table(precisions: Record) -> str:
    """Every precision below float32 beside float32 of the same target."""
    rows = []
    for export in precisions.get("precisions", []):
        if "rows" not in export:
            names = [f"`{export['target']}`", export["precision"]]
            rows.append([*names, f"{NOT_RUN}: {export['not_exported']}", *[NOT_RUN] * 5])
            continue
        full, lower = export["rows"]
        rows.append(
            [
                f"`{export['target']}`",
                lower["precision"],
                lower["verdict"] + (" (substitute)" if export["substitute"] else ""),
                *(rounded(value) for value in (full["miou"], lower["miou"], lower["agreement"])),
                *(_latency(row["latency_ms"]) for row in (full, lower)),
            ]
        )
    head = ["target", "precision", "verify", "mIoU of fp32", "mIoU", "pixels as in fp32", "fp32, ms", "ms"]
    return table(head, rows)


def _precisions(precisions: Record) -> list[str]:
    about = (
        "Every precision below float32 beside float32 of the same target, demo checkpoint, percent, on "
        "the drawn scenes of the package with their masks: those that gave no range for int8, all for "
        "half precision (`benchmarks.precisions`). *Substitute*: the engine cannot compute here as it "
        "will where it is for, so its graph was computed with every rounding of the precision, and not "
        "timed. The demo is a small model, whose image spends little time in products. Where a processor "
        "has no bf16, OpenVINO emulates it."
    )
    parts = [precision_table(precisions), about]
    if precisions:
        parts.append(measured_with(precisions["machine"], precisions["machine"]["versions"]))
    return parts


def _latency(value: float | None) -> str:
    return "not measured" if value is None else rounded(value)
