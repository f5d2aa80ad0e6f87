"""How far half precision is from float64: PyTorch's own, the typed graph, and typed graphs of other tools.

Every column is what `groupvit verify` shows of a backend, on the scenes that the package ships. Typed
graphs are computed as `groupvit_export.graph.half_rounding` says. Those of others are given as files, such
as ModelOpt AutoCast writes of an inlined image.onnx:

    convert_to_mixed_precision(onnx_path=..., low_precision_type="fp16", keep_io_types=True)

Usage: python -m benchmarks.half_precision [--other fp16=FILE ...]
Writes benchmarks/results/half-precision.json.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import onnx

from benchmarks.engines import backend_of
from benchmarks.record import machine, write_record
from groupvit_export.build.manifest_parts import model_info
from groupvit_export.checkpoint.load import build_model, load_checkpoint
from groupvit_export.checkpoint.preprocessor import paper_constants, preprocessings
from groupvit_export.data.bundled import DEMO_CHECKPOINT
from groupvit_export.graph.capture import capture_image_encoder, capture_text_encoder
from groupvit_export.graph.encoders import ImageEncoder, TextEncoder
from groupvit_export.graph.half_rounding import emulate_half_rounding
from groupvit_export.graph.passes import PASSES, apply_passes
from groupvit_export.graph.precision import HALVES, in_precision
from groupvit_export.verification.backends import eager
from groupvit_export.verification.examine import Candidate, examine, label_plan
from groupvit_export.verification.inputs import bundled_scenes, class_words
from groupvit_export.verification.specification import VerificationSpec
from groupvit_runtime.prompts import resolve_templates

SIZE = (224, 224)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--other", action="append", default=[], metavar="PRECISION=FILE")
    others = dict(item.split("=", 1) for item in parser.parse_args().other)
    checkpoint = load_checkpoint(str(DEMO_CHECKPOINT))
    model = build_model(checkpoint)
    subject = VerificationSpec(model, SIZE, preprocessings(checkpoint.folder), paper_constants(SIZE))
    tokenizer = DEMO_CHECKPOINT / "tokenizer.json"
    words = class_words(
        tokenizer, model_info(model, SIZE, tokenizer), resolve_templates("simple"), nvlabs_cleaning=False
    )
    plan = label_plan(subject, words, bundled_scenes())
    encoder = ImageEncoder(model, SIZE)
    apply_passes(encoder, tuple(PASSES))
    image = capture_image_encoder(encoder)
    text = capture_text_encoder(TextEncoder(model), model.config.text_config.max_position_embeddings)
    report: dict[str, Any] = {"machine": machine()}
    for precision in HALVES:
        typed_text = emulate_half_rounding(in_precision(text, precision).model)
        columns = {"typed graph": emulate_half_rounding(in_precision(image, precision).model)}
        if precision in others:
            columns["other"] = emulate_half_rounding(onnx.load(others[precision]))
        with tempfile.TemporaryDirectory() as scratch:
            backends = [
                backend_of(name, {"image": graph, "text": typed_text}, "onnx", Path(scratch, name), subject)
                for name, graph in columns.items()
            ]
            candidates = [*map(Candidate, (eager(model, precision), *backends))]
            found = examine(
                subject, candidates, plan, precision=precision, bundle="half precision", checkpoint="demo"
            ).report
        report[precision] = {
            column.name: {
                row.key.slug: {"value": cell.value, "budget": cell.budget, "verdict": cell.verdict}
                for row in found.rows
                # The op alone and the text engine are the same in every column.
                if not row.key.slug.startswith(("grouping", "text")) and (cell := row.cells[column.name])
            }
            for column in found.columns
        }
    write_record("half-precision", report)
    for precision in HALVES:
        print(f"\n{precision}")
        for name, rows in report[precision].items():
            figures = {
                row: rows[row]["value"]
                for row in rows
                if any(what in row for what in ("logits", "flips", "free_reference"))
            }
            print(f"  {name}: {figures}")


if __name__ == "__main__":
    main()
