"""Target `torch`: what is in a package, what is refused before anything is compiled."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made import provenance_of
from refusals import refused

import groupvit_export.build.source as source_module
from groupvit_export.checkpoint.load import load_checkpoint
from groupvit_export.cli import export_main, main
from groupvit_export.data.bundled import DEMO_CHECKPOINT
from groupvit_export.errors import EngineError, ExportError, MissingDependencyError, UsageError
from groupvit_export.pipeline.api import ExportOptions, export_bundle
from groupvit_export.targets.aotinductor import decomposition, instruction_set, toolchain
from groupvit_export.targets.aotinductor import package as build
from groupvit_export.targets.aotinductor.options import TorchOptions
from groupvit_export.targets.aotinductor.program import Grouping, capture, grouping_sizes
from groupvit_export.verification.checks.grouping_attention import (
    OperatorCase,
    compare_operator,
    operator_cases,
)
from groupvit_export.verification.isolate import isolate
from groupvit_kernels import grouping_attention_torch
from groupvit_runtime.engines import EngineOptions
from groupvit_runtime.engines.torch import GroupingSizes, Sentences, package_facts
from groupvit_runtime.manifest import TensorInfo, read_manifest

TOKEN_IDS = load_checkpoint(DEMO_CHECKPOINT).config.text_config.vocab_size
CASES = operator_cases(groups=12, tokens=24, channels=16)


def operator_inputs(groups: int, tokens: int, channels: int) -> tuple[TensorInfo, ...]:
    shapes = {"query": (-1, groups, channels), "tokens": (-1, tokens, channels), "bias": (-1, groups)}
    return tuple(TensorInfo(name, "float32", shape) for name, shape in shapes.items())


def sources(package: Path) -> str:
    """The C++ that a package was compiled from, which lies inside it."""
    with zipfile.ZipFile(package) as archive:
        return "\n".join(archive.read(n).decode() for n in archive.namelist() if n.endswith(".cpp"))


def test_a_bundle_holds_packages_and_no_graph(torch_bundle: Path) -> None:
    assert {path.name for path in torch_bundle.iterdir()} == {
        "image.pt2",
        "text.pt2",
        "manifest.json",
        "provenance.json",
        "tokenizer.json",
    }


def test_the_package_equals_the_reference_ties_and_batches_included(torch_bundle: Path) -> None:
    parity = provenance_of(torch_bundle).parity
    assert (parity.verdict, parity.first, parity.substitute) == ("PASS", None, None)
    rows = {row.name: row for row in parity.rows}
    for stage in (1, 2):
        assert rows[f"stage_{stage}_safe_flips"].value == 0
        assert rows[f"stage_{stage}_self_consistency"].value == 0
        assert rows[f"grouping_{stage}_alone_decisions"].value == 0
    assert {"batch 1", "batch 3", "batch 8"} <= set(re.findall(r"batch \d", " ".join(parity.cases)))


def test_nothing_in_a_package_calls_python(torch_bundle: Path) -> None:
    for role in ("image", "text"):
        text = sources(torch_bundle / f"{role}.pt2")
        # Operators that are no part of libtorch's C interface are called through the proxy executor.
        assert "groupvit::" not in text and "call_function(proxy_executor," not in text


def test_the_manifest_says_what_the_package_needs(torch_bundle: Path) -> None:
    for engine in read_manifest(torch_bundle).engines:
        assert engine.hardware == f"cpu: {instruction_set.instruction_set().title}"
        assert engine.versions["torch"] == str(torch.__version__)
        assert engine.versions["compiler"] == toolchain.compiler_version()
        facts = package_facts(engine, torch_bundle / engine.files[0].path)
        assert (facts.device, facts.compute_capability) == ("cpu", None)
        assert facts.sentences == (None if engine.role == "image" else Sentences(32, token_ids=TOKEN_IDS))
        assert len(facts.grouping) == (2 if engine.role == "image" else 0)
        assert facts.rebuild == "groupvit export --target torch --precision fp32"


def test_the_code_is_for_the_recorded_instructions_and_no_more(torch_bundle: Path) -> None:
    level = instruction_set.instruction_set()
    text = sources(torch_bundle / "image.pt2")
    assert "march=native" not in text
    if level.march:
        assert f"-march={level.march}" in text
        assert "-mavx512" not in text and "CPU_CAPABILITY_AVX512 " not in text


def test_the_number_of_threads_is_not_compiled_in(torch_bundle: Path) -> None:
    text = sources(torch_bundle / "image.pt2")
    assert "#pragma omp parallel" in text and "num_threads(" not in text


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_the_decomposition_keeps_the_contract(case: OperatorCase) -> None:
    query, tokens, bias = map(torch.from_numpy, (case.query, case.tokens, case.bias))
    values = grouping_attention_torch.plain_forward(query, tokens, bias, 1.0)
    outputs = {n: v.numpy() for n, v in zip(("means", "soft", "index", "count"), values, strict=True)}
    figures = compare_operator(case, outputs, 1.0, budget=1e-3)
    assert figures.safe_flips == ()
    assert figures.soft_error[0] < 1e-3 and figures.means_error[0] < 1e-5 and figures.count_error[0] == 0
    empty = outputs["count"] == 0
    assert not outputs["means"][empty].any()


def test_the_decomposition_leaves_no_opaque_op_and_knows_the_sizes() -> None:
    program = capture(Grouping(0.5), operator_inputs(12, 24, 16), "cpu")
    assert grouping_sizes(program) == (GroupingSizes(12, 24, 16, 0.5),)
    plain = decomposition.decompose(program, "cpu")
    assert grouping_sizes(plain) == ()
    assert "groupvit" not in str(plain.graph)


@pytest.mark.slow
def test_on_cuda_the_op_is_the_triton_kernel() -> None:
    pytest.importorskip("triton")
    code = """
