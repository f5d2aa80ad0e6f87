"""Engines refuse what they cannot do instead of doing something else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.inliner
import pytest
from fresh_process import in_fresh_process
from streams import python_streams

from groupvit_runtime import Segmenter
from groupvit_runtime.engines import ENGINES, Engine, EngineOptions, load_engine
from groupvit_runtime.errors import EngineError, MissingDependencyError, UsageError
from groupvit_runtime.manifest import FileInfo, read_manifest


def image_engine(bundle: Path, options: EngineOptions | None = None):
    return load_engine(read_manifest(bundle).engine("image"), bundle, options or EngineOptions())


def test_every_target_has_an_engine() -> None:
    from groupvit_export.targets.registry import TARGETS

    assert {target.engine_name for target in TARGETS.values()} == set(ENGINES)


def test_it_says_what_is_really_in_use(demo_bundles: Mapping[str, Path]) -> None:
    assert "CPUExecutionProvider" in image_engine(demo_bundles["onnx"]).description
    assert image_engine(demo_bundles["openvino"]).description.endswith("CPU, f32")


def test_cuda_is_never_silently_the_cpu(demo_bundles: Mapping[str, Path]) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this machine has the CUDA provider")
    with pytest.raises(EngineError, match="fallen back silently(.|\n)*CUDAExecutionProvider"):
        image_engine(demo_bundles["onnx"], EngineOptions(device="cuda"))


def test_bound_inputs_and_outputs_give_the_same(demo_bundles: Mapping[str, Path]) -> None:
    # The path that CUDA takes, on the CPU's memory: there is no GPU where this is tested.
    engine = image_engine(demo_bundles["onnx"])
    feeds = {"pixel_values": np.random.default_rng(0).normal(size=(2, 3, 224, 224)).astype(np.float32)}
    plain = engine.run(feeds)
    for name, value in zip(plain, engine._engine._run_bound(feeds), strict=True):
        np.testing.assert_array_equal(value, plain[name])


def test_a_provider_that_was_not_granted_is_noticed(
    demo_bundles: Mapping[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnxruntime

    # What an onnxruntime-gpu wheel without CUDA libraries does: it lists CUDA, then gives the CPU.
    monkeypatch.setattr(
        onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"]
    )
    with pytest.raises(EngineError, match="fallen back silently|refused the engine"):
        image_engine(demo_bundles["onnx"], EngineOptions(device="cuda"))


def test_cuda_libraries_of_packages_are_loaded_before_they_are_needed(
    demo_bundles: Mapping[str, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import onnxruntime

    order: list[str] = []
    genuine = onnxruntime.InferenceSession

    def preload() -> None:
        order.append("libraries")
        print("Failed to load libcublasLt.so.13")

    def session(*arguments: Any, **options: Any) -> Any:
        order.append("session")
        return genuine(*arguments, **options)

    # In wheels of their own they lie where neither the loader nor the provider looks.
    monkeypatch.setattr(onnxruntime, "preload_dlls", preload)
    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    monkeypatch.setattr(
        onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"]
    )
    with pytest.raises(EngineError):
        image_engine(demo_bundles["onnx"], EngineOptions(device="cuda"))
    assert order[:2] == ["libraries", "session"]
    # What it says is no output of a command.
    assert capsys.readouterr().out == ""
    order.clear()
    image_engine(demo_bundles["onnx"])
    assert order == ["session"]


def test_openvino_has_no_cuda(demo_bundles: Mapping[str, Path]) -> None:
    with pytest.raises(EngineError, match="does not run on this device"):
        image_engine(demo_bundles["openvino"], EngineOptions(device="cuda"))


@pytest.mark.parametrize("options", [{"device": "tpu"}, {"threads": 0}])
def test_options_that_mean_nothing_are_refused(options: dict) -> None:
    with pytest.raises(UsageError):
        EngineOptions(**options)


def test_one_thread_gives_the_same_decisions(demo_bundle: Path) -> None:
    pixels = np.random.default_rng(0).normal(size=(2, 3, 224, 224)).astype(np.float32)
    default = image_engine(demo_bundle).run({"pixel_values": pixels})
    single = image_engine(demo_bundle, EngineOptions(threads=1)).run({"pixel_values": pixels})
    np.testing.assert_array_equal(default["assignment_1"], single["assignment_1"])
    np.testing.assert_allclose(default["masks"], single["masks"], atol=1e-4)


def test_outputs_belong_to_the_caller(demo_bundle: Path) -> None:
    engine = image_engine(demo_bundle)
    random = np.random.default_rng(0)
    first_input, second_input = (random.normal(size=(1, 3, 224, 224)).astype(np.float32) for _ in range(2))
    first = engine.run({"pixel_values": first_input})
    kept = {name: value.copy() for name, value in first.items()}
    engine.run({"pixel_values": second_input})
    for name, value in first.items():
        np.testing.assert_array_equal(value, kept[name])


@pytest.mark.parametrize("shape", [(1, 3, 96, 224), (1, 1, 224, 224), (3, 224, 224)])
def test_a_wrong_shape_is_an_error_that_names_both(demo_bundle: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(EngineError, match="could not run(.|\n)*224"):
        image_engine(demo_bundle).run({"pixel_values": np.zeros(shape, np.float32)})


def test_an_engine_of_a_newer_openvino_is_refused(demo_bundles: Mapping[str, Path]) -> None:
    bundle = demo_bundles["openvino"]
    info = read_manifest(bundle).engine("image")
    newer = replace(info, versions={**info.versions, "openvino": "2099.1.0"})
    with pytest.raises(EngineError, match="newer OpenVINO(.|\n)*2099.1.0"):
        load_engine(newer, bundle, EngineOptions())


def test_an_unknown_target_or_precision_is_refused(demo_bundles: Mapping[str, Path]) -> None:
    bundle = demo_bundles["openvino"]
    info = read_manifest(bundle).engine("image")
    with pytest.raises(EngineError, match="target that this runtime does not know"):
        load_engine(replace(info, target="abacus"), bundle, EngineOptions())
    with pytest.raises(EngineError, match="precision"):
        load_engine(replace(info, precision="fp4"), bundle, EngineOptions())


def test_a_file_that_is_no_engine_is_refused(demo_bundles: Mapping[str, Path], tmp_path: Path) -> None:
    for target, names in (("onnx", ["image.onnx"]), ("openvino", ["image.xml", "image.bin"])):
        for name in names:
            (tmp_path / name).write_text("garbage")
        files = tuple(FileInfo.of(tmp_path, name) for name in names)
        info = replace(read_manifest(demo_bundles[target]).engine("image"), files=files)
        with pytest.raises(EngineError, match="refused the engine"):
            load_engine(info, tmp_path, EngineOptions())


def test_a_missing_package_is_named_with_the_command_that_installs_it(
    demo_bundles: Mapping[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "groupvit_runtime.engines.openvino", None)
    with pytest.raises(
        MissingDependencyError, match=r"pip install \./runtimes/python '\.\[openvino\]' in a clone"
    ):
        image_engine(demo_bundles["openvino"])


def test_streams_compute_the_same_at_once(demo_bundles: Mapping[str, Path]) -> None:
    pixels = np.random.default_rng(0).standard_normal((6, 1, 3, 224, 224), np.float32)
    description, found, of_one, alone = in_fresh_process(python_streams, demo_bundles["openvino"], pixels)
    assert description.endswith("2 streams") and "streams" not in of_one
    assert len(found) == len(pixels)
    for outputs, expected in zip(found, alone, strict=True):
        for name, value in expected.items():
            np.testing.assert_allclose(outputs[name], value, atol=1e-5)


def test_streams_are_refused_where_a_target_has_none(demo_bundles: Mapping[str, Path]) -> None:
    bundle = demo_bundles["onnx"]
    with pytest.raises(EngineError, match="the onnx engine has no streams") as caught:
        Segmenter.load(bundle, streams=2)
    assert "openvino" in str(caught.value)
    with pytest.raises(UsageError, match="streams must be positive"):
        EngineOptions(streams=0)


def called_by_sixty_four(engine: Engine) -> None:
    pixels = np.zeros((1, 3, 224, 224), np.float32)
    together = threading.Barrier(64)

    def caller(_: int) -> None:
        together.wait()
        engine.run({"pixel_values": pixels})

    with ThreadPoolExecutor(64) as pool:
        list(pool.map(caller, range(64)))


@pytest.mark.parametrize("streams", [None, 2])
def test_openvino_has_no_more_requests_than_streams(
    demo_bundles: Mapping[str, Path], streams: int | None
) -> None:
    engine = image_engine(demo_bundles["openvino"], EngineOptions(streams=streams, threads=2))
    called_by_sixty_four(engine)
    assert 1 <= engine._engine._plans.get((1, 3, 224, 224))._idle.qsize() <= (streams or 1)


def test_openvino_compiles_for_one_image_and_for_all_batches_when_they_come(
    demo_bundles: Mapping[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    import openvino as ov

    shapes: list[str] = []

    class Core(ov.Core):
        def compile_model(self, model: Any, *arguments: Any) -> Any:
            shapes.append(str(model.input(0).partial_shape))
            return super().compile_model(model, *arguments)

    monkeypatch.setattr(ov, "Core", Core)
    engine = image_engine(demo_bundles["openvino"])
    pixels = np.random.default_rng(0).standard_normal((5, 3, 224, 224), np.float32)
    alone = [engine.run({"pixel_values": pixels[index : index + 1]}) for index in range(5)]
    assert shapes == ["[1,3,224,224]"]
    batches = [engine.run({"pixel_values": pixels[:count]}) for count in (5, 3)]
    assert shapes == ["[1,3,224,224]", "[?,3,224,224]"]
    for outputs in batches:
        for name, values in outputs.items():
            expected = np.concatenate([one[name] for one in alone])[: len(values)]
            np.testing.assert_allclose(values, expected, atol=1e-5)


def test_a_text_engine_of_openvino_is_compiled_once_for_all_lengths(demo_bundles: Mapping[str, Path]) -> None:
    bundle = demo_bundles["openvino"]
    engine: Any = load_engine(read_manifest(bundle).engine("text"), bundle, EngineOptions())
    for length in (4, 6):
        engine.run({"input_ids": np.ones((1, length), np.int64)})
    assert list(engine._engine._plans._plans) == [False]


@pytest.mark.parametrize("target", ["onnx", "openvino"])
def test_throughput_computes_the_same_for_as_many_calls_as_there_are_processors(
    demo_bundles: Mapping[str, Path], target: str
) -> None:
    engine = image_engine(demo_bundles[target], EngineOptions(performance="throughput"))
    alone = image_engine(demo_bundles[target])
    pixels = np.random.default_rng(0).standard_normal((4, 1, 3, 224, 224), np.float32)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda value: dict(engine.run({"pixel_values": value})), pixels))
    for outputs, value in zip(found, pixels, strict=True):
        for name, expected in alone.run({"pixel_values": value}).items():
            np.testing.assert_allclose(outputs[name], expected, atol=1e-5)


def test_throughput_is_refused_where_nothing_would_come_of_it(demo_bundles: Mapping[str, Path]) -> None:
    with pytest.raises(UsageError, match="unknown performance"):
        EngineOptions(performance="fast")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="streams and throughput"):
        EngineOptions(performance="throughput", streams=2)
    with pytest.raises(EngineError, match="throughput"):
        Segmenter.load(demo_bundles["onnx"], performance="throughput", device="cuda")


def test_onnx_runtime_computes_no_more_calls_than_there_are_processors(
    demo_bundles: Mapping[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("groupvit_runtime.engines.onnxruntime.calls_at_once", lambda: 3)
    engine = image_engine(demo_bundles["onnx"])
    session, lock, inside, most = engine._engine._session, threading.Lock(), 0, 0

    class Counted:
        def run(self, *arguments: Any) -> Any:
            nonlocal inside, most
            with lock:
                inside += 1
                most = max(most, inside)
            try:
                return session.run(*arguments)
            finally:
                with lock:
                    inside -= 1

    engine._engine._session = Counted()
    called_by_sixty_four(engine)
    assert 1 <= most <= 3


def renamed_input(graph: onnx.ModelProto) -> None:
    graph.graph.input[0].name = "images"
    for node in graph.graph.node:
        node.input[:] = ["images" if name == "pixel_values" else name for name in node.input]


def bytes_for_floats(graph: onnx.ModelProto) -> None:
    graph.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.UINT8
    for node in graph.graph.node:
        node.input[:] = ["as floats" if name == "pixel_values" else name for name in node.input]
    cast = onnx.helper.make_node("Cast", ["pixel_values"], ["as floats"], to=onnx.TensorProto.FLOAT)
    graph.graph.node.insert(0, cast)


def no_masks(graph: onnx.ModelProto) -> None:
    (masks,) = [output for output in graph.graph.output if output.name == "masks"]
    graph.graph.output.remove(masks)


def one_input_more(graph: onnx.ModelProto) -> None:
    graph.graph.input.append(onnx.helper.make_tensor_value_info("more", onnx.TensorProto.FLOAT, [1]))


@pytest.mark.parametrize("change", [renamed_input, bytes_for_floats, no_masks, one_input_more])
@pytest.mark.parametrize("target", ["onnx", pytest.param("openvino", marks=pytest.mark.slow)])
def test_an_engine_with_other_tensors_than_the_manifest_says_is_refused(
    demo_bundles: Mapping[str, Path], tmp_path: Path, change: Callable[[onnx.ModelProto], None], target: str
) -> None:
    import openvino as ov

    graph = onnx.inliner.inline_local_functions(onnx.load(demo_bundles["onnx"] / "image.onnx"))
    change(graph)
    onnx.save(graph, tmp_path / "image.onnx")
    names = ["image.onnx"]
    if target == "openvino":
        names = ["image.xml", "image.bin"]
        ov.save_model(ov.convert_model(tmp_path / "image.onnx"), tmp_path / "image.xml", False)
    info = read_manifest(demo_bundles[target]).engine("image")
    changed = replace(info, files=tuple(FileInfo.of(tmp_path, name) for name in names))
    with pytest.raises(EngineError, match="other tensors in the engine than the manifest says"):
        load_engine(changed, tmp_path, EngineOptions())


def test_onnx_runtime_prints_nothing_of_a_call_that_fails(
    demo_bundles: Mapping[str, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    info = read_manifest(demo_bundles["onnx"]).engine("text")
    engine = load_engine(info, demo_bundles["onnx"], EngineOptions())
    with pytest.raises(EngineError, match="could not run the engine"):
        engine.run({"input_ids": np.full((1, 4), 1 << 40, np.int64)})
    assert capfd.readouterr() == ("", "")
