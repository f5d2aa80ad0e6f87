"""Model repositories: parsed by the messages that Triton's server reads them with, held against its rules."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from groupvit_export.cli import main
from groupvit_export.errors import GroupViTError, UsageError
from groupvit_export.triton_server.backends import Backend, NoBackend, backend_of, batch_limit
from groupvit_export.triton_server.options import TritonOptions
from groupvit_runtime.manifest import EngineInfo, ProfileInfo, TensorInfo, TensorRTInfo, read_manifest
from groupvit_runtime.open_bundle import open_bundle

model_config_pb2 = pytest.importorskip("tritonclient.grpc.model_config_pb2")
text_format = pytest.importorskip("google.protobuf.text_format")

from groupvit_export.triton_server.model_config import engine_config  # noqa: E402
from groupvit_export.triton_server.repository import RECORD_NAME, write_repository  # noqa: E402

MODELS = ("groupvit_image", "groupvit_segment", "groupvit_text")
ONNX = Backend("onnxruntime", batches=True)


def parsed(path):
    return text_format.Parse(path.read_text(), model_config_pb2.ModelConfig())


def check_rules(config, folder):
    """What the server's documentation of model configurations says of any of them."""
    assert config.name == folder.name and config.backend and not config.platform
    versions = [path.name for path in folder.iterdir() if path.name.isdecimal()]
    assert versions == ["1"] and config.version_policy.latest.num_versions == 1
    if config.backend != "python":
        assert (folder / "1" / config.default_model_filename).is_file()
    names = [tensor.name for tensor in (*config.input, *config.output)]
    assert len(set(names)) == len(names) and config.input and config.output
    for tensor in (*config.input, *config.output):
        assert tensor.dims and all(side == -1 or side > 0 for side in tensor.dims)
        assert tensor.data_type != model_config_pb2.TYPE_INVALID
    # Requests are put together only where the first dimension is left to the server.
    assert config.HasField("dynamic_batching") == (config.max_batch_size > 0)
    inputs = {tensor.name: tensor for tensor in config.input}
    for warmup in config.model_warmup:
        assert 1 <= warmup.batch_size <= max(config.max_batch_size, 1)
        assert set(warmup.inputs) == set(inputs)
        for name, data in warmup.inputs.items():
            assert data.data_type == inputs[name].data_type
            assert all(side > 0 for side in data.dims)
            assert all(want in (-1, side) for side, want in zip(data.dims, inputs[name].dims, strict=True))
            if data.input_data_file:
                assert (folder / "warmup" / data.input_data_file).is_file()
            else:
                assert data.zero_data


@pytest.fixture(scope="module")
def repositories(demo_bundles, tmp_path_factory):
    folder = tmp_path_factory.mktemp("repositories")
    for target in ("onnx", "openvino"):
        write_repository(demo_bundles[target], folder / target, TritonOptions(max_batch=4))
    return folder


@pytest.mark.parametrize(("target", "backend"), [("onnx", "onnxruntime"), ("openvino", "openvino")])
def test_every_configuration_keeps_the_rules(repositories, target, backend):
    root = repositories / target
    assert sorted(path.name for path in root.iterdir()) == sorted([*MODELS, RECORD_NAME])
    configs = {name: parsed(root / name / "config.pbtxt") for name in MODELS}
    for name, config in configs.items():
        check_rules(config, root / name)
    assert [configs[name].backend for name in MODELS] == [backend, "python", backend]
    assert [configs[name].response_cache.enable for name in MODELS] == [False, False, True]
    assert [configs[name].instance_group[0].kind for name in MODELS] == [
        model_config_pb2.ModelInstanceGroup.KIND_CPU
    ] * 3


def test_a_batch_is_left_to_the_server_where_the_backend_takes_any(repositories):
    onnx = parsed(repositories / "onnx" / "groupvit_image" / "config.pbtxt")
    assert onnx.max_batch_size == 4 and list(onnx.input[0].dims) == [3, 224, 224]
    assert list(onnx.output[0].dims) == [64]
    openvino = parsed(repositories / "openvino" / "groupvit_image" / "config.pbtxt")
    assert openvino.max_batch_size == 0 and list(openvino.input[0].dims) == [-1, 3, 224, 224]
    assert list(openvino.output[0].dims) == [-1, 64]


