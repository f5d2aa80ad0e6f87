"""int8 and bf16 on processors that this machine's is not: the flags are given."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from damaged_bundles import full_manifest

from groupvit_runtime import Segmenter, load_checks
from groupvit_runtime.engines import EngineOptions
from groupvit_runtime.engines.onnxruntime import OnnxRuntimeEngine
from groupvit_runtime.errors import PrecisionWarning
from groupvit_runtime.instruction_sets import INSTRUCTION_SETS
from groupvit_runtime.manifest import EngineInfo, QuantizationInfo, read_manifest
from groupvit_runtime.precision_cautions import precision_caution

_COMMON = ("fpu", "sse2", "ssse3", "avx", "fma")
_AVX2 = (*_COMMON, "avx2")
_AVX512 = (*_AVX2, "avx512f", "avx512bw", "avx512vl")


def _engine(target: str, precision: str = "int8", quantization: QuantizationInfo | None = None) -> EngineInfo:
    return EngineInfo("image", target, precision, (), (), (), {}, "any", quantization=quantization)


def _caution(engine: EngineInfo, device: str | None, flags: tuple[str, ...]) -> str | None:
    manifest = full_manifest().with_image_engine(engine)
    return precision_caution(replace(manifest, name="demo"), engine, device, flags)


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
    said = _caution(_engine(target, quantization=_PROVEN), None, flags)
    assert said == (
        "bundle 'demo' is int8, judged on avx512_vnni, "
        f"and this processor has {has}: its label maps are what was judged, and float32 {speed} here. "
        f"Try a bundle in float32: groupvit export --target {target}"
    )


@pytest.mark.parametrize("quantization", [None, QuantizationInfo()])
def test_of_an_older_bundle_nothing_is_proven(quantization: QuantizationInfo | None) -> None:
    said = _caution(_engine("onnx", "int8", quantization), "cpu", _AVX512)
    assert said is not None and "AVX-512 without VNNI" in said
    assert "may saturate here" in said and "an instruction set that it does not name" in said


@pytest.mark.parametrize(
    ("engine", "device", "flags"),
    [(_engine("openvino"), None, (known.flag,)) for known in INSTRUCTION_SETS if known.exact]
    + [
        (_engine("openvino"), None, ()),
        (_engine("openvino", "fp32"), None, _AVX2),
        (_engine("onnx"), "cuda", _AVX2),
        (_engine("trt"), None, _AVX2),
        (_engine("openvino", "bf16"), None, ()),
        (_engine("openvino", "bf16"), None, (*_AVX512, "avx512_bf16")),
        (_engine("openvino", "bf16"), None, (*_AVX512, "amx_bf16")),
        (_engine("onnx", "bf16"), None, _AVX512),
    ],
)
def test_elsewhere_there_is_nothing_to_say(
    engine: EngineInfo, device: str | None, flags: tuple[str, ...]
) -> None:
    assert _caution(engine, device, flags) is None


def test_emulated_bf16_is_told() -> None:
    assert _caution(_engine("openvino", "bf16"), None, (*_AVX512, "avx512_vnni")) == (
        "bundle 'demo' is bf16, and this processor has neither AMX nor AVX-512 BF16: it is emulated, and "
        "float32 is faster here. Try a bundle in float32: groupvit export --target openvino"
    )


def test_of_several_engines_the_other_is_recommended() -> None:
    manifest = full_manifest()
    int8 = replace(manifest.alternatives[0], target="openvino")
    said = precision_caution(manifest, int8, None, _AVX2)
    assert said is not None and said.endswith(
        "It is in this bundle, too: leave the precision away, or ask for fp32"
    )


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
    monkeypatch.setattr(load_checks, "processor_flags", lambda: frozenset(flags))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        # The text engine, too.
        Segmenter.load(called_int8).vocabulary(["sky"])
    said = [warning for warning in caught if warning.category is PrecisionWarning]
    assert len(said) == (flags == _AVX2)
    assert all(
        warning.filename == __file__ and "float32 is faster" in str(warning.message) for warning in said
    )
