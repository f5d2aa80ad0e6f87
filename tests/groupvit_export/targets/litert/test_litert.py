"""Target `litert`: what is refused before anything is converted, and what is cut out of a file."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper, numpy_helper
from refusals import refused

from groupvit_export.errors import ExportError, MissingDependencyError, UsageError
from groupvit_export.targets.inspection import Missing, MissingPart
from groupvit_export.targets.litert import target as module
from groupvit_export.targets.litert.options import LiteRTOptions
from groupvit_export.targets.litert.target import TARGET
from groupvit_export.verification.checks.grouping_attention import compare_operator, operator_cases
from groupvit_export.verification.isolate import isolate
from groupvit_runtime.engines import EngineOptions
from groupvit_runtime.manifest import FileInfo, read_manifest

pytest.importorskip("ai_edge_litert", reason="LiteRT is missing, which the extra litert-runtime brings")

from groupvit_export.targets.litert.flatbuffer import Graph, to_bytes
from groupvit_export.targets.litert.layers import quantized_layers

BUNDLE = Path(__file__).resolve().parents[3] / "data" / "litert"
SIZES = ((6, 16, 16), (3, 6, 16))
"""Groups, tokens and channels of both stages."""


def cut(bundle: Path, folder: Path) -> Any:
    return isolate(read_manifest(bundle).engine("image"), bundle, 2, folder, EngineOptions())


@pytest.mark.parametrize("stage", [1, 2])
def test_the_op_that_is_cut_out_of_a_file_keeps_the_contract(stage: int, tmp_path: Path) -> None:
    grouping = cut(BUNDLE, tmp_path)[stage - 1]
    for case in operator_cases(*SIZES[stage - 1]):
        found = compare_operator(case, grouping(case.query, case.tokens, case.bias), 1.0, budget=1e-3)
        assert found.safe_flips == (), case.name
        assert found.means_error[0] < 1e-5 and found.count_error[0] == 0


def changed(tmp_path: Path, change: Any) -> Path:
    """The bundle with another image engine."""
    bundle = Path(shutil.copytree(BUNDLE, tmp_path / "bundle"))
    graph = Graph((bundle / "image.tflite").read_bytes())
    change(graph)
    (bundle / "image.tflite").write_bytes(to_bytes(graph.model))
    return bundle


def of_kind(graph: Any, kind: str) -> list[Any]:
    return [op for op in graph.graph.operators if graph.kind(op) == kind]


def test_a_decision_that_is_made_otherwise_is_not_taken_for_the_op(tmp_path: Path) -> None:
    from ai_edge_litert.schema_py_generated import BuiltinOperator

    def smallest(graph: Any) -> None:
        code = graph.model.operatorCodes[of_kind(graph, "ARG_MAX")[0].opcodeIndex]
        code.builtinCode = code.deprecatedBuiltinCode = BuiltinOperator.ARG_MIN

    bundle = changed(tmp_path, smallest)
    info = read_manifest(bundle).engine("image")
    info = replace(info, files=(FileInfo.of(bundle, "image.tflite"),))
    assert TARGET.cut_op(info, bundle, 1, tmp_path) == Missing(MissingPart.GROUPING_NODE)


def test_another_eps_in_a_file_is_found(tmp_path: Path) -> None:
    def no_eps(graph: Any) -> None:
        for op in of_kind(graph, "ADD"):
            tensor = graph.graph.tensors[op.inputs[1]]
            if len(graph.shape(int(op.inputs[1]))) == 0:
                buffer = graph.model.buffers[tensor.buffer]
                if np.asarray(buffer.data, np.uint8).view("<f4")[0] == 1.0:
                    buffer.data = np.zeros(4, np.uint8)

    bundle = changed(tmp_path, no_eps)
    info = read_manifest(bundle).engine("image")
    info = replace(info, files=(FileInfo.of(bundle, "image.tflite"),))
    grouping = isolate(info, bundle, 2, tmp_path, EngineOptions())
    assert not isinstance(grouping, Missing)
    case = operator_cases(*SIZES[0])[0]
    found = compare_operator(case, grouping[0](case.query, case.tokens, case.bias), 1.0, budget=1e-3)
    assert found.means_error[0] > 0.01


def test_quantized_layers_are_known_by_the_signs_of_their_weights() -> None:
    """Whatever a graph calls them, and though it smoothed, rounded and transposed them."""
    graph = Graph((BUNDLE / "image.tflite").read_bytes())
    layers = [op for op in of_kind(graph, "FULLY_CONNECTED") if graph.is_constant(int(op.inputs[1]))]
    wanted = layers[1::2]
    nodes, weights = [], []
    for number, op in enumerate(wanted):
        values = graph.values(int(op.inputs[1])).T
        smoothed = values * np.linspace(0.5, 2, len(values))[:, None]
        rounded = np.rint(smoothed / np.abs(smoothed).max() * 63).astype(np.int8)
        weights.append(numpy_helper.from_array(rounded, f"w{number}"))
        nodes.append(helper.make_node("DequantizeLinear", [f"w{number}", "scale"], [f"d{number}"]))
    model = helper.make_model(helper.make_graph(nodes, "quantized", [], [], weights))
    names = [graph.graph.tensors[op.outputs[0]].name.decode() for op in wanted]
    assert quantized_layers(graph, model) == [("FULLY_CONNECTED", name) for name in names]
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.ones((7, 7), np.int8), "w0"))
    refused(ExportError, lambda: quantized_layers(graph, model), "w0")


def test_a_batch_has_an_image() -> None:
    with pytest.raises(UsageError, match="at least one image"):
        TARGET.check(LiteRTOptions(batch=0))


def test_a_missing_converter_is_named_with_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "is_there", lambda name: name != "litert_torch")
    refused(MissingDependencyError, TARGET.require, "litert_torch", "make litert")
    (state,) = TARGET.requirements()
    assert not state.export and "make litert" in state.fix
