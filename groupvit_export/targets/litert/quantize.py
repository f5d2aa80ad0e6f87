"""Weights of a LiteRT file in fewer bits, by Google's AI Edge Quantizer.

Run as `python -m groupvit_export.targets.litert.quantize FOLDER`, it changes what was left there.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from groupvit_export.targets.litert.child import run_child
from groupvit_runtime.system_errors import keeping_system_errors
from groupvit_runtime.temporary import scratch_folder

QUANTIZER: Final = "ai-edge-quantizer"
"""The distribution."""

_PLAN, _BEFORE, _AFTER = "plan.json", "before.tflite", "after.tflite"
_HALVED: Final = ("FULLY_CONNECTED", "CONV_2D", "EMBEDDING_LOOKUP")
"""Operators whose weights are stored in fp16."""


def half_weights(data: bytes) -> bytes:
    """The same file with its weights in fp16, of which float32 is made when it is loaded.

    Raises:
        ExportError: the quantizer refuses the file.
    """
    return _changed(data, {"bits": 16, "layers": [[kind, ".*"] for kind in _HALVED]})


def byte_weights(data: bytes, layers: Sequence[tuple[str, str]]) -> bytes:
    """The same file with layers that multiply bytes: weights a scale a channel, activations as they come.

    Args:
        data: the file.
        layers: kind of the operator and name of its output.

    Raises:
        ExportError: the quantizer refuses the file.
    """
    return _changed(data, {"bits": 8, "layers": [[kind, f"^{re.escape(name)};?$"] for kind, name in layers]})


def _changed(data: bytes, plan: dict[str, Any]) -> bytes:
    with scratch_folder("litert") as folder:
        with keeping_system_errors(folder):
            (folder / _BEFORE).write_bytes(data)
        (folder / _PLAN).write_text(json.dumps(plan))
        run_child(__name__, folder, "LiteRT's quantizer cannot change the file")
        return (folder / _AFTER).read_bytes()


def main(folder: Path) -> None:
    """Change the file that is in `folder`, as its plan says."""
    from ai_edge_quantizer import algorithm_manager, qtyping, quantizer, recipe_manager

    plan = json.loads((folder / _PLAN).read_text())
    recipe = recipe_manager.RecipeManager()
    for kind, pattern in plan["layers"]:
        operation = qtyping.TFLOperationName(kind)
        if plan["bits"] == 8:
            recipe.add_dynamic_config(pattern, operation, num_bits=8)
            continue
        stored = qtyping.TensorQuantizationConfig(num_bits=16, dtype=qtyping.TensorDataType.FLOAT)
        config = qtyping.OpQuantizationConfig(
            weight_tensor_config=stored,
            compute_precision=qtyping.ComputePrecision.FLOAT,
            explicit_dequantize=True,
        )
        algorithm = algorithm_manager.AlgorithmName.FLOAT_CASTING
        recipe.add_quantization_config(pattern, operation, config, algorithm)
    changer = quantizer.Quantizer(str(folder / _BEFORE), recipe.get_quantization_recipe())
    changer.quantize().export_model(str(folder / _AFTER))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
