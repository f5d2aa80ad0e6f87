"""Writes tests/data/litert*: bundles of a tiny random model, and what transformers computes of its weights.

python tests/support/litert_bundle.py, in the environment of `make litert`.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import transformers
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import save_file

from groupvit_export.data.bundled import DEMO_CHECKPOINT
from groupvit_export.metrics.budget import LabelBudget
from groupvit_export.pipeline.api import ExportOptions, export_bundle
from groupvit_export.quantization.options import QuantizationOptions
from groupvit_export.targets.litert.options import LiteRTOptions

FOLDER: Final = Path(__file__).resolve().parents[1] / "data" / "litert"
FOLDERS: Final = {
    "fp32": FOLDER,
    "w16": FOLDER.with_name("litert-w16"),
    "int8": FOLDER.with_name("litert-int8"),
}
"""By precision."""
EXPECTED: Final = "expected.safetensors"
BATCH: Final = 2
"""Of the image engine."""

_TEXT: Final = {
    "vocab_size": 30,
    "eos_token_id": 29,
    "bos_token_id": 1,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_attention_heads": 2,
    "num_hidden_layers": 1,
    "max_position_embeddings": 12,
}
_VISION: Final = {
    "image_size": 32,
    "patch_size": 8,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_attention_heads": 2,
    "depths": [1, 1, 1],
    "num_hidden_layers": 3,
    "num_group_tokens": [6, 3, 0],
    "num_output_groups": [6, 3, 3],
}


def tiny_model() -> Any:
    """transformers' model, random weights, every group another."""
    torch.manual_seed(0)
    config = transformers.GroupViTConfig(
        text_config=_TEXT, vision_config=_VISION, projection_dim=8, projection_intermediate_dim=16
    )
    model = transformers.GroupViTModel(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(("group_token", "position_embeddings")):
                parameter.normal_(std=0.5)
    return model


def write_checkpoint(model: Any, folder: Path) -> None:
    """As it is published, with the tokenizer and preprocessing of the demo."""
    folder.mkdir()
    weights = {name: value.contiguous() for name, value in model.state_dict().items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(model.config.to_dict()))
    for name in ("tokenizer.json", "preprocessor_config.json"):
        shutil.copyfile(DEMO_CHECKPOINT / name, folder / name)


def expected(model: Any) -> dict[str, np.ndarray]:
    """Inputs and transformers' outputs for them, in float64."""
    random = np.random.default_rng(0)
    pixels = random.normal(size=(3, 3, 32, 32)).astype(np.float32)
    ids = random.integers(2, 29, (3, 7))
    ids[:, 5:] = _TEXT["eos_token_id"]
    wide = model.double()
    with torch.no_grad():
        out = wide(input_ids=torch.from_numpy(ids), pixel_values=torch.from_numpy(pixels).double())
        text = wide.text_projection(wide.text_model(torch.from_numpy(ids)).pooler_output)
    return {
        "pixel_values": pixels,
        "input_ids": ids,
        "image_embeds": out.image_embeds.numpy(),
        "text_embeds": text.numpy(),
    }


def main() -> None:
    """Write the folders anew."""
    model = tiny_model()
    # Its provenance names the checkpoint as it was given: no folder of the machine at hand.
    with tempfile.TemporaryDirectory() as scratch, contextlib.chdir(scratch):
        write_checkpoint(model, Path("tiny"))
        for precision, folder in FOLDERS.items():
            shutil.rmtree(folder, ignore_errors=True)
            options = ExportOptions(
                target="litert",
                precision=precision,
                checkpoint="tiny",
                target_options=LiteRTOptions(batch=BATCH),
                output=folder,
                # Random weights: mean IoU decides nothing, and the usual budget gives most layers back.
                quantization=QuantizationOptions(budget=LabelBudget(max_miou_drop=100.0, min_agreement=90.0)),
            )
            export_bundle(options, print)
    save_arrays(expected(model), FOLDER / EXPECTED)


if __name__ == "__main__":
    main()