def test_engines_and_bundle_are_those_that_were_exported(repositories, demo_bundles):
    for target in ("onnx", "openvino"):
        bundle, root = open_bundle(demo_bundles[target]), repositories / target
        for role in ("image", "text"):
            for file in bundle.manifest.engine(role).files:
                copy = root / f"groupvit_{role}" / "1" / file.path
                assert hashlib.sha256(copy.read_bytes()).hexdigest() == file.sha256
        config = parsed(root / "groupvit_segment" / "config.pbtxt")
        own = open_bundle(
            root / "groupvit_segment" / "1" / "bundle", config.parameters["digest"].string_value
        )
        assert own.digest == bundle.digest
        record = json.loads((root / RECORD_NAME).read_text())
        assert record["bundle"]["digest"] == bundle.digest


def test_the_bundles_vocabularies_are_files(demo_bundles, tmp_path):
    bundle = shutil.copytree(demo_bundles["openvino"], tmp_path / "bundle")
    assert main(["vocab", str(bundle), "--labels", "water,sky", "--add", "scene", "--quiet"]) == 0
    written = write_repository(bundle, tmp_path / "models", TritonOptions())
    assert written.vocabularies == ("scene",)
    (info,) = read_manifest(bundle).vocabularies
    file = tmp_path / "models" / "groupvit_segment" / "vocabularies" / "scene.safetensors"
    assert file.read_bytes() == (bundle / info.file.path).read_bytes()


def test_nothing_is_overwritten_and_nothing_is_left_half(demo_bundles, tmp_path):
    output = tmp_path / "models"
    write_repository(demo_bundles["onnx"], output, TritonOptions())
    with pytest.raises(GroupViTError, match="exists already"):
        write_repository(demo_bundles["onnx"], output, TritonOptions())
    write_repository(demo_bundles["openvino"], output, TritonOptions(), force=True)
    assert parsed(output / "groupvit_image" / "config.pbtxt").backend == "openvino"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("kept")
    with pytest.raises(GroupViTError, match="--force replaces model repositories only"):
        write_repository(demo_bundles["onnx"], tmp_path / "mine", TritonOptions(), force=True)
    broken = shutil.copytree(demo_bundles["onnx"], tmp_path / "broken")
    data = bytearray((broken / "text.onnx").read_bytes())
    data[-1] ^= 1
    (broken / "text.onnx").write_bytes(data)
    with pytest.raises(GroupViTError, match="not the one that was exported"):
        write_repository(broken, tmp_path / "other", TritonOptions())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken", "mine", "models"]


