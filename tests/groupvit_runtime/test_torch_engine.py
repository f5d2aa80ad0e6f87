"""The engine of packages: what it computes, and everything it refuses before compiled code is loaded."""

from __future__ import annotations

import platform
import subprocess
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from groupvit_runtime import Segmenter
from groupvit_runtime.engines import Engine, EngineOptions, load_engine
from groupvit_runtime.engines import torch as module
from groupvit_runtime.errors import BundleError, EngineError
from groupvit_runtime.manifest import FileInfo, Role, read_manifest


@pytest.fixture(autouse=True)
def same_number_of_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def engine(bundle: Path, role: Role = "image", options: EngineOptions | None = None) -> Engine:
    return load_engine(read_manifest(bundle).engine(role), bundle, options or EngineOptions())


def images(batch: int, seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng([batch, seed])
    return {"pixel_values": random.normal(size=(batch, 3, 224, 224)).astype(np.float32)}


def test_it_says_what_is_really_in_use(torch_bundle: Path) -> None:
    loaded = engine(torch_bundle)
    assert loaded.description == f"PyTorch {torch.__version__}, AOTInductor, CPU, fp32"
    assert loaded.device == "cpu"


@pytest.mark.parametrize("batch", [1, 2, 7])
def test_it_computes_what_onnx_runtime_computes(
    torch_bundle: Path, demo_bundles: Mapping[str, Path], batch: int
) -> None:
    ours = engine(torch_bundle).run(images(batch))
    theirs = engine(demo_bundles["onnx"]).run(images(batch))
    infos = read_manifest(torch_bundle).engine("image").outputs
    assert list(ours) == [info.name for info in infos] == list(theirs)
    for info in infos:
        value = ours[info.name]
        assert value.dtype.name == info.dtype and value.flags.c_contiguous and value.flags.writeable
        assert value.shape == (batch, *info.shape[1:])
        np.testing.assert_allclose(value, theirs[info.name], atol=1e-4)


@pytest.mark.parametrize("shape", [(1, 2), (1, 32), (3, 5), (40, 9)])
def test_sentences_of_every_length(
    torch_bundle: Path, demo_bundles: Mapping[str, Path], shape: tuple[int, int]
) -> None:
    ids = {"input_ids": np.random.default_rng(shape).integers(0, 20, shape)}
    ours, theirs = (engine(bundle, "text").run(ids) for bundle in (torch_bundle, demo_bundles["onnx"]))
    np.testing.assert_allclose(ours["text_embeds"], theirs["text_embeds"], atol=1e-4)


def test_a_image_to_a_label_map(
    torch_bundle: Path, demo_bundles: Mapping[str, Path], scenes, demo_labels: list[str]
) -> None:
    for decode in ("hf", "paper"):
        ours, theirs = (
            Segmenter.load(bundle)(scenes.image(0), demo_labels, decode=decode).labels
            for bundle in (torch_bundle, demo_bundles["onnx"])
        )
        assert (ours == theirs).mean() > 0.999


def test_inputs_are_shared_and_left_alone_outputs_belong_to_the_caller(torch_bundle: Path) -> None:
    loaded: Any = engine(torch_bundle)
    inputs = images(2)
    given = inputs["pixel_values"].copy()
    tensor = loaded._engine._tensor(inputs["pixel_values"])
    assert tensor.data_ptr() == inputs["pixel_values"].ctypes.data
    first = loaded.run(inputs)
    kept = {name: value.copy() for name, value in first.items()}
    loaded.run(images(2, seed=1))
    np.testing.assert_array_equal(inputs["pixel_values"], given)
    for name, value in first.items():
        np.testing.assert_array_equal(value, kept[name])


def test_arrays_that_cannot_be_shared_are_copied_without_a_word(torch_bundle: Path) -> None:
    loaded = engine(torch_bundle)
    expected = loaded.run(images(1))
    frozen = images(1)["pixel_values"]
    frozen.flags.writeable = False
    turned = np.asfortranarray(images(1)["pixel_values"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for array in (frozen, turned):
            np.testing.assert_array_equal(loaded.run({"pixel_values": array})["masks"], expected["masks"])


def test_many_threads_from_the_first_call_on(torch_bundle: Path) -> None:
    loaded = engine(torch_bundle, options=EngineOptions(threads=1))
    inputs = [images(1 + seed % 3, seed) for seed in range(12)]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(loaded.run, inputs))
    for given, found in zip(inputs, together, strict=True):
        alone = loaded.run(given)
        for name, value in found.items():
            np.testing.assert_array_equal(value, alone[name])


def test_one_thread_gives_the_same_decisions(torch_bundle: Path) -> None:
    default = engine(torch_bundle).run(images(2))
    single = engine(torch_bundle, options=EngineOptions(threads=1)).run(images(2))
    assert torch.get_num_threads() == 1
    np.testing.assert_array_equal(default["assignment_1"], single["assignment_1"])
    np.testing.assert_allclose(default["masks"], single["masks"], atol=1e-4)


@pytest.mark.parametrize(
    ("role", "array"),
    [
        ("image", np.zeros((1, 3, 96, 224), np.float32)),
        ("image", np.zeros((3, 224, 224), np.float32)),
        ("image", np.zeros((0, 3, 224, 224), np.float32)),
        ("image", np.zeros((1, 3, 224, 224), np.float64)),
        ("text", np.zeros((1, 33), np.int64)),
        ("text", np.zeros((1, 1), np.int64)),
        ("text", np.zeros((1, 5), np.int32)),
        ("text", np.full((1, 5), 10_000, np.int64)),
        ("text", np.full((1, 5), -1, np.int64)),
    ],
)
def test_what_the_code_would_read_beyond_is_refused(
    torch_bundle: Path, role: Role, array: np.ndarray
) -> None:
    name = {"image": "pixel_values", "text": "input_ids"}[role]
    expected = {"image": "float32 \\[1 to inf, 3, 224, 224\\]", "text": "int64 \\[1 to inf, 2 to 32\\]"}
    with pytest.raises(EngineError, match=f"could not run(.|\n)*{name} must be {expected[role]}"):
        engine(torch_bundle, role).run({name: array})


@pytest.mark.parametrize("version", ["2.12.1+cpu", "2.14.0", "3.13.0"])
def test_another_pytorch_is_refused_with_both_versions_and_the_command(
    torch_bundle: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    monkeypatch.setattr(module, "_Loader", only_metadata())
    info = read_manifest(torch_bundle).engine("image")
    other = replace(info, versions={**info.versions, "torch": version})
    built = version.rpartition(".")[0]
    with pytest.raises(
        EngineError, match=f"another PyTorch(.|\n)*{torch.__version__[:4]}(.|\n)*{built}"
    ) as e:
        load_engine(other, torch_bundle, EngineOptions())
    assert "groupvit export --target torch" in str(e.value.fix)


def only_metadata() -> type:
    """A loader that fails the test where it loads code."""

    class Loader:
        load_metadata_from_package = staticmethod(module._Loader.load_metadata_from_package)

        def __init__(self, *arguments: object) -> None:
            pytest.fail("the code was loaded")

    return Loader


def test_a_patch_release_is_the_same_pytorch(torch_bundle: Path) -> None:
    info = read_manifest(torch_bundle).engine("image")
    major_minor = ".".join(torch.__version__.split(".")[:2])
    other = replace(info, versions={**info.versions, "torch": f"{major_minor}.9"})
    assert other.versions != info.versions
    loaded = load_engine(other, torch_bundle, EngineOptions())
    # It says what runs, not what built it, and computes what the package always did.
    assert loaded.description == f"PyTorch {torch.__version__}, AOTInductor, CPU, fp32"
    expected = engine(torch_bundle).run(images(1))
    for name, value in loaded.run(images(1)).items():
        np.testing.assert_array_equal(value, expected[name])


def test_a_cpu_that_lacks_an_instruction_is_refused_before_the_code_is_loaded(
    torch_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {**torch.cpu.get_capabilities(), "avx2": False, "fma3": False, "cpu_name": "Old CPU"}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: found)
    monkeypatch.setattr(module, "_Loader", only_metadata())
    facts = module.package_facts(read_manifest(torch_bundle).engine("image"), torch_bundle / "image.pt2")
    if not facts.cpu_features:
        pytest.skip("packages of this machine need nothing in particular")
    with pytest.raises(
        EngineError, match="another CPU(.|\n)*Old CPU, without avx2, fma3(.|\n)*build it anew"
    ):
        engine(torch_bundle)


def test_another_architecture_is_refused(torch_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "s390x")
    monkeypatch.setattr(module, "_Loader", only_metadata())
    with pytest.raises(EngineError, match="another CPU(.|\n)*s390x"):
        engine(torch_bundle)


def test_another_device_is_never_silently_this_one(torch_bundle: Path) -> None:
    with pytest.raises(EngineError, match="another device(.|\n)*got: cuda(.|\n)*--device cuda"):
        engine(torch_bundle, options=EngineOptions(device="cuda"))
    assert "CPU" in engine(torch_bundle, options=EngineOptions(device="cpu")).description


@pytest.mark.parametrize(
    ("capability", "message"),
    [(None, "there is no GPU"), ((8, 9), "another kind of GPU"), ((8, 0), "another kind of GPU")],
)
def test_a_package_for_cuda_wants_its_kind_of_gpu(
    torch_bundle: Path,
    monkeypatch: pytest.MonkeyPatch,
    capability: tuple[int, int] | None,
    message: str,
) -> None:
    facts = module.package_facts(read_manifest(torch_bundle).engine("image"), torch_bundle / "image.pt2")
    built = "9.0" if capability == (8, 9) else "8.6"
    compiled = replace(facts, device="cuda", compute_capability=built)
    monkeypatch.setattr(module, "package_facts", lambda info, path: compiled)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: capability is not None)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Some GPU")
    with pytest.raises(EngineError, match=f"{message}(.|\n)*{built}"):
        engine(torch_bundle)


def test_rounded_products_are_refused(torch_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_float32_matmul_precision", lambda: "high")
    with pytest.raises(EngineError, match="change their group(.|\n)*set_float32_matmul_precision"):
        engine(torch_bundle)


def test_a_file_that_is_no_package_is_refused(torch_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "image.pt2").write_text("garbage")
    info = replace(read_manifest(torch_bundle).engine("image"), files=(FileInfo.of(tmp_path, "image.pt2"),))
    with pytest.raises(EngineError, match="refused the engine"):
        load_engine(info, tmp_path, EngineOptions())


@pytest.mark.parametrize("metadata", [{"AOTI_DEVICE_KEY": "cpu"}, {"groupvit": '{"device": "cpu"}'}])
def test_a_package_of_another_tool_is_refused(
    torch_bundle: Path, monkeypatch: pytest.MonkeyPatch, metadata: dict[str, str]
) -> None:
    loader: Any = only_metadata()
    loader.load_metadata_from_package = staticmethod(lambda path, name: metadata)
    monkeypatch.setattr(module, "_Loader", loader)
    with pytest.raises(BundleError, match="export the bundle again"):
        engine(torch_bundle)


def test_a_deployment_needs_pytorch_and_the_runtime_only(
    torch_bundle: Path, scenes, demo_labels: list[str]
) -> None:
    code = """
import sys
ABSENT = {"onnx", "onnxscript", "onnxruntime", "openvino", "groupvit_export", "groupvit_kernels"}
class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ABSENT:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Hide())
from groupvit_runtime import Segmenter
segmenter = Segmenter.load(sys.argv[1], threads=1)
print(segmenter(sys.argv[2], sys.argv[3].split(",")).labels.shape)
print(sorted({"torch._inductor", "torch._dynamo"} & set(sys.modules)))
"""
    arguments = [str(torch_bundle), str(scenes.image(0)), ",".join(demo_labels)]
    environment = {"PATH": "", "HOME": "/nonexistent"}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, env=environment, timeout=120
    )
    # Nothing of the compiler is imported, and no C++ compiler is there.
    assert done.stdout.splitlines() == ["(224, 224)", "[]"], done.stderr


def test_nothing_is_among_the_temporary_files_once_it_is_loaded(
    torch_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then a process that is killed leaves nothing there, either."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    loaded = engine(torch_bundle)
    assert list(tmp_path.iterdir()) == []
    loaded.run(images(1))


def test_an_archive_that_unpacks_to_more_than_it_is(torch_bundle: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "image.pt2", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/zeros", bytes(1 << 20))
    info = replace(read_manifest(torch_bundle).engine("image"), files=(FileInfo.of(tmp_path, "image.pt2"),))
    with pytest.raises(EngineError, match="larger than the archive"):
        load_engine(info, tmp_path, EngineOptions())
