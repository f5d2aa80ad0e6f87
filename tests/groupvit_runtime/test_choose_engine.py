"""Which image engine runs, by the flags of processors that this machine's is not."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bad_bundles import edit_manifest
from damaged_bundles import full_manifest
from several_engines import with_alternatives

from groupvit_runtime import Segmenter
from groupvit_runtime.choose_engine import choose_image_engine
from groupvit_runtime.engines import EngineOptions
from groupvit_runtime.errors import BundleError, UsageError
from groupvit_runtime.instruction_sets import byte_products, instruction_sets
from groupvit_runtime.manifest import Manifest, MeasuredInfo, parse_manifest, read_manifest
from groupvit_runtime.open_bundle import open_bundle

_COMMON = ("fpu", "sse2", "ssse3", "avx", "fma")
_AVX2 = (*_COMMON, "avx2")
_AVX512 = (*_AVX2, "avx512f", "avx512bw", "avx512vl")
_VNNI = (*_AVX512, "avx512_vnni")
_ZEN = (*_VNNI, "avx512_bf16")
_AMX = (*_ZEN, "amx_tile", "amx_bf16", "amx_int8")
_ARM = ("fp", "asimd", "asimddp")


@pytest.mark.parametrize(
    ("flags", "flag", "exact"),
    [
        ((*_AVX512, "avx512_vnni", "amx_int8"), "amx_int8", True),
        ((*_AVX512, "avx512_vnni", "avx_vnni"), "avx512_vnni", True),
        ((*_AVX2, "avx_vnni"), "avx_vnni", True),
        (_AVX512, "avx512bw", False),
        (_AVX2, "avx2", False),
        (_COMMON, "ssse3", False),
        (("fp", "asimd", "asimddp", "i8mm"), "i8mm", True),
        (("fp", "asimd", "asimddp"), "asimddp", True),
        (("fp", "asimd"), "asimd", True),
    ],
)
def test_the_best_that_a_processor_has(flags: tuple[str, ...], flag: str, exact: bool) -> None:
    found = byte_products(flags)
    assert found is not None and (found.flag, found.exact) == (flag, exact)


def test_of_a_processor_without_flags_nothing_is_known() -> None:
    assert byte_products(()) is None


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (_AMX, ("amx_int8", "amx_bf16")),
        (_ZEN, ("avx512_vnni", "avx512_bf16")),
        (_VNNI, ("avx512_vnni",)),
        (_ARM, ("asimddp",)),
        ((), ()),
    ],
)
def test_what_speed_depends_on(flags: tuple[str, ...], expected: tuple[str, ...]) -> None:
    assert instruction_sets(flags) == expected


def _several(target: str, *precisions: str, measured: MeasuredInfo | None = None) -> Manifest:
    whole = full_manifest()
    image = replace(whole.engine("image"), target=target, precision="fp32")
    return replace(
        whole.with_image_engine(image),
        alternatives=tuple(replace(image, precision=precision) for precision in precisions),
        measured=measured,
    )


@pytest.mark.parametrize(
    ("target", "device", "flags", "expected"),
    [
        ("openvino", None, _AMX, "int8"),
        ("openvino", None, _VNNI, "int8"),
        ("openvino", None, _ARM, "int8"),
        ("openvino", None, (*_AVX512, "avx512_bf16"), "bf16"),
        ("openvino", None, _AVX512, "fp32"),
        ("openvino", None, _AVX2, "fp32"),
        ("openvino", None, (), "fp32"),
        ("onnx", None, _VNNI, "int8"),
        ("onnx", "cpu", (*_AVX512, "avx512_bf16"), "fp32"),
        ("onnx", "cuda", _VNNI, "bf16"),
        ("trt", None, _AVX2, "bf16"),
    ],
)
def test_by_the_rule(target: str, device: str | None, flags: tuple[str, ...], expected: str) -> None:
    choice = choose_image_engine(_several(target, "bf16", "int8"), None, device, flags)
    assert choice.engine.precision == expected
    assert choice.why is not None and choice.why.startswith(
        f"{expected} of fp32, bf16, int8, by the rule for "
    )


@pytest.mark.parametrize(
    ("flags", "expected", "why"),
    [
        (_ZEN, "bf16", "bf16 of fp32, int8, bf16, the fastest at export on avx512_vnni and avx512_bf16"),
        # What was measured on one processor says nothing of another.
        (_VNNI, "int8", "int8 of fp32, int8, bf16, by the rule for avx512_vnni"),
        (_AVX2, "fp32", "fp32 of fp32, int8, bf16, by the rule for avx2"),
        ((), "fp32", "fp32 of fp32, int8, bf16, by the rule for an unknown processor"),
    ],
)
def test_measured_on_the_same_instruction_sets(flags: tuple[str, ...], expected: str, why: str) -> None:
    measured = MeasuredInfo(("avx512_vnni", "avx512_bf16"), ("bf16", "int8", "fp32"))
    choice = choose_image_engine(_several("openvino", "int8", "bf16", measured=measured), None, None, flags)
    assert (choice.engine.precision, choice.why) == (expected, why)


def test_float32_may_be_the_fastest_that_was_measured() -> None:
    measured = MeasuredInfo(("avx512_vnni",), ("fp32", "int8"))
    choice = choose_image_engine(_several("openvino", "int8", measured=measured), None, None, _VNNI)
    assert choice.engine.precision == "fp32"


@pytest.mark.parametrize("precision", ["fp32", "int8", "bf16"])
def test_what_is_asked_for_is_taken(precision: str) -> None:
    choice = choose_image_engine(_several("openvino", "int8", "bf16"), precision, None, _AVX2)
    assert choice.engine.precision == precision
    assert choice.why == f"{precision} of fp32, int8, bf16, as asked"


def test_what_is_not_there_is_refused() -> None:
    with pytest.raises(
        UsageError, match=r"no image engine of this precision[\s\S]*fp32 or int8[\s\S]*fp32,bf16"
    ):
        choose_image_engine(_several("openvino", "int8"), "bf16", None, _AMX)


def test_the_only_one_is_taken_without_a_word() -> None:
    int8 = full_manifest().alternatives[0]
    choice = choose_image_engine(full_manifest().with_image_engine(int8), None, None, _AVX2)
    assert choice.engine is int8 and choice.why is None


@pytest.fixture
def several(demo_bundles: Mapping[str, Path], tmp_path: Path) -> Path:
    return with_alternatives(demo_bundles["openvino"], tmp_path / "bundle", "int8")


@pytest.mark.parametrize(("flags", "expected"), [(_VNNI, "int8"), (_AVX2, "fp32")])
def test_a_segmenter_says_which(several: Path, flags: tuple[str, ...], expected: str) -> None:
    segmenter = Segmenter(open_bundle(several), EngineOptions(), None, None, flags=flags)
    assert segmenter.image_engine.precision == expected
    assert f"; {expected} of fp32, int8, by the rule for {flags[-1]}" in segmenter.engine_description


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_choice_is_forced_also_where_it_is_unpickled(several: Path, scenes, precision: str) -> None:
    segmenter = Segmenter.load(several, precision=precision)
    there = pickle.loads(pickle.dumps(segmenter))
    for each in (segmenter, there):
        assert each.engine_description.endswith(f"; {precision} of fp32, int8, as asked")
        assert len(each.manifest.image_engines) == 2
    # Both are the same graph here.
    assert np.array_equal(segmenter(scenes.image(0), ["sky"]).labels, there(scenes.image(0), ["sky"]).labels)


def test_files_of_every_engine_are_checked(several: Path) -> None:
    (several / "int8" / "image.bin").write_bytes(b"")
    with pytest.raises(BundleError, match="int8/image.bin"):
        open_bundle(several)


def test_runtimes_of_schema_5_2_take_float32(several: Path) -> None:
    """They pass over the fields that they do not know, and read the rest as this does."""
    edit_manifest(several, lambda value: [value.pop(name) for name in ("alternatives", "measured")])
    manifest = read_manifest(several)
    assert manifest.engine("image").precision == "fp32"
    assert manifest.alternatives == () and manifest.measured is None


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda m: replace(m, alternatives=m.alternatives * 2), "precisions of the image engines"),
        (lambda m: replace(m, alternatives=(replace(m.alternatives[0], role="text"),)), "engine"),
        (lambda m: replace(m, alternatives=(replace(m.alternatives[0], files=()),)), "alternatives.role"),
        (
            lambda m: replace(m, alternatives=(replace(m.alternatives[0], target="onnx"),)),
            "alternatives.target",
        ),
        (
            lambda m: replace(m, alternatives=(replace(m.alternatives[0], normalizes=None),)),
            "alternatives.normalizes",
        ),
        (
            lambda m: replace(m, engines=(replace(m.engines[0], precision="bf16"), m.engines[1])),
            "alternatives",
        ),
        (lambda m: replace(m, engines=(m.engines[1],)), "alternatives"),
        (
            lambda m: replace(m, measured=MeasuredInfo(("avx2",), ("fp32", "bf16"))),
            "measured.fastest_first",
        ),
    ],
)
def test_what_contradicts_itself_is_refused(change, where: str) -> None:
    parse_manifest(full_manifest().to_text(), "here")
    with pytest.raises(BundleError, match=f"{where}.* contradicts the rest"):
        parse_manifest(change(full_manifest()).to_text(), "here")
