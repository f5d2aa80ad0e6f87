"""Which of the two products builds, and why."""

from __future__ import annotations

import importlib
import types

import pytest
from fake_gpu import FakeCuda

import groupvit_export.targets.tensorrt.choose as choose
from groupvit_export.errors import EngineError, MissingDependencyError, UsageError
from groupvit_export.targets.tensorrt.options import TrtOptions
from groupvit_runtime.engines.cuda import Cuda


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch):
    """Pretend what is installed, and whether there is a GPU."""

    def pretend(*installed: str, gpu: bool) -> None:
        monkeypatch.setattr(choose, "is_installed", lambda flavor: flavor.name in installed)
        monkeypatch.setattr(choose, "open_cuda", lambda: Cuda(FakeCuda(driver=13000 if gpu else 0)))
        module = types.SimpleNamespace(
            __version__="9.9", ComputeCapability=types.SimpleNamespace(__members__={"SM89": 1, "SM120": 2})
        )
        monkeypatch.setattr(importlib, "import_module", lambda name: module)

    return pretend


@pytest.mark.parametrize(
    ("installed", "gpu", "chosen", "why"),
    [
        (("tensorrt", "rtx"), True, "tensorrt", "it is installed, and Imagined GPU is here"),
        (("tensorrt", "rtx"), False, "rtx", "no GPU is here"),
        (("rtx",), True, "rtx", "TensorRT is not installed"),
        (("rtx",), False, "rtx", "no GPU is here"),
        (("tensorrt",), True, "tensorrt", "it is installed"),
    ],
)
def test_tensorrt_where_it_and_a_gpu_are_there_else_rtx(here, installed, gpu, chosen, why) -> None:
    here(*installed, gpu=gpu)
    choice = choose.choose_flavor(TrtOptions())
    assert choice.flavor.name == chosen and why in choice.why and "9.9" in choice.why
    assert (choice.device is not None) == gpu


@pytest.mark.parametrize("flavor", ["tensorrt", "rtx"])
def test_a_flavor_can_be_forced(here, flavor: str) -> None:
    here("tensorrt", "rtx", gpu=True)
    choice = choose.choose_flavor(TrtOptions(flavor=flavor))
    assert choice.flavor.name == flavor and choice.why.endswith("as asked for")


def test_neither_says_what_to_install(here) -> None:
    here(gpu=False)
    with pytest.raises(MissingDependencyError, match=r"neither is installed(.|\n)*\[tensorrt-rtx\]") as found:
        choose.choose_flavor(TrtOptions())
    assert found.value.exit_code == 1


def test_tensorrt_without_a_gpu_cannot_build(here) -> None:
    here("tensorrt", gpu=False)
    with pytest.raises(MissingDependencyError, match="it needs a GPU"):
        choose.choose_flavor(TrtOptions())
    with pytest.raises(EngineError, match=r"none here(.|\n)*no NVIDIA driver(.|\n)*--trt-flavor rtx"):
        choose.choose_flavor(TrtOptions(flavor="tensorrt"))


def test_a_forced_flavor_that_is_missing_is_named(here) -> None:
    here("tensorrt", gpu=True)
    with pytest.raises(MissingDependencyError, match=r"TensorRT-RTX is not installed(.|\n)*\[tensorrt-rtx\]"):
        choose.choose_flavor(TrtOptions(flavor="rtx"))


def test_unknown_flavors_and_compute_capabilities(here) -> None:
    here("rtx", gpu=False)
    with pytest.raises(UsageError, match="tensorrt or rtx"):
        choose.choose_flavor(TrtOptions(flavor="RTX"))
    with pytest.raises(UsageError, match=r"9\.0(.|\n)*8\.9, 12\.0"):
        choose.choose_flavor(TrtOptions(compute_capabilities=("8.9", "9.0")))


def test_options_that_the_flavor_lacks_are_refused_before_it_is_loaded(here) -> None:
    here("rtx", gpu=False)
    with pytest.raises(UsageError, match="--version-compatible"):
        choose.choose_flavor(TrtOptions(version_compatible=True))
