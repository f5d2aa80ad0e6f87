"""The TensorRT engine on a GPU and a TensorRT that are imagined (`fake_gpu`): its own logic, all of it."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_gpu import FakeCuda, FakeTensorRT

from groupvit_runtime.engines import EngineOptions, load_engine
from groupvit_runtime.engines.cuda import Cuda
from groupvit_runtime.engines.tensorrt import TensorRTEngine
from groupvit_runtime.engines.tensorrt_flavors import import_flavor
from groupvit_runtime.errors import BundleError, EngineError, MissingDependencyError
from groupvit_runtime.manifest import EngineInfo, FileInfo, ProfileInfo, TensorRTInfo, read_manifest

CUDA = EngineOptions(device="cuda")


@pytest.fixture
def text(demo_bundles: Mapping[str, Path]) -> EngineInfo:
    """The text engine of the demo, as a TensorRT bundle would describe it: the small one of the two."""
    root = demo_bundles["onnx"]
    engine = read_manifest(root).engine("text")
    facts = TensorRTInfo(
        flavor="tensorrt",
        version="10.9.0.34",
        compute_capabilities=("8.9",),
        hardware_compatibility="none",
        version_compatible=False,
        tf32=False,
        stripped=False,
        refittable=False,
        profiles=(ProfileInfo("input_ids", (1, 2), (4, 8), (16, 16)),),
        rebuild="groupvit-export --target trt",
    )
    return replace(engine, target="trt", tensorrt=facts, source=FileInfo.of(root, engine.files[0].path))


@pytest.fixture
def plan(demo_bundles: Mapping[str, Path]) -> Path:
    return demo_bundles["onnx"] / "text.onnx"


@pytest.fixture
def cuda() -> FakeCuda:
    return FakeCuda()


def load(
    info: EngineInfo,
    plan: Path,
    cuda: FakeCuda,
    trt: FakeTensorRT | None = None,
    options: EngineOptions = CUDA,
) -> TensorRTEngine:
    trt = trt or FakeTensorRT(plan, cuda)
    return TensorRTEngine(info, plan.parent, options, trt=trt, cuda=Cuda(cuda))


def bound(info: EngineInfo, **facts: object) -> EngineInfo:
    assert info.tensorrt is not None
    return replace(info, tensorrt=replace(info.tensorrt, **facts))


def sentences(batch: int, length: int, seed: int = 0) -> dict[str, np.ndarray]:
    ids = np.random.default_rng(seed).integers(5, 30, (batch, length))
    ids[:, -1] = 2
    return {"input_ids": ids}


@pytest.fixture
def oracle(demo_bundles: Mapping[str, Path]):
    root = demo_bundles["onnx"]
    engine = load_engine(read_manifest(root).engine("text"), root, EngineOptions())
    return lambda inputs: engine.run(inputs)["text_embeds"]


@pytest.mark.parametrize("graphs", [True, False])
def test_shapes_that_come_again_give_what_they_gave(text, plan, cuda, oracle, graphs: bool) -> None:
    engine = load(text, plan, cuda, options=EngineOptions(device="cuda", cuda_graphs=graphs))
    shapes = [(1, 4), (3, 8), (1, 4), (16, 16), (3, 8), (1, 4), (1, 4), (16, 16)] * 3
    for seed, shape in enumerate(shapes):
        inputs = sentences(*shape, seed=seed)
        found = engine.run(inputs)["text_embeds"]
        np.testing.assert_allclose(found, oracle(inputs), atol=1e-6)
    # Every shape runs once to be set up and is then a graph; growing the memory forgets those before.
    assert (cuda.launches > 0) == graphs


def test_a_graph_is_captured_once_for_a_shape(text, plan, cuda, oracle) -> None:
    engine = load(text, plan, cuda)
    for seed in range(5):
        inputs = sentences(2, 6, seed=seed)
        np.testing.assert_allclose(engine.run(inputs)["text_embeds"], oracle(inputs), atol=1e-6)
    assert len(cuda.graphs) == 1 and cuda.launches == 3


def test_graphs_of_many_shapes_do_not_pile_up(text, plan, cuda) -> None:
    engine = load(text, plan, cuda)
    engine.run(sentences(16, 16))
    for length in range(2, 17):
        for batch in (1, 2):
            for _ in range(2):
                engine.run(sentences(batch, length))
    assert len(cuda.graphs) <= 16


def test_outputs_belong_to_the_caller(text, plan, cuda) -> None:
    engine = load(text, plan, cuda)
    first = engine.run(sentences(2, 6, seed=1))["text_embeds"]
    kept = first.copy()
    engine.run(sentences(2, 6, seed=2))
    np.testing.assert_array_equal(first, kept)


def test_calls_in_flight_have_contexts_of_their_own(text, plan, cuda, oracle) -> None:
    trt = FakeTensorRT(plan, cuda)
    engine = load(text, plan, cuda, trt)
    start = threading.Barrier(8)

    def work(seed: int) -> bool:
        start.wait()
        return all(
            np.allclose(engine.run(inputs)["text_embeds"], oracle(inputs), atol=1e-6)
            for inputs in (sentences(1 + seed % 3, 4 + turn, seed=seed) for turn in range(6))
        )

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))
    assert 1 <= trt.contexts <= 8


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_gives_nothing_back(text, plan, cuda) -> None:
    """The context of CUDA is the parent's; no call of CUDA works in the child."""
    engine = load(text, plan, cuda)
    engine.run(sentences(2, 6))
    held = len(cuda.live)
    assert held
    # Other tests' sessions among the garbage would wait in the child for threads that stayed here.
    gc.collect()
    child = os.fork()
    if child == 0:
        del engine
        gc.collect()
        os._exit(0 if len(cuda.live) == held and cuda.streams else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    engine.run(sentences(2, 6))


def test_everything_is_given_back(text, plan, cuda) -> None:
    engine = load(text, plan, cuda)
    for _ in range(3):
        engine.run(sentences(2, 6))
    assert cuda.live and cuda.graphs and cuda.streams
    del engine
    gc.collect()
    assert not cuda.live and not cuda.graphs and not cuda.streams


@pytest.mark.parametrize("shape", [(17, 8), (1, 17), (1, 1)])
def test_a_shape_outside_the_profile_names_it(text, plan, cuda, shape: tuple[int, int]) -> None:
    engine = load(text, plan, cuda)
    with pytest.raises(EngineError, match=r"outside the engine's profile(.|\n)*\[1, 2\] to \[16, 16\]"):
        engine.run({"input_ids": np.full(shape, 5)})
    assert engine.run(sentences(1, 4))["text_embeds"].shape[0] == 1


def test_batches_below_the_smallest_are_filled_up(text, plan, cuda, oracle) -> None:
    static = bound(text, profiles=(ProfileInfo("input_ids", (4, 2), (4, 8), (4, 16)),))
    engine = load(static, plan, cuda)
    for batch in (1, 3, 4):
        inputs = sentences(batch, 6)
        found = engine.run(inputs)["text_embeds"]
        assert found.shape[0] == batch
        np.testing.assert_allclose(found, oracle(inputs), atol=1e-6)
    with pytest.raises(EngineError, match="outside the engine's profile"):
        engine.run(sentences(0, 6))


def test_another_dtype_is_refused(text, plan, cuda) -> None:
    with pytest.raises(EngineError, match=r"another dtype(.|\n)*int32(.|\n)*int64"):
        load(text, plan, cuda).run({"input_ids": np.full((1, 4), 5, np.int32)})


def test_it_says_what_is_really_in_use(text, plan, cuda) -> None:
    said = load(text, plan, cuda).description
    assert said == "TensorRT 10.9.0.34, Imagined GPU (compute capability 8.9), fp32"
    assert "fp32 with tf32" in load(bound(text, tf32=True), plan, cuda).description


@pytest.mark.parametrize("version", ["10.9.0.35", "10.14.1.48.post1", "11.4.0.106", "8.6.1"])
def test_another_version_is_refused_before_the_plan_is_opened(text, plan, cuda, version: str) -> None:
    trt = FakeTensorRT(plan, cuda, __version__=version)
    with pytest.raises(EngineError, match=rf"{version} here(.|\n)*10\.9\.0\.34 exactly(.|\n)*--target trt"):
        load(text, plan, cuda, trt)


@pytest.mark.parametrize(
    ("version", "fits"),
    [("10.9.0.34.post1", True), ("10.14.1.48", True), ("10.8.0.43", False), ("11.4", False)],
)
def test_version_compatible_plans_run_on_newer_ones_of_the_major(text, plan, cuda, version, fits) -> None:
    info = bound(text, version_compatible=True)
    trt = FakeTensorRT(plan, cuda, __version__=version)
    if fits:
        assert load(info, plan, cuda, trt)._runtime.engine_host_code_allowed
    else:
        with pytest.raises(EngineError, match="or a newer one of the same major version"):
            load(info, plan, cuda, trt)


@pytest.mark.parametrize(
    ("level", "device", "fits"),
    [
        ("none", (8, 9), True),
        ("none", (9, 0), False),
        ("same-cc", (8, 6), False),
        ("ampere+", (9, 0), True),
        ("ampere+", (12, 0), True),
        ("ampere+", (7, 5), False),
    ],
)
def test_another_device_is_refused_by_name(text, plan, level: str, device, fits: bool) -> None:
    cuda = FakeCuda(compute_capability=device)
    info = bound(text, hardware_compatibility=level)
    if fits:
        load(info, plan, cuda)
        return
    with pytest.raises(EngineError, match=r"Imagined GPU, compute capability(.|\n)*8\.9(.|\n)*--target trt"):
        load(info, plan, cuda)


def test_another_flavor_says_which_one_is_missing() -> None:
    with pytest.raises(MissingDependencyError, match=r"built by TensorRT, which(.|\n)*\[tensorrt\]"):
        import_flavor("tensorrt", "groupvit-export --target trt")


def test_a_corrupt_plan_is_one_message(text, plan, cuda, tmp_path: Path) -> None:
    broken = tmp_path / plan.name
    broken.write_bytes(b"corrupt")
    corrupt = replace(text, files=(FileInfo.of(tmp_path, broken.name),))
    with pytest.raises(EngineError, match=r"could not deserialize(.|\n)*magic tag(.|\n)*--target trt"):
        load(corrupt, broken, cuda, FakeTensorRT(plan, cuda))


def test_tensors_that_the_manifest_does_not_have_are_refused(text, plan, cuda) -> None:
    other = replace(text, outputs=(replace(text.outputs[0], name="elsewhere"),))
    with pytest.raises(EngineError, match="other tensors than the manifest"):
        load(other, plan, cuda)


def test_a_bundle_without_the_facts_is_refused(text, plan, cuda) -> None:
    with pytest.raises(BundleError, match="does not say what"):
        load(replace(text, tensorrt=None), plan, cuda)


def test_too_little_memory_is_an_error_and_the_engine_lives_on(text, plan) -> None:
    cuda = FakeCuda(memory=4096)
    engine = load(text, plan, cuda)
    with pytest.raises(EngineError, match=r"not enough memory(.|\n)*of 4,096 bytes free"):
        engine.run(sentences(16, 16))
    assert np.isfinite(engine.run(sentences(1, 2))["text_embeds"]).all()


def test_too_little_memory_for_a_context_is_an_error(text, plan, cuda) -> None:
    with pytest.raises(EngineError, match=r"not enough memory(.|\n)*out of memory for activations"):
        load(text, plan, cuda, FakeTensorRT(plan, cuda, max_contexts=0))


def test_a_stripped_plan_takes_its_weights_from_the_graph(text, plan, cuda) -> None:
    trt = FakeTensorRT(plan, cuda)
    load(bound(text, stripped=True), plan, cuda, trt)
    assert trt.refitted == plan.read_bytes()
    with pytest.raises(BundleError, match="lacks the graph"):
        load(replace(bound(text, stripped=True), source=None), plan, cuda, trt)


class TestRtx:
    """What TensorRT-RTX has beyond TensorRT."""

    @pytest.fixture
    def cache(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        return tmp_path / "groupvit" / "tensorrt-rtx"

    @pytest.fixture
    def rtx(self, text: EngineInfo) -> EngineInfo:
        return bound(text, flavor="rtx", version="1.7.1.116", compute_capabilities=())

    @staticmethod
    def module(plan: Path, cuda: FakeCuda, **options: object) -> FakeTensorRT:
        return FakeTensorRT(plan, cuda, rtx=True, __version__="1.7.1.116", **options)

    def test_kernels_are_kept_for_the_next_process(self, rtx, plan, cuda, cache: Path) -> None:
        engine = load(rtx, plan, cuda, self.module(plan, cuda))
        assert engine.description.endswith("runtime cache cold")
        assert not cache.exists()
        engine.run(sentences(2, 6))
        (file,) = cache.iterdir()
        first = file.read_bytes()
        engine.run(sentences(2, 6))
        assert file.read_bytes() == first
        engine.run(sentences(3, 6))
        assert file.read_bytes() != first
        assert load(rtx, plan, cuda, self.module(plan, cuda)).description.endswith("runtime cache warm")

    def test_a_cache_that_is_refused_is_replaced(self, rtx, plan, cuda, cache: Path) -> None:
        load(rtx, plan, cuda, self.module(plan, cuda)).run(sentences(2, 6))
        (file,) = cache.iterdir()
        good = file.read_bytes()
        file.write_bytes(b"of another driver")
        engine = load(rtx, plan, cuda, self.module(plan, cuda))
        assert engine.description.endswith("cold")
        engine.run(sentences(2, 6))
        assert file.read_bytes() == good

    def test_engines_and_gpus_have_caches_of_their_own(self, rtx, plan, cache: Path) -> None:
        for device in ((8, 9), (12, 0)):
            cuda = FakeCuda(compute_capability=device)
            load(rtx, plan, cuda, self.module(plan, cuda)).run(sentences(2, 6))
        assert len(list(cache.iterdir())) == 2

    @pytest.mark.parametrize(("graphs", "strategy"), [(True, "WHOLE_GRAPH_CAPTURE"), (False, "DISABLED")])
    def test_it_captures_graphs_itself(self, rtx, plan, cuda, cache, graphs: bool, strategy: str) -> None:
        options = EngineOptions(device="cuda", cuda_graphs=graphs)
        engine = load(rtx, plan, cuda, self.module(plan, cuda), options)
        for _ in range(3):
            engine.run(sentences(2, 6))
        assert engine._config.cuda_graph_strategy.name == strategy
        assert cuda.launches == 0

    def test_kernels_do_not_change_behind_a_image(self, rtx, plan, cuda, cache) -> None:
        specialized = {
            role: load(
                replace(rtx, role=role), plan, cuda, self.module(plan, cuda)
            )._config.dynamic_shapes_kernel_specialization_strategy.name
            for role in ("image", "text")
        }
        assert specialized == {"image": "EAGER", "text": "NONE"}

    def test_its_own_word_on_a_plan_is_passed_on(self, rtx, plan, cuda, cache) -> None:
        trt = self.module(plan, cuda, invalid=("VERSION_MISMATCH", "UNSUPPORTED_CC"))
        with pytest.raises(EngineError, match="does not run here(.|\n)*version mismatch, unsupported cc"):
            load(rtx, plan, cuda, trt)
