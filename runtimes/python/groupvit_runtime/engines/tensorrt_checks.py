"""What must agree between a TensorRT engine, the flavor that is installed and the GPU."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from groupvit_runtime.engines.cuda import DeviceInfo
from groupvit_runtime.engines.tensorrt_flavors import FLAVORS
from groupvit_runtime.errors import EngineError
from groupvit_runtime.manifest import EngineInfo, TensorRTInfo


def check_bound_to(facts: TensorRTInfo, version: str, device: DeviceInfo) -> None:
    """Compare the record with what is here, before anything is deserialized.

    Args:
        facts: of the manifest.
        version: of the flavor that is installed.
        device: the GPU.

    Raises:
        EngineError: the version or the device is another; names both sides and the command that rebuilds.
    """
    title = FLAVORS[facts.flavor].title
    if not _version_fits(facts, version):
        newer = " or a newer one of the same major version" if facts.version_compatible else " exactly"
        raise EngineError(
            f"the engine was built by another version of {title}",
            got=f"{title} {version} here",
            expected=f"{title} {facts.version}{newer}",
            fix=f"pip install '{FLAVORS[facts.flavor].module.replace('_', '-')}=={facts.version}', "
            f"or build it anew: {facts.rebuild}",
        )
    if not _device_fits(facts, device.compute_capability):
        built = ", ".join(facts.compute_capabilities)
        further = {"none": "", "same-cc": "", "ampere+": " or any GPU from 8.0 on"}
        raise EngineError(
            "the engine was built for another kind of GPU",
            got=f"{device.name}, compute capability {device.compute_capability}",
            expected=f"compute capability {built}{further[facts.hardware_compatibility]}",
            fix=f"build it anew on this machine: {facts.rebuild}",
        )


def check_validity(trt: Any, runtime: Any, plan: bytes, facts: TensorRTInfo) -> None:
    """Ask the runtime itself, where it can be asked: TensorRT-RTX says whether a plan runs here and why not.

    Raises:
        EngineError: it does not.
    """
    ask = getattr(runtime, "get_engine_validity", None)
    if ask is None:
        return
    validity, diagnostics = ask(plan)
    if validity != trt.EngineValidity.INVALID:
        return
    reasons = [
        name.lower().replace("_", " ")
        for name, kind in trt.EngineInvalidityDiagnostics.__members__.items()
        if int(diagnostics) & int(kind)
    ]
    raise EngineError(
        f"{FLAVORS[facts.flavor].title} says that the engine does not run here",
        got=", ".join(reasons) or "no reason given",
        expected=f"a plan of {FLAVORS[facts.flavor].title} {facts.version}"
        + (f" for {', '.join(facts.compute_capabilities)}" if facts.compute_capabilities else ""),
        fix=f"build it anew on this machine: {facts.rebuild}",
    )


def check_tensors(trt: Any, engine: Any, info: EngineInfo) -> None:
    """Compare names and dtypes of the engine's tensors with the manifest.

    Raises:
        EngineError: they differ.
    """
    names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
    found = {name: np.dtype(trt.nptype(engine.get_tensor_dtype(name))).name for name in names}
    recorded = {tensor.name: tensor.dtype for tensor in (*info.inputs, *info.outputs)}
    if found != recorded:
        raise EngineError(
            "the engine has other tensors than the manifest says",
            got=found,
            expected=recorded,
            fix="copy or export the bundle again",
        )


def _version_fits(facts: TensorRTInfo, version: str) -> bool:
    here, built = _numbers(version), _numbers(facts.version)
    if facts.version_compatible:
        return here[:1] == built[:1] and here >= built
    return here == built


def _device_fits(facts: TensorRTInfo, compute_capability: str) -> bool:
    if not facts.compute_capabilities:
        return True
    if facts.hardware_compatibility == "ampere+":
        return _numbers(compute_capability) >= (8, 0)
    return compute_capability in facts.compute_capabilities


def _numbers(version: str) -> tuple[int, ...]:
    # "10.14.1.48.post1": the suffix is of the package, not of the library.
    return tuple(int(number) for number in re.findall(r"\d+", version.partition(".post")[0]))
