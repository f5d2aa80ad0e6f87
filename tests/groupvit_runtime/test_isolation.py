"""A deployment needs no PyTorch: to the processes started here it is not installed, nor are its kin.

Its verbs are run where it is really not installed: tests/test_distributions.py.
"""

from __future__ import annotations

from pathlib import Path

from without_pytorch import run

from groupvit_runtime.install_hint import install_hint


def test_the_block_works() -> None:
    assert "No module named 'torch'" in run("import torch").stderr


def test_segmenting_needs_no_pytorch(demo_bundle: Path, scenes, demo_labels: list[str]) -> None:
    code = """
from groupvit_runtime import Segmenter
segmenter = Segmenter.load(sys.argv[1])
for decode in ("hf", "paper"):
    result = segmenter(sys.argv[2], sys.argv[3].split(","), decode=decode)
    result.overlay()
print(result.labels.shape)
"""
    done = run(code, str(demo_bundle), str(scenes.image(0)), ",".join(demo_labels))
    assert done.stdout.strip() == "(224, 224)", done.stderr


def test_exporting_without_pytorch_says_what_to_install() -> None:
    code = "from groupvit_export.cli import main; sys.exit(main(sys.argv[1:]))"
    done = run(code, "export", "--target", "onnx")
    assert done.returncode == 1
    assert install_hint("export") in done.stderr
    assert "Traceback" not in done.stderr


def test_importing_the_runtime_loads_no_engine_and_no_other_program() -> None:
    heavy = {"openvino", "onnxruntime", "tokenizers", "scipy", "cv2", "shapely", "pycocotools", "supervision"}
    code = f"import groupvit_runtime.formats; print(sorted({heavy} & set(sys.modules)))"
    assert run(code).stdout.strip() == "[]"