from groupvit_export.targets.aotinductor.decomposition import decompose
from groupvit_export.targets.aotinductor.options import TorchOptions
from groupvit_export.targets.aotinductor.program import Grouping, capture
from groupvit_runtime.manifest import TensorInfo
shapes = {"query": (-1, 12, 16), "tokens": (-1, 24, 16), "bias": (-1, 12)}
inputs = tuple(TensorInfo(name, "float32", shape) for name, shape in shapes.items())
print(decompose(capture(Grouping(0.5), inputs, "cpu"), "cuda").graph)
"""
    # In a process of its own: here the kernels may be interpreted, and the interpreter cannot be captured.
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert "groupvit.grouping_attention_triton" in done.stdout, done.stderr
    assert "groupvit.grouping_attention.default" not in done.stdout


@pytest.mark.slow
def test_the_compiled_op_takes_the_first_of_equals(torch_bundle: Path, tmp_path: Path) -> None:
    info = read_manifest(torch_bundle).engine("image")
    facts = package_facts(info, torch_bundle / "image.pt2")
    groupings = isolate(info, torch_bundle, len(facts.grouping), tmp_path, EngineOptions())
    assert not isinstance(groupings, str)
    for sizes, grouping in zip(facts.grouping, groupings, strict=True):
        for case in operator_cases(sizes.groups, sizes.tokens, sizes.channels):
            outputs = grouping(case.query, case.tokens, case.bias)
            figures = compare_operator(case, outputs, sizes.eps, budget=1e-3)
            assert figures.safe_flips == (), case.name
            assert not outputs["means"][outputs["count"] == 0].any()
        # All groups alike: every token ties between all of them.
        outputs = grouping(
            np.ones((2, sizes.groups, sizes.channels), np.float32),
            np.ones((2, sizes.tokens, sizes.channels), np.float32),
            np.zeros((2, sizes.groups), np.float32),
        )
        assert not outputs["index"].any()


@pytest.mark.slow
def test_verify_and_inspect_know_the_target(
    torch_bundle: Path, scenes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = tmp_path / "images"
    images.mkdir()
    shutil.copy(scenes.image(0), images)
    assert main(["verify", str(torch_bundle), "--images", str(images)]) in (0, 4)
    assert "torch fp32" in capsys.readouterr().out
    assert main(["inspect", str(torch_bundle)]) == 0
    out = capsys.readouterr().out
    assert "image.pt2" in out and instruction_set.instruction_set().title in out


_PROGRAM = """
#include <ATen/ATen.h>
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>
#include <cstdio>
int main(int, char** arguments) {
  torch::inductor::AOTIModelPackageLoader loader(arguments[1]);
  auto outputs = loader.run({at::ones({3, 3, 224, 224})});
  for (auto& output : outputs) std::printf("%.6f\\n", output.to(at::kDouble).sum().item<double>());
}
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the command line of the compiler is that of Linux")
def test_a_cpp_program_runs_the_package_without_python(torch_bundle: Path, tmp_path: Path) -> None:
    home = Path(torch.__file__).parent
    (tmp_path / "main.cpp").write_text(_PROGRAM)
    program = tmp_path / "main"
    command = [toolchain.compiler_name(), "-std=c++20", str(tmp_path / "main.cpp"), "-o", str(program)]
    command += [f"-I{home / 'include'}", f"-L{home / 'lib'}", "-ltorch", "-ltorch_cpu", "-lc10"]
    subprocess.run([*command, f"-Wl,-rpath,{home / 'lib'}"], check=True)
    done = subprocess.run(
        [program, str(torch_bundle / "image.pt2")], env={}, check=True, capture_output=True, text=True
    )
    sums = [float(line) for line in done.stdout.split()]
    loaded = torch._inductor.aoti_load_package(str(torch_bundle / "image.pt2"))
    values = loaded(torch.ones(3, 3, 224, 224))
    assert isinstance(values, tuple)
    np.testing.assert_allclose(sums, [float(value.double().sum()) for value in values], rtol=1e-5, atol=1e-3)


