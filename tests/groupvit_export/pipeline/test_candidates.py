"""What `--precision`, `--also` and `--for` build and keep; processors are given by their flags."""

from __future__ import annotations

import re

import pytest

from groupvit_export.errors import UsageError
from groupvit_export.pipeline.candidates import PROCESSORS, PrecisionPlan, PrecisionRequest, plan_precisions
from groupvit_export.pipeline.choose_precision import choose_precision, fastest_first
from groupvit_export.provenance import PrecisionRow

_AVX2 = ("ssse3", "avx2")
_VNNI = (*_AVX2, "avx512bw", "avx512_vnni")
_ZEN = (*_VNNI, "avx512_bf16")
_AMX = (*_ZEN, "amx_bf16", "amx_int8")


@pytest.mark.parametrize(
    ("target", "flags", "order"),
    [
        ("openvino", _AMX, ("int8", "bf16", "fp32")),
        ("openvino", _ZEN, ("int8", "bf16", "fp32")),
        ("openvino", _VNNI, ("int8", "fp32")),
        ("openvino", _AVX2, ("fp32",)),
        ("openvino", (), ("fp32",)),
        ("onnx", _AMX, ("int8", "fp32")),
        ("onnx", ("asimd", "asimddp"), ("int8", "fp32")),
        ("web", _AMX, ("w16", "fp32")),
        ("web", (), ("w16", "fp32")),
        ("torch", _AMX, ("fp32",)),
        ("trt", _AMX, ("fp16", "fp32")),
    ],
)
def test_what_is_native_is_built(target: str, flags: tuple[str, ...], order: tuple[str, ...]) -> None:
    plan = plan_precisions(PrecisionRequest(target, "auto"), flags)
    assert plan.order == order and plan.required == () and plan.timed == (target not in ("trt", "web"))


@pytest.mark.parametrize(
    ("kind", "flags", "order", "timed"),
    [
        ("avx2", _AMX, ("fp32",), False),
        ("vnni", _AVX2, ("int8", "fp32"), False),
        ("vnni", _ZEN, ("int8", "fp32"), True),
        ("amx", _ZEN, ("int8", "bf16", "fp32"), False),
        ("amx", _AMX, ("int8", "bf16", "fp32"), True),
        ("vnni", _AMX, ("int8", "fp32"), False),
        ("arm64", _AMX, ("int8", "fp32"), False),
        ("arm64", (), ("int8", "fp32"), False),
    ],
)
def test_for_another_processor_nothing_is_timed(
    kind: str, flags: tuple[str, ...], order: tuple[str, ...], timed: bool
) -> None:
    plan = plan_precisions(PrecisionRequest("openvino", "auto", processor=kind), flags)
    assert (plan.order, plan.timed, plan.processor) == (order, timed, kind)


@pytest.mark.parametrize(
    ("precision", "also", "order", "required"),
    [
        ("fp32", (), ("fp32",), ("fp32",)),
        ("int8", (), ("int8",), ("int8",)),
        ("fp32", ("int8",), ("int8", "fp32"), ("fp32", "int8")),
        ("bf16", ("fp32", "int8"), ("bf16", "int8", "fp32"), ("bf16", "fp32", "int8")),
        ("auto", ("fp32",), ("int8", "fp32"), ("fp32",)),
        ("auto", ("bf16",), ("int8", "bf16", "fp32"), ("fp32", "bf16")),
    ],
)
def test_what_is_asked_for_is_required(
    precision: str, also: tuple[str, ...], order: tuple[str, ...], required: tuple[str, ...]
) -> None:
    plan = plan_precisions(PrecisionRequest("openvino", precision, also), _VNNI)
    assert (plan.order, plan.required) == (order, required)
    assert plan.single == (precision != "auto" and not also)


