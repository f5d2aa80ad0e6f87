"""Ranges of TensorRT: signed bytes, zero in the middle."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import parser
from onnx.reference import ReferenceEvaluator

from groupvit_export.errors import ExportError
from groupvit_export.quantization.signed import signed


def _graph(dtype: str, scale: float, zero: int) -> onnx.ModelProto:
    return parser.parse_model(
        f"""
        <ir_version: 9, opset_import: ["" : 20]>
        graph (float[n] x) => (float[n] y) <float s = {{{scale}}}, {dtype} z = {{{zero}}}>
        {{ q = QuantizeLinear (x, s, z)  y = DequantizeLinear (q, s, z) }}
        """
    )


def _run(model: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    return ReferenceEvaluator(model).run(None, {"x": x})[0]


@given(st.floats(1e-3, 10))
def test_what_was_unsigned_keeps_its_range_at_half_the_resolution(scale: float) -> None:
    before = _graph("uint8", scale, 0)
    after = signed(before)
    onnx.checker.check_model(after, full_check=True)
    zeros = {after.graph.initializer[-1].data_type}
    assert zeros == {onnx.TensorProto.INT8}
    x = np.linspace(0, 255 * scale, 1000, dtype=np.float32)
    assert np.abs(_run(after, x) - x).max() <= 1.001 * scale * 255 / 127 / 2
    # Beyond the range both saturate at the same place.
    far = np.array([1e6], np.float32)
    np.testing.assert_allclose(_run(after, far), _run(before, far), rtol=1e-5)


def test_what_is_signed_already_stays_as_it_is() -> None:
    model = _graph("int8", 0.1, 0)
    assert signed(model).SerializeToString() == model.SerializeToString()


@pytest.mark.parametrize(("dtype", "zero"), [("int8", -3), ("uint8", 128)])
def test_a_range_whose_middle_is_elsewhere_is_refused(dtype: str, zero: int) -> None:
    with pytest.raises(ExportError, match=rf"zero in its middle(.|\n)*{zero} of {dtype}"):
        signed(_graph(dtype, 0.1, zero))