def test_the_command(demo_bundles, tmp_path, capsys):
    arguments = ["triton", str(demo_bundles["onnx"]), "-o", str(tmp_path / "models")]
    assert main([*arguments, "--device", "cuda", "--instances", "2", "--queue", "9", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert sorted(said["models"]) == sorted(MODELS) and said["left_out"] == {}
    config = parsed(tmp_path / "models" / "groupvit_segment" / "config.pbtxt")
    (group,) = config.instance_group
    assert (group.kind, group.count) == (model_config_pb2.ModelInstanceGroup.KIND_GPU, 2)
    assert list(group.gpus) == [0]
    assert config.dynamic_batching.default_queue_policy.max_queue_size == 9
    assert main([*arguments, "--force", "--batch", "0"]) == 2


def test_a_device_that_the_target_has_not(demo_bundles, tmp_path):
    with pytest.raises(UsageError, match="does not run on this device"):
        write_repository(demo_bundles["openvino"], tmp_path / "models", TritonOptions(device="cuda"))


# Engines that are not exported here


def engine_of(demo_bundles, **changed) -> EngineInfo:
    return replace(read_manifest(demo_bundles["onnx"]).engine("image"), **changed)


def plan(**changed) -> TensorRTInfo:
    profile = ProfileInfo("pixel_values", (1, 3, 224, 224), (4, 3, 224, 224), (6, 3, 224, 224))
    values = {
        "flavor": "tensorrt",
        "version": "10.9.0",
        "compute_capabilities": ("9.0",),
        "hardware_compatibility": "none",
        "version_compatible": False,
        "tf32": False,
        "stripped": False,
        "refittable": False,
        "profiles": (profile,),
        "rebuild": "groupvit export --target trt",
    }
    return TensorRTInfo(**{**values, **changed})


def test_what_decodes_by_itself_has_no_batch(demo_bundles):
    engine = engine_of(demo_bundles)
    decoding = replace(
        engine,
        inputs=(
            *engine.inputs,
            TensorInfo("text_embeds", "float32", (-1, 64)),
            TensorInfo("size", "int64", (2,)),
        ),
        outputs=(*engine.outputs, TensorInfo("labels", "int32", (-1, -1, -1))),
    )
    config = engine_config("groupvit_image", decoding, ONNX, TritonOptions(), cached=False)
    assert config.max_batch_size == 0 and not config.HasField("dynamic_batching")
    dims = {tensor.name: list(tensor.dims) for tensor in (*config.input, *config.output)}
    assert dims["pixel_values"] == [-1, 3, 224, 224] and dims["text_embeds"] == [-1, 64]
    assert dims["size"] == [2] and dims["labels"] == [-1, -1, -1]
    (warmup,) = config.model_warmup
    assert warmup.inputs["size"].input_data_file == "size"
    assert list(warmup.inputs["text_embeds"].dims) == [1, 64]


def test_a_decoding_bundle_brings_the_size_of_its_warm_up(demo_bundles, tmp_path):
    bundle = shutil.copytree(demo_bundles["onnx"], tmp_path / "bundle")
    manifest = json.loads((bundle / "manifest.json").read_text())
    image = next(engine for engine in manifest["engines"] if engine["role"] == "image")
    image["inputs"] += [
        {"name": "text_embeds", "dtype": "float32", "shape": [-1, 64]},
        {"name": "size", "dtype": "int64", "shape": [2]},
    ]
    image["outputs"].append({"name": "labels", "dtype": "int32", "shape": [-1, -1, -1]})
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    write_repository(bundle, tmp_path / "models", TritonOptions())
    folder = tmp_path / "models" / "groupvit_image"
    check_rules(parsed(folder / "config.pbtxt"), folder)
    assert np.fromfile(folder / "warmup" / "size", "<i8").tolist() == [32, 32]


def test_tensorrt(demo_bundles):
    engine = engine_of(demo_bundles, target="trt", tensorrt=plan())
    backend = backend_of(engine)
    assert backend == Backend("tensorrt", batches=True)
    config = engine_config("groupvit_image", engine, backend, TritonOptions(device="cuda"), cached=False)
    assert config.max_batch_size == 6
    assert config.instance_group[0].kind == model_config_pb2.ModelInstanceGroup.KIND_GPU
    assert list(config.model_warmup[0].inputs["pixel_values"].dims) == [3, 224, 224]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"target": "trt", "tensorrt": plan(flavor="rtx")}, "TensorRT-RTX"),
        ({"target": "trt", "tensorrt": plan(stripped=True)}, "without its weights"),
        ({"target": "litert"}, "target litert"),
        ({"target": "torch"}, "target torch"),
    ],
)
def test_engines_that_the_server_does_not_execute_by_itself(demo_bundles, changed, reason):
    backend = backend_of(engine_of(demo_bundles, **changed))
    assert isinstance(backend, NoBackend) and reason in backend.reason


def test_a_batch_that_is_fixed_is_not_the_servers(demo_bundles):
    engine = engine_of(demo_bundles)
    fixed = replace(engine, inputs=tuple(replace(t, shape=(1, *t.shape[1:])) for t in engine.inputs))
    assert batch_limit(fixed, ONNX, 8) == 0 and batch_limit(engine, ONNX, 8) == 8


@pytest.mark.parametrize(
    "wrong",
    [
        {"device": "tpu"},
        {"instances": 0},
        {"max_batch": 0},
        {"queue": 0},
        {"threads": 0},
        {"batch_wait": 2.0},
        {"timeout": 0.0},
    ],
)
def test_impossible_options(wrong):
    with pytest.raises(UsageError, match=next(iter(wrong)).replace("device", "unknown device")):
        TritonOptions(**wrong)
