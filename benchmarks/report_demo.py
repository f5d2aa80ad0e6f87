"""The page of figures, second part: how good the demo checkpoint's label maps are, in every precision."""

from __future__ import annotations

from typing import Any, Final

from benchmarks.markdown import NOT_RUN, Record, measured_with, number, rounded, table

_TITLES: Final = {"onnx": "ONNX Runtime", "openvino": "OpenVINO"}
_COMPOSITIONS: Final = (
    ("miou_trained", "… compositions named in training"),
    ("miou_held-out", "… held-out compositions"),
)
_INSTRUCTION_SETS: Final = {
    "DEFAULT": "AVX-512 with VNNI",
    "AVX512_CORE": "AVX-512 without VNNI",
    "AVX2": "AVX2",
}


def demo_sections(evaluation: Record, precisions: Record, instruction_sets: Record) -> list[str]:
    """Headings, tables and what to know about them.

    Args:
        evaluation: what `benchmarks.evaluation` wrote; empty for not run.
        precisions: what `benchmarks.precisions` wrote; empty for not run.
        instruction_sets: what `benchmarks.int8_instruction_sets` wrote; empty for not run.
    """
    return [
        "## The demo's label maps",
        *_evaluation(evaluation),
        "## Precisions side by side",
        *_precisions(precisions),
        "## int8 with and without VNNI",
        *_instruction_sets(instruction_sets),
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


def _instruction_sets(instruction_sets: Record) -> list[str]:
    records = instruction_sets.get("records", [])
    rows = [
        [
            record["model"],
            _TITLES[record["target"]],
            _INSTRUCTION_SETS[record["instruction_set"]],
            record["variant"],
            _pair(record["assignments_as_fp32"]),
            _pair(record["assignments_as_native"]),
            rounded(record["pixels_as_fp32"]),
            rounded(record["miou"]) if record["model"] == "demo" else "–",
        ]
        for record in records
        if record["variant"] != "fp32"
    ]
    head = ["model", "engine", "instructions", "weights", "assignments as fp32, by stage"]
    head += ["as with VNNI, by stage", "pixels as fp32", "mIoU"]
    full = [record["miou"] for record in records if _is_reference(record)]
    if not full:
        return [table(head, rows)]
    about = (
        f"All layers in int8, percent, drawn scenes; mIoU of the demo in fp32 is {rounded(full[0])}. One "
        "processor, OpenVINO by itself and held by `ONEDNN_MAX_CPU_ISA` "
        "(`benchmarks.int8_instruction_sets`). The full-size model's weights are random and amplify every"
        " rounding, so it has no mIoU. Why weights are narrower than a byte: "
        "[precision.md](precision.md#processors-without-vnni)."
    )
    return [table(head, rows), about]


def _latency(value: float | None) -> str:
    return "not measured" if value is None else rounded(value)


def _is_reference(record: dict[str, Any]) -> bool:
    return record["model"] == "demo" and record["variant"] == "fp32"


def _pair(values: list[float]) -> str:
    return ", ".join(rounded(value) for value in values)
