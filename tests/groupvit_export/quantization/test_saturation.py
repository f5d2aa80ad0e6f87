"""The bound on bytes, with which products are exact on processors that add two of them in 16 bits."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper, parser

from groupvit_export.quantization.saturation import LARGEST_WEIGHT, layers_at_risk
from groupvit_export.targets.registry import TARGETS

_K, _N = 64, 32
_SCALE = 0.01
_GRAPH = f"""
<ir_version: 9, opset_import: ["" : 20]>
graph (float[n, {_K}] x) => (float[n, {_N}] y) <float s = {{{_SCALE}}}, int8 z = {{0}}>
{{
    q = QuantizeLinear (x, s, z)
    dequantized = DequantizeLinear (q, s, z)
    weights = DequantizeLinear (w, s, z)
    y = MatMul (dequantized, weights)
}}
"""


def _layer(weights: np.ndarray) -> onnx.ModelProto:
    model = parser.parse_model(_GRAPH)
    model.graph.initializer.append(numpy_helper.from_array(weights.astype(np.int8), "w"))
    model.graph.node[-1].name = "product"
    onnx.checker.check_model(model, full_check=True)
    return model


def test_no_pair_of_bytes_leaves_16_bits() -> None:
    """Every product in the corners of its range, as `vpmaddubsw` takes it: unsigned by signed."""
    end = np.iinfo(np.int16)
    for first, second in itertools.product((-LARGEST_WEIGHT, LARGEST_WEIGHT), repeat=2):
        assert end.min <= 255 * first + 255 * second <= end.max
    assert end.max < 255 * 2 * (LARGEST_WEIGHT + 1)


@pytest.mark.parametrize(("largest", "at_risk"), [(64, False), (-64, False), (65, True), (-128, True)])
def test_one_weight_decides(largest: int, at_risk: bool) -> None:
    weights = np.zeros((_K, _N))
    weights[3, 5] = largest
    expected = {"product": f"a weight of magnitude {abs(largest)}"} if at_risk else {}
    assert layers_at_risk(_layer(weights)) == expected


def test_of_two_activations_nothing_is_known() -> None:
    model = parser.parse_model(
        """
        <ir_version: 9, opset_import: ["" : 20]>
        graph (float[8, 8] x) => (float[8, 8] y) <float s = {0.01}, int8 z = {0}>
        {
            q = QuantizeLinear (x, s, z)
            dequantized = DequantizeLinear (q, s, z)
            turned = Transpose <perm: ints = [1, 0]> (dequantized)
            y = MatMul (dequantized, turned)
        }
        """
    )
    model.graph.node[-1].name = "product"
    assert layers_at_risk(model) == {"product": "multiplies two activations"}


def test_a_float_product_is_none() -> None:
    model = _layer(np.full((_K, _N), 127))
    model.graph.node[-1].input[0] = "x"
    assert layers_at_risk(model) == {}


def test_every_target_that_runs_on_a_cpu_asks_for_7_bits() -> None:
    seven = {name for name, kind in TARGETS.items() if kind.weight_bits == 7}
    assert seven == {"onnx", "openvino", "web", "litert"}
    assert all(kind.weight_bits == 8 for name, kind in TARGETS.items() if name in ("trt", "torch"))


_PROGRAM = """
import sys
import numpy as np, openvino as ov
model, x, y = sys.argv[1:]
compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
np.save(y, compiled(np.load(x))[0])
"""


@pytest.mark.parametrize("instruction_set", ["DEFAULT", "AVX2", "AVX512_CORE"])
def test_openvino_is_exact_with_the_largest_bytes(tmp_path: Path, instruction_set: str) -> None:
    """Against integers; a processor that lacks what is asked for takes the best that it has."""
    random = np.random.default_rng(5)
    weights = random.choice([-LARGEST_WEIGHT, LARGEST_WEIGHT], size=(_K, _N), p=[0.1, 0.9])
    x = random.choice([-128, 127], size=(16, _K), p=[0.1, 0.9])
    onnx.save_model(_layer(weights), tmp_path / "layer.onnx")
    np.save(tmp_path / "x.npy", (x * _SCALE).astype(np.float32))
    arguments = [str(tmp_path / name) for name in ("layer.onnx", "x.npy", "y.npy")]
    environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": instruction_set}
    subprocess.run([sys.executable, "-c", _PROGRAM, *arguments], check=True, env=environment)
    found = np.load(tmp_path / "y.npy") / _SCALE**2
    np.testing.assert_allclose(found, x @ weights, rtol=1e-5, atol=1)