@pytest.fixture
def no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_module, "load_checkpoint", lambda *a, **k: pytest.fail("work was begun"))


def export(**options: Any) -> Callable[[], object]:
    return lambda: export_bundle(ExportOptions(**options))


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize("target", ["onnx", "openvino", "trt"])
def test_a_device_is_for_this_target_only(target: str) -> None:
    options = TorchOptions(device="cuda")
    refused(UsageError, export(target=target, target_options=options), "--device", "--target torch only")


@pytest.mark.usefixtures("no_work")
def test_an_unknown_device_or_precision_is_refused() -> None:
    refused(
        UsageError,
        export(target="torch", target_options=TorchOptions("tpu")),
        "tpu",
        "cpu or cuda",
        complete=False,
    )
    refused(UsageError, export(target="torch", precision="fp16"), "fp16", "fp32", complete=False)


@pytest.mark.usefixtures("no_work")
def test_cuda_without_a_gpu_is_refused_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(toolchain, "has_compiler", lambda: True)
    options = TorchOptions(device="cuda")
    refused(EngineError, export(target="torch", target_options=options), "sees no GPU", "--device cpu")
    assert export_main(["--target", "torch", "--device", "cuda", "-o", str(tmp_path / "b")]) == 1
    assert "--device cpu" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("no_work")
def test_a_missing_compiler_is_named_with_what_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    refused(MissingDependencyError, export(target="torch"), "no program", "apt install g++", "CXX")
    assert main(["doctor", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    row = next(r for r in report["targets"] if (r["target"], r["device"]) == ("torch", "cpu"))
    assert row["run"] and not row["export"] and "C++ compiler" in row["fix"]


def test_a_missing_compiler_is_told_before_pytorch_is_imported() -> None:
    code = (
        "import sys; from groupvit_export.cli import main; code = main(['export', '--target', 'torch']);"
        "print(code, sorted({'torch', 'onnx'} & set(sys.modules)))"
    )
    environment = {**os.environ, "CXX": "no-such-compiler"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=environment
    )
    assert done.stdout.strip() == "1 []"
    assert "no program no-such-compiler" in done.stderr


@pytest.mark.usefixtures("no_work")
def test_an_old_pytorch_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain, "version", lambda package: "2.9.1+cpu")
    refused(MissingDependencyError, export(target="torch"), "newer PyTorch", "2.9.1", "2.13")


@pytest.mark.slow
def test_what_cannot_be_compiled_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        assert Path(os.environ["TORCHINDUCTOR_CACHE_DIR"]).is_dir()
        seen.append(os.environ["TORCHINDUCTOR_CACHE_DIR"])
        raise RuntimeError("C++ compile error\nat length")

    seen: list[str] = []
    before = os.environ.get("TORCHINDUCTOR_CACHE_DIR")
    monkeypatch.setattr(torch._inductor, "aoti_compile_and_package", fail)
    with pytest.raises(ExportError, match="cannot compile(.|\n)*C\\+\\+ compile error at length"):
        build.build_package(
            Grouping(1.0), operator_inputs(2, 3, 4), tmp_path / "x.pt2", device="cpu", rebuild=""
        )
    assert list(tmp_path.iterdir()) == [] and not Path(seen[0]).exists()
    assert os.environ.get("TORCHINDUCTOR_CACHE_DIR") == before


@pytest.mark.parametrize("machine", ["x86_64", "AMD64", "aarch64", "riscv64"])
def test_every_machine_has_a_level_that_is_not_the_build_machines_own(
    monkeypatch: pytest.MonkeyPatch, machine: str
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    level = instruction_set.instruction_set()
    assert level.inductor_options()["cpp.march"] is not None and level.march != "native"
    assert bool(level.features) == bool(level.march)
