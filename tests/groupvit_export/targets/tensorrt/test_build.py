"""TensorRT-RTX itself, which builds without a GPU: plans, profiles, what its parser makes of the graphs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper
from planted import body_node, set_attribute

from groupvit_export.errors import ExportError
from groupvit_export.graph.precision import in_precision
from groupvit_export.targets.inspection import DecisionFault, NetworkFacts, WrongDecision
from groupvit_export.targets.tensorrt.choose import Choice, choose_flavor
from groupvit_export.targets.tensorrt.network import network_facts, parse
from groupvit_export.targets.tensorrt.options import Bounds, TrtOptions
from groupvit_export.targets.tensorrt.plan import build_plan, plan_facts, profiles_of
from groupvit_export.verification.checks.network import cells_of
from groupvit_export.verification.details import WrongDecisions
from groupvit_export.verification.rows import RowKey, RowKind
from groupvit_runtime.engines.tensorrt_flavors import logger_of

trt = pytest.importorskip(
    "tensorrt_rtx", reason="TensorRT-RTX is not installed; it is not made for this system"
)

OPTIONS = TrtOptions(flavor="rtx")


@pytest.fixture(scope="module")
def choice() -> Choice:
    return choose_flavor(OPTIONS)


@pytest.fixture(scope="module")
def graphs(demo_bundles: Mapping[str, Path]) -> dict[str, onnx.ModelProto]:
    return {role: onnx.load(demo_bundles["onnx"] / f"{role}.onnx") for role in ("image", "text")}


def facts_of(model: onnx.ModelProto, stages: int) -> NetworkFacts:
    parsed = parse(trt, logger_of(trt), model)
    return network_facts(trt, parsed.network, stages)


@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
def test_the_parsed_network_is_the_graph(graphs, precision: str) -> None:
    for role, stages in (("image", 2), ("text", 0)):
        model = in_precision(graphs[role], precision).model
        facts = facts_of(model, stages)
        norms = sum(node.op_type == "LayerNormalization" for node in model.graph.node)
        assert facts.normalizations == norms > 0
        assert facts.unread_casts == facts.round_trips == ()
        assert facts.wrong_decisions == ()
        half = {"fp32": set(), "fp16": {"HALF"}, "bf16": {"BF16"}}[precision]
        assert set(facts.dtypes) - {"FLOAT", "INT32", "INT64", "BOOL"} == half


def plant(change: Callable[[onnx.ModelProto], None], model: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    change(copy)
    return copy


def last_of_ties(model: onnx.ModelProto) -> None:
    set_attribute(body_node(model, "winner"), "select_last_index", 1)


def decides_after_the_softmax(model: onnx.ModelProto) -> None:
    body_node(model, "winner").input[0] = "soft"


def decides_in_half(model: onnx.ModelProto) -> None:
    (function,) = model.functions
    position = next(i for i, node in enumerate(function.node) if node.output[0] == "winner")
    function.node.insert(position, helper.make_node("Cast", ["logits"], ["narrow"], to=TensorProto.FLOAT16))
    function.node[position + 1].input[0] = "narrow"


FAULTS = {
    "made otherwise": (last_of_ties, DecisionFault.MADE_OTHERWISE, ("ELEMENTWISE",)),
    "other values": (decides_after_the_softmax, DecisionFault.OTHER_VALUES, ()),
    "in half": (decides_in_half, DecisionFault.NOT_FLOAT32, ("HALF",)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_decision_that_is_taken_otherwise_is_found_without_running_it(graphs, fault: str) -> None:
    change, kind, names = FAULTS[fault]
    facts = facts_of(plant(change, graphs["image"]), 2)
    assert facts.wrong_decisions == tuple(WrongDecision(stage, kind, names) for stage in (1, 2))
    cell = cells_of({"image": facts}, facts.normalizations)[RowKey(RowKind.NETWORK_DECISIONS)]
    assert cell.verdict == "FAIL" and cell.detail == WrongDecisions(facts.wrong_decisions)


def test_a_layer_norm_that_is_taken_apart_is_found(graphs) -> None:
    facts = facts_of(graphs["image"], 2)
    cell = cells_of({"image": facts}, facts.normalizations + 1)[RowKey(RowKind.NETWORK_LAYER_NORMS)]
    assert cell.verdict == "FAIL" and cell.value == 1


def test_casts_that_only_lose_bits_are_found(graphs) -> None:
    def round_trip(model: onnx.ModelProto) -> None:
        node = next(node for node in model.graph.node if node.op_type == "Gelu")
        position = list(model.graph.node).index(node)
        source = node.input[0]
        node.input[0] = "back"
        for name, (a, b, to) in {
            "narrow": (source, "narrow", TensorProto.FLOAT16),
            "back": ("narrow", "back", TensorProto.FLOAT),
            "unread": (source, "unread", TensorProto.FLOAT16),
        }.items():
            model.graph.node.insert(position, helper.make_node("Cast", [a], [b], name=name, to=to))
            position += 1

    facts = facts_of(plant(round_trip, graphs["image"]), 2)
    assert len(facts.round_trips) == 1 and len(facts.unread_casts) == 1
    assert cells_of({"image": facts}, facts.normalizations)[RowKey(RowKind.NETWORK_CASTS)].value == 2


def test_a_graph_that_the_parser_does_not_know_names_the_node(graphs) -> None:
    def unknown(model: onnx.ModelProto) -> None:
        del model.functions[:]

    with pytest.raises(ExportError, match=r"parser refuses(.|\n)*grouping_1(.|\n)*Plugin not found"):
        facts_of(plant(unknown, graphs["image"]), 2)


def build(graphs, role: str, choice: Choice, options: TrtOptions = OPTIONS, report=None) -> bytes:
    profiles = profiles_of(graphs[role], options.batch, Bounds(2, 8, 16))
    return build_plan(graphs[role], profiles, choice, options, report or (lambda *said: None))


def test_a_plan_is_built_and_says_how_far_it_is(graphs, choice: Choice) -> None:
    said: list[tuple[str, float, float]] = []
    plan = build(graphs, "text", choice, report=lambda *report: said.append(report))
    weights = sum(tensor.ByteSize() for tensor in graphs["text"].graph.initializer)
    assert weights < len(plan) < 10 * weights
    shares = [share for _, share, _ in said]
    assert shares == sorted(shares) and shares[0] >= 0 and 0.8 < shares[-1] <= 1
    assert len({phase for phase, _, _ in said}) > 3


def test_profiles_are_of_the_open_dimensions(graphs) -> None:
    (image,) = profiles_of(graphs["image"], Bounds(1, 2, 4), Bounds(2, 8, 16))
    (text,) = profiles_of(graphs["text"], Bounds(1, 2, 4), Bounds(2, 8, 16))
    assert (image.min, image.opt, image.max) == tuple((b, 3, 224, 224) for b in (1, 2, 4))
    assert (text.min, text.opt, text.max) == ((1, 2), (2, 8), (4, 16))
    facts = plan_facts((image,), choose_flavor(OPTIONS), OPTIONS, "command")
    assert (facts.flavor, facts.version, facts.compute_capabilities) == ("rtx", trt.__version__, ())


def test_it_can_be_narrowed_to_gpus(graphs) -> None:
    options = TrtOptions(flavor="rtx", compute_capabilities=("8.9", "12.0"))
    choice = choose_flavor(options)
    assert len(build(graphs, "text", choice, options)) > 0
    profiles = profiles_of(graphs["text"], options.text_batch, Bounds(2, 8, 16))
    assert plan_facts(profiles, choice, options, "command").compute_capabilities == ("8.9", "12.0")


def test_what_the_builder_refuses_is_one_message(graphs) -> None:
    # Turing has no float32 products in TensorRT-RTX; only the builder knows.
    options = TrtOptions(flavor="rtx", compute_capabilities=("7.5",))
    with pytest.raises(ExportError, match=r"cannot build the engine(.|\n)*FP32 GEMM is not supported"):
        build(graphs, "text", choose_flavor(options), options)


@pytest.mark.slow
def test_quantized_graphs_build_too(graphs, choice: Choice, tmp_path: Path) -> None:
    """Q/DQ as ONNX Runtime's own quantizer writes it."""
    import numpy as np
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Images(CalibrationDataReader):
        def __init__(self) -> None:
            shape = (1, 3, 224, 224)
            self._left = [{"pixel_values": np.random.default_rng(0).normal(size=shape).astype(np.float32)}]

        def get_next(self):
            return self._left.pop() if self._left else None

    from groupvit_export.graph.grouping_attention_function import inlined

    plain = inlined(graphs["image"])
    onnx.save_model(plain, tmp_path / "plain.onnx")
    # The masks read the soft maps.
    own = {node.name for node in graphs["image"].graph.node if "soft_map_1" not in node.input}
    quantize_static(
        tmp_path / "plain.onnx",
        tmp_path / "int8.onnx",
        Images(),
        quant_format=QuantFormat.QDQ,
        activation_type=QuantType.QInt8,
        weight_type=QuantType.QInt8,
        op_types_to_quantize=["MatMul", "Gemm"],
        # What decides stays as it is; the check below finds it otherwise.
        nodes_to_exclude=[node.name for node in plain.graph.node if node.name not in own],
        # TensorRT takes no zero points but 0, and no quantized biases.
        extra_options={"ActivationSymmetric": True, "WeightSymmetric": True, "QuantizeBias": False},
    )
    model = onnx.load(tmp_path / "int8.onnx")
    facts = facts_of(model, 2)
    assert facts.layers["QUANTIZE"] > 50 and not facts.wrong_decisions
    assert len(build({"image": model}, "image", choice)) > 0


_INTERRUPTED = """
import signal, sys
from groupvit_export.cli import main
# Shells start what runs in the background with it ignored, and children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(main(["export", "--target", "trt", "--precision", "fp32", "--trt-flavor", "rtx", "-o", sys.argv[1]]))
"""


@pytest.mark.slow
def test_ctrl_c_ends_a_build_and_leaves_nothing(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _INTERRUPTED, str(tmp_path / "bundle")],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    assert process.stderr is not None
    watchdog = threading.Timer(120, process.kill)
    watchdog.start()
    for line in process.stderr:
        if line.startswith("build the trt engines"):
            break
    time.sleep(0.5)
    os.kill(process.pid, signal.SIGINT)
    rest = process.stderr.read()
    watchdog.cancel()
    assert process.wait() == 130, rest
    assert "interrupted" in rest and "Traceback" not in rest
    assert list(tmp_path.iterdir()) == []
