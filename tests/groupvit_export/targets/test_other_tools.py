"""The table of docs/bundle.md: which tools open which ONNX files of a bundle; for those installed here."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import openvino
import pytest
from onnxruntime.quantization import quantize_dynamic
from onnxruntime.quantization.shape_inference import quant_pre_process
from onnxruntime.tools.symbolic_shape_infer import SymbolicShapeInference

SECTION = (
    (Path(__file__).parents[3] / "docs" / "bundle.md")
    .read_text()
    .split("## Other tools")[1]
    .split("\n## ")[0]
)
FILES = ("image.onnx", "inlined.onnx", "text.onnx")
BY_HAND = {"onnxruntime-web, WebAssembly", "onnxsim", "Netron"}

Outputs = list[np.ndarray]


def documented() -> dict[str, dict[str, bool]]:
    """By tool and file whether it opens."""
    rows = [line.strip("|").split("|") for line in SECTION.splitlines() if line.startswith("|")]
    (_, _, *files), _, *tools = [[cell.strip() for cell in row] for row in rows]
    assert tuple(file.strip("`") for file in files) == FILES
    return {
        name: {file: {"yes": True, "no": False}[cell] for file, cell in zip(FILES, cells, strict=True)}
        for name, _, *cells in tools
    }


@pytest.fixture(scope="module")
def folder(demo_bundles: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a bundle, and what the documented call makes."""
    folder = tmp_path_factory.mktemp("tools")
    for name in ("image.onnx", "text.onnx"):
        shutil.copy(demo_bundles["onnx"] / name, folder)
    (command,) = [line.removeprefix("$ ") for line in SECTION.splitlines() if line.startswith("$ ")]
    python, *arguments = shlex.split(command)
    assert python == "python"
    subprocess.run([sys.executable, *arguments], cwd=folder, check=True)
    return folder


def feeds(path: Path) -> dict[str, np.ndarray]:
    given = {}
    for item in onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).get_inputs():
        shape = [size if isinstance(size, int) else 2 for size in item.shape]
        numbers = np.random.default_rng(0).normal(size=shape).astype(np.float32)
        given[item.name] = numbers if item.type == "tensor(float)" else np.ones(shape, np.int64)
    return given


def run(path: Path) -> Outputs:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, feeds(path))


def checker(path: Path, made: Path) -> Outputs:
    onnx.checker.check_model(path, full_check=True)
    return run(path)


def shape_inference(path: Path, made: Path) -> Outputs:
    onnx.save(onnx.shape_inference.infer_shapes(onnx.load(path), strict_mode=True, data_prop=True), made)
    return run(made)


def symbolic_shape_infer(path: Path, made: Path) -> Outputs:
    onnx.save(SymbolicShapeInference.infer_shapes(onnx.load(path), auto_merge=True), made)
    return run(made)


def preprocess(path: Path, made: Path) -> Outputs:
    quant_pre_process(str(path), str(made))
    return run(made)


def dynamic(path: Path, made: Path) -> Outputs:
    quantize_dynamic(path, made)
    return run(made)


def in_openvino(path: Path, made: Path) -> Outputs:
    compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = compiled(feeds(path))
    return [found[output.name] for output in onnx.load(path).graph.output]


def onnxslim(path: Path, made: Path) -> Outputs:
    onnx.save(pytest.importorskip("onnxslim", reason="onnxslim is not installed").slim(str(path)), made)
    return run(made)


def polygraphy(path: Path, made: Path) -> Outputs:
    backend = pytest.importorskip("polygraphy.backend.onnxrt", reason="Polygraphy is not installed")
    with backend.OnnxrtRunner(backend.SessionFromOnnx(str(path), providers=["cpu"])) as runner:
        return list(runner.infer(feeds(path)).values())


TOOLS: Mapping[str, Callable[[Path, Path], Outputs]] = {
    "onnx.checker": checker,
    "onnx.shape_inference, strict": shape_inference,
    "ONNX Runtime": lambda path, made: run(path),
    "OpenVINO": in_openvino,
    "symbolic_shape_infer of ONNX Runtime": symbolic_shape_infer,
    "quantization.preprocess of ONNX Runtime": preprocess,
    "quantize_dynamic of ONNX Runtime": dynamic,
    "onnxslim": onnxslim,
    "Polygraphy": polygraphy,
}
"""What a file computes in a tool, or in ONNX Runtime after it; the second path may be written to."""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX Runtime's preprocess leaves the weights of a file that it refuses in the working directory."""
    monkeypatch.chdir(tmp_path)


def test_every_tool_of_the_table_is_tried() -> None:
    assert documented().keys() == TOOLS.keys() | BY_HAND


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("tool", TOOLS)
def test_it_opens_what_the_table_says(tool: str, name: str, folder: Path, tmp_path: Path) -> None:
    if not documented()[tool][name]:
        # Each has an error of its own, and one has none but Exception.
        with pytest.raises(Exception, match=r"GroupingAttention|Incomplete symbolic shape inference"):
            TOOLS[tool](folder / name, tmp_path / name)
        return
    found = TOOLS[tool](folder / name, tmp_path / name)
    plain = run(folder / name.replace("inlined", "image"))
    # int8 is another model.
    tolerance = np.inf if tool.startswith("quantize_dynamic") else 1e-4
    for output, expected in zip(found, plain, strict=True):
        assert output.shape == expected.shape and np.isfinite(output).all()
        np.testing.assert_allclose(output, expected, atol=tolerance)


@pytest.mark.parametrize("name", FILES[:2])
def test_constants_are_tensors(name: str, folder: Path) -> None:
    # ONNX Runtime's symbolic_shape_infer knows no other.
    model = onnx.load(folder / name)
    nodes = [*model.graph.node, *(node for function in model.functions for node in function.node)]
    constants = [node for node in nodes if node.op_type == "Constant"]
    assert {attribute.name for node in constants for attribute in node.attribute} == {"value"}