def test_of_one_candidate_nothing_is_chosen_and_what_decodes_in_the_graph_is_not_int8() -> None:
    alone = plan_precisions(PrecisionRequest("openvino"), _AVX2)
    assert alone.single
    assert (
        alone.nothing_to_choose("openvino")
        == "fp32 is the only candidate for avx2; --precision builds others"
    )
    assert plan_precisions(PrecisionRequest("openvino"), _AMX).nothing_to_choose("openvino") is None
    one = plan_precisions(PrecisionRequest("torch"), _AMX)
    assert one.single and one.nothing_to_choose("torch") is None
    decoding = plan_precisions(PrecisionRequest("openvino", decode_in_graph=True), _ZEN)
    assert decoding.order == ("bf16", "fp32")


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (PrecisionRequest("openvino", "int8", ("bf16",)), "--also fp32,bf16"),
        (PrecisionRequest("torch", "fp32", ("int8",)), "no such precision"),
        (PrecisionRequest("openvino", "fp32", ("auto",)), "no such precision"),
        (PrecisionRequest("openvino", "fp32", processor="amx"), "--for with --precision auto"),
        (PrecisionRequest("openvino", "auto", processor="sse"), " or ".join(PROCESSORS)),
        (PrecisionRequest("torch", "auto", processor="amx"), "bound to where they are built"),
        (PrecisionRequest("web", "auto", processor="amx"), "the same for every processor"),
        (PrecisionRequest("trt", "auto", processor="amx"), "bound to where they are built"),
    ],
)
def test_contradictions_are_refused(request_: PrecisionRequest, said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        plan_precisions(request_, _AMX)


def _plan(*, timed: bool) -> PrecisionPlan:
    return PrecisionPlan(("int8", "bf16", "fp32"), (), True, timed, "avx512_vnni")


def _row(precision: str, ratio: float | None, verdict: str = "PASS", spread: float = 0.02) -> PrecisionRow:
    return PrecisionRow(precision, verdict, 80.0, 99.0, ratio, "", ratio, spread)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rows", "chosen", "words"),
    [
        (
            (_row("fp32", 1.0), _row("int8", 0.37), _row("bf16", 0.41)),
            "int8",
            "int8 0.37x, bf16 0.41x, fp32 1.00x: int8 chosen, the fastest that passes",
        ),
        (
            (_row("fp32", 1.0), _row("int8", 0.37, "FAIL"), _row("bf16", 0.41)),
            "bf16",
            "int8 not (its verdict is FAIL), bf16 0.41x, fp32 1.00x: bf16 chosen, the fastest that passes",
        ),
        (
            (_row("fp32", 1.0), _row("int8", 0.5, "AMBIGUOUS"), _row("bf16", 1.2)),
            "fp32",
            "int8 not (its verdict is AMBIGUOUS), bf16 1.20x, fp32 1.00x: fp32 chosen, for nothing that "
            "passes is faster beyond the spread",
        ),
        (
            (_row("fp32", 1.0), _row("bf16", 0.99)),
            "fp32",
            "int8 not (the budget cannot be met), bf16 0.99x, fp32 1.00x: fp32 chosen, for nothing that "
            "passes is faster beyond the spread",
        ),
    ],
)
def test_the_fastest_that_passes_is_chosen(rows: tuple[PrecisionRow, ...], chosen: str, words: str) -> None:
    found = choose_precision(_plan(timed=True), rows, {"int8": "the budget cannot be met"})
    assert (found.chosen, found.words) == (chosen, words)


@pytest.mark.parametrize(
    ("rows", "chosen", "words"),
    [
        (
            (_row("fp32", None), _row("int8", None)),
            "int8",
            "int8 PASS, bf16 not (not built: int8 comes first), fp32 PASS: int8 chosen, by the rule for "
            "avx512_vnni, nothing timed",
        ),
        (
            (_row("fp32", None), _row("int8", None, "FAIL"), _row("bf16", None)),
            "bf16",
            "int8 not (its verdict is FAIL), bf16 PASS, fp32 PASS: bf16 chosen, by the rule for avx512_vnni, "
            "nothing timed",
        ),
    ],
)
def test_without_times_the_rule_decides(rows: tuple[PrecisionRow, ...], chosen: str, words: str) -> None:
    found = choose_precision(_plan(timed=False), rows, {"bf16": "not built: int8 comes first"})
    assert (found.chosen, found.words) == (chosen, words)


def test_the_order_that_runtimes_are_told() -> None:
    rows = (_row("fp32", 1.0), _row("int8", 0.37), _row("bf16", 0.41))
    assert fastest_first(rows, ("fp32", "bf16", "int8")) == ("int8", "bf16", "fp32")
    assert fastest_first(rows, ("fp32", "bf16")) == ("bf16", "fp32")
    # What is within the spread of float32, and what is another model, is never taken in place of it.
    slow = (_row("fp32", 1.0), _row("int8", 0.37, "FAIL"), _row("bf16", 0.99))
    assert fastest_first(slow, ("fp32", "bf16", "int8"))[0] == "fp32"
    assert fastest_first((_row("fp32", None), _row("int8", None)), ("fp32", "int8")) == ()
    assert fastest_first(rows, ("fp32",)) == ()
