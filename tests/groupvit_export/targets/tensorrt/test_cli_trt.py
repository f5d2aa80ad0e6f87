"""`groupvit-export --target trt` as a user types it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from groupvit_export.cli import export_main, main
from groupvit_export.provenance import read_provenance
from groupvit_runtime.manifest import read_manifest
from groupvit_runtime.open_bundle import open_bundle


@pytest.mark.parametrize(
    "precision", ["fp32", *(pytest.param(it, marks=pytest.mark.slow) for it in ("fp16", "bf16"))]
)
def test_a_bundle_of_plans(trt_bundles: Mapping[str, Path], precision: str) -> None:
    bundle = open_bundle(trt_bundles[precision])
    provenance = read_provenance(bundle)
    for engine in bundle.manifest.engines:
        assert engine.precision == precision and engine.tensorrt is not None
        assert [file.path for file in engine.all_files] == [f"{engine.role}.engine", f"{engine.role}.onnx"]
        assert engine.tensorrt.flavor == "rtx" and not engine.tensorrt.tf32
        assert "tensorrt-rtx" in engine.versions and "8.0" in engine.hardware
        assert (len(provenance.engine(engine.role).kept) > 0) == (precision != "fp32")
    # Nothing of ours stands before the plan: stock tools open it.
    assert (bundle.root / "image.engine").read_bytes()[:4] == b"vtrt"


@pytest.mark.parametrize("precision", [pytest.param(it, marks=pytest.mark.slow) for it in ("fp16", "bf16")])
def test_half_a_bundle_is_half_as_large(trt_bundles: Mapping[str, Path], precision: str) -> None:
    half, whole = ((trt_bundles[p] / "image.onnx").stat().st_size for p in (precision, "fp32"))
    assert half < 0.62 * whole


@pytest.mark.slow
def test_inspect_lists_profile_and_what_stayed_in_float32(
    trt_bundles: Mapping[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", str(trt_bundles["fp16"])]) == 0
    said = capsys.readouterr().out
    assert "[1, 3, 224, 224] : [1, 3, 224, 224] : [8, 3, 224, 224]" in said
    assert "decides the assignment (16):" in said and "grouping_1" in said
    assert "the trt engine itself was not run" in said


def test_segmenting_without_a_gpu_says_so_and_nothing_falls_back(
    trt_bundles: Mapping[str, Path], scenes, capsys: pytest.CaptureFixture[str]
) -> None:
    if Path("/dev/nvidiactl").exists():
        pytest.skip("there is a GPU")
    bundle = str(trt_bundles["fp32"])
    assert main(["segment", bundle, str(scenes.image(0)), "--labels", "tree"]) == 1
    assert "no NVIDIA driver" in capsys.readouterr().err
    assert main(["segment", bundle, str(scenes.image(0)), "--labels", "tree", "--device", "cpu"]) == 1
    assert "does not run on this device" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--target", "onnx", "--batch", "8"], "the target onnx has no such option"),
        (["--target", "openvino", "--tf32", "--refit"], "--tf32, --refit"),
        (["--target", "trt", "--batch", "8:1:1"], "must not run backwards"),
        (["--target", "trt", "--precision", "int4"], "fp32, fp16, bf16"),
        (["--target", "trt", "--builder-optimization-level", "6"], "0 to 5"),
        (["--target", "trt", "--workspace", "0"], "must be positive"),
        (["--target", "trt", "--compute-capability", "sm89"], "no compute capability"),
        (["--target", "trt", "--hardware-compatibility", "all"], "level of hardware compatibility"),
        (["--target", "trt", "--trt-flavor", "lite"], "tensorrt or rtx"),
        (["--target", "trt", "--trt-flavor", "rtx", "--timing-cache", "x"], "has no --timing-cache"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_heavy_is_loaded(
    arguments: list[str], complaint: str
) -> None:
    code = (
        "import sys; from groupvit_export.cli import export_main; code = export_main(sys.argv[1:]);"
        "print('torch' in sys.modules); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2 and complaint in done.stderr and done.stdout.strip() == "False"


@pytest.mark.slow
def test_every_option_is_recorded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed")
    arguments = [
        *("--target", "trt", "--trt-flavor", "rtx", "--precision", "fp32", "--batch", "2:2:4"),
        *("--text-batch", "1:2:4", "--tf32", "--workspace", "256", "--compute-capability", "8.9,12.0"),
        *("-o", str(tmp_path / "bundle"), "--json"),
    ]
    assert export_main(arguments) == 0
    assert json.loads(capsys.readouterr().out)["parity"]["substitute"]
    engines = {engine.role: engine for engine in read_manifest(tmp_path / "bundle").engines}
    image, text = engines["image"].tensorrt, engines["text"].tensorrt
    assert image is not None and text is not None
    assert image.tf32 and image.compute_capabilities == ("8.9", "12.0")
    assert [p.opt for p in image.profiles] == [(2, 3, 224, 224)]
    assert [p.max[0] for p in text.profiles] == [4]
    assert image.rebuild.startswith("groupvit export --target trt") and "8.9,12.0" in image.rebuild
    assert engines["image"].hardware == "NVIDIA GPU of compute capability 8.9, 12.0"
