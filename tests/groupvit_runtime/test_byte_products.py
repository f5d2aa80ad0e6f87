"""int8 on processors that this machine's is not: the flags are given."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from groupvit_runtime import Segmenter, load_checks
from groupvit_runtime.byte_products import INSTRUCTION_SETS, InstructionSet, instruction_set, int8_caution
from groupvit_runtime.engines import EngineOptions
from groupvit_runtime.engines.onnxruntime import OnnxRuntimeEngine
from groupvit_runtime.errors import PrecisionWarning
from groupvit_runtime.manifest import EngineInfo, QuantizationInfo, read_manifest

_COMMON = ("fpu", "sse2", "ssse3", "avx", "fma")
_AVX2 = (*_COMMON, "avx2")
_AVX512 = (*_AVX2, "avx512f", "avx512bw", "avx512vl")


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
    found = instruction_set(flags)
    assert found is not None and (found.flag, found.exact) == (flag, exact)


def test_of_a_processor_without_flags_nothing_is_known() -> None:
    assert instruction_set(()) is None


def _engine(target: str, precision: str = "int8", quantization: QuantizationInfo | None = None) -> EngineInfo:
    return EngineInfo("image", target, precision, (), (), (), {}, "any", quantization=quantization)


_PROVEN = QuantizationInfo("avx512_vnni", never_saturates=True)


@pytest.mark.parametrize(
    ("target", "flags", "has", "speed"),
    [
        ("openvino", _AVX2, "AVX2 without VNNI", "is faster"),
        ("openvino", _AVX512, "AVX-512 without VNNI", "may be as fast"),
        ("onnx", _AVX2, "AVX2 without VNNI", "may be as fast"),
    ],
)
def test_without_vnni_float32_is_recommended(
    target: str, flags: tuple[str, ...], has: str, speed: str
) -> None:
    said = int8_caution("demo", _engine(target, quantization=_PROVEN), None, instruction_set(flags))
    assert said == (
        "bundle 'demo' is int8, judged on avx512_vnni, "
        f"and this processor has {has}: its label maps are what was judged, and float32 {speed} here. "
        f"Try a bundle in float32: groupvit export --target {target}"
    )


@pytest.mark.parametrize("quantization", [None, QuantizationInfo()])
def test_of_an_older_bundle_nothing_is_proven(quantization: QuantizationInfo | None) -> None:
    said = int8_caution("demo", _engine("onnx", "int8", quantization), "cpu", instruction_set(_AVX512))
    assert said is not None and "AVX-512 without VNNI" in said
    assert "may saturate here" in said and "an instruction set that it does not name" in said


_WITHOUT = instruction_set(_AVX2)


@pytest.mark.parametrize(
    ("engine", "device", "found"),
    [
        (_engine("openvino"), None, known)
        for known in (*INSTRUCTION_SETS, None)
        if known is None or known.exact
    ]
    + [
        (_engine("openvino", "fp32"), None, _WITHOUT),
        (_engine("onnx"), "cuda", _WITHOUT),
        (_engine("trt"), None, _WITHOUT),
    ],
)
def test_elsewhere_there_is_nothing_to_say(
    engine: EngineInfo, device: str | None, found: InstructionSet | None
) -> None:
    assert int8_caution("demo", engine, device, found) is None


@pytest.fixture
def called_int8(demo_bundles: Mapping[str, Path], tmp_path: Path) -> Path:
    """A bundle whose manifest says int8: what is warned of is in the manifest."""
    bundle = shutil.copytree(demo_bundles["openvino"], tmp_path / "bundle")
    manifest = read_manifest(bundle)
    image = replace(manifest.engine("image"), precision="int8", quantization=_PROVEN)
    manifest = replace(manifest, engines=(image, manifest.engine("text")))
    (bundle / "manifest.json").write_text(manifest.to_text(), encoding="utf-8")
    return bundle


@pytest.mark.parametrize(("precision", "expected"), [("int8", "1"), ("fp32", None)])
def test_onnxruntime_is_told_to_avoid_saturation(
    demo_bundles: Mapping[str, Path], precision: str, expected: str | None
) -> None:
    engine = replace(read_manifest(demo_bundles["onnx"]).engine("image"), precision=precision)
    options = OnnxRuntimeEngine(engine, demo_bundles["onnx"], EngineOptions())._session.get_session_options()
    if expected is None:
        with pytest.raises(RuntimeError):
            options.get_session_config_entry("session.x64quantprecision")
    else:
        assert options.get_session_config_entry("session.x64quantprecision") == expected


@pytest.mark.parametrize("flags", [_AVX2, (*_AVX2, "avx_vnni")])
def test_loading_warns_once(
    called_int8: Path, monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...]
) -> None:
    monkeypatch.setattr(load_checks, "this_instruction_set", lambda: instruction_set(flags))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        # The text engine, too.
        Segmenter.load(called_int8).vocabulary(["sky"])
    said = [warning for warning in caught if warning.category is PrecisionWarning]
    assert len(said) == (flags == _AVX2)
    assert all(
        warning.filename == __file__ and "float32 is faster" in str(warning.message) for warning in said
    )
