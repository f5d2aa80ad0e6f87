"""Compiling the kernels where there is no GPU."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton", reason="Triton is not installed")


def run(*arguments: str, interpret: bool = False) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    if interpret:
        environment["TRITON_INTERPRET"] = "1"
    return subprocess.run(
        [sys.executable, "-m", "groupvit_kernels.aot", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("aot")
    done = run("-o", str(folder))
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    return folder


@pytest.mark.slow
def test_every_gpu_has_its_kernels_and_none_spills(compiled: Path) -> None:
    kernels = json.loads((compiled / "kernels.json").read_text())["kernels"]
    arches = {"8.0", "8.6", "8.9", "9.0", "10.0", "12.0", "8.0 and newer"}
    assert {item["arch"] for item in kernels} == arches
    for dtype in ("fp32", "fp16", "bf16"):
        for arch in arches:
            found = {item["kernel"] for item in kernels if (item["dtype"], item["arch"]) == (dtype, arch)}
            assert found == {"assign", "group_mean", "fused"}
    assert all(item["spill_bytes"] == 0 and 0 < item["registers"] <= 255 for item in kernels)


def test_the_facts_are_those_of_the_files(compiled: Path) -> None:
    kernels = json.loads((compiled / "kernels.json").read_text())["kernels"]
    files = {path.name for path in compiled.iterdir()} - {"kernels.json"}
    assert files == {item["file"] for item in kernels} and len(files) == len(kernels)
    for item in kernels:
        data = (compiled / item["file"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == item["sha256"]
        is_cubin = item["file"].endswith(".cubin")
        assert data.startswith(b"\x7fELF" if is_cubin else b"//")
        assert item["kernel"].encode() in data
        names = [name for name, _ in item["parameters"]]
        assert names[-2:] == ["hidden_0", "hidden_1"] and "GROUPS" not in names
        if not is_cubin:
            text = data.decode()
            assert ".target sm_80" in text
            assert text.count(".param .u64 .ptr") + text.count(".param .u32") + text.count(".param .b32") > 0
            declared = text[text.index(".entry") : text.index("{", text.index(".entry"))].count(".param")
            assert declared == len(item["parameters"]), "every parameter of the function is listed"


def test_what_is_loaded_is_loaded_as_vectors(compiled: Path) -> None:
    for path in compiled.glob("*.ptx"):
        assert ".v4.b32" in path.read_text(), path.name


@pytest.mark.slow
def test_an_interpreted_kernel_cannot_be_compiled(tmp_path: Path) -> None:
    done = run("-o", str(tmp_path), "--arch", "8.0", "--dtype", "fp16", interpret=True)
    assert done.returncode == 1 and "unset it to compile them" in done.stderr
