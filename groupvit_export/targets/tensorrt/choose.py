"""Which of the two products builds."""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from typing import Any

from groupvit_export.errors import EngineError, MissingDependencyError, UsageError
from groupvit_export.targets.tensorrt.options import TrtOptions, check_flavor_has
from groupvit_runtime.engines.cuda import DeviceInfo, open_cuda
from groupvit_runtime.engines.tensorrt_flavors import FLAVORS, Flavor, is_installed
from groupvit_runtime.install_hint import install_hint

_INSTALL = (
    f"{install_hint('tensorrt-rtx')} (Linux or Windows on x86-64; needs no GPU to build), "
    f"or {install_hint('tensorrt')}, on the machine with the GPU"
)


@dataclass(frozen=True, eq=False)
class Choice:
    """What builds.

    Attributes:
        flavor: the product.
        trt: its Python module.
        why: in words, for the user.
        device: the GPU of this machine, or None.
    """

    flavor: Flavor
    trt: Any
    why: str
    device: DeviceInfo | None


def choose_flavor(options: TrtOptions) -> Choice:
    """TensorRT if it and a GPU are there, else TensorRT-RTX, unless a flavor is asked for.

    Raises:
        UsageError: there is no such flavor, or it lacks an option or a compute capability that was given.
        MissingDependencyError: it is not installed, or neither is.
        EngineError: TensorRT is asked for where there is no GPU.
    """
    if options.flavor is not None and options.flavor not in FLAVORS:
        raise UsageError("unknown flavor", got=options.flavor, expected=" or ".join(FLAVORS))
    device, without = _device()
    flavor, why = _choose(options.flavor, device, without)
    check_flavor_has(options, flavor.name, has_gpu=device is not None)
    trt = importlib.import_module(flavor.module)
    if options.compute_capabilities:
        _check_compute_capabilities(trt, options.compute_capabilities)
    return Choice(flavor, trt, f"{flavor.title} {trt.__version__}: {why}", device)


def known_compute_capabilities(trt: Any) -> dict[str, Any]:
    """What TensorRT-RTX can build for, "8.9" to its own name of it."""
    return {
        f"{name[2:-1]}.{name[-1]}": kind
        for name, kind in trt.ComputeCapability.__members__.items()
        if re.fullmatch(r"SM\d+", name)
    }


def _check_compute_capabilities(trt: Any, wanted: tuple[str, ...]) -> None:
    known = known_compute_capabilities(trt)
    unknown = [item for item in wanted if item not in known]
    if unknown:
        raise UsageError(
            "TensorRT-RTX does not build for this compute capability",
            got=", ".join(unknown),
            expected=", ".join(known),
            fix="--compute-capability with one of these, or TensorRT on the GPU: --trt-flavor tensorrt",
        )


def _choose(asked: str | None, device: DeviceInfo | None, without: str) -> tuple[Flavor, str]:
    tensorrt, rtx = FLAVORS["tensorrt"], FLAVORS["rtx"]
    if asked == "tensorrt" and device is None:
        raise EngineError(
            "TensorRT builds on the GPU that the engine will run on, and there is none here",
            got=without,
            fix="run this on the machine with the GPU, or --trt-flavor rtx, which builds without one",
        )
    if asked is not None and is_installed(FLAVORS[asked]):
        return FLAVORS[asked], "as asked for"
    if asked is not None:
        raise MissingDependencyError(
            f"{FLAVORS[asked].title} is not installed",
            got=f"no Python module {FLAVORS[asked].module}",
            fix=install_hint(FLAVORS[asked].extra),
        )
    if device is not None and is_installed(tensorrt):
        return tensorrt, f"it is installed, and {device.name} is here"
    if is_installed(rtx):
        missing = f"no GPU is here ({without})" if device is None else "TensorRT is not installed"
        return rtx, f"{missing}; it builds ahead of time"
    here = "TensorRT is installed, but it needs a GPU" if is_installed(tensorrt) else "neither is installed"
    raise MissingDependencyError(
        "the target trt needs TensorRT or TensorRT-RTX",
        got=f"{here}{f' ({without})' if device is None else ''}",
        expected="one of the two",
        fix=_INSTALL,
    )


def _device() -> tuple[DeviceInfo | None, str]:
    """The GPU, or why there is none."""
    try:
        return open_cuda().device, ""
    except EngineError as error:
        return None, error.what
