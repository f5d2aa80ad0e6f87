"""A graph to a plan."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import onnx

from groupvit_export.errors import ExportError, UsageError
from groupvit_export.targets.tensorrt.choose import Choice, known_compute_capabilities
from groupvit_export.targets.tensorrt.monitor import Phases, Report, make_monitor, run_interruptibly
from groupvit_export.targets.tensorrt.network import parse
from groupvit_export.targets.tensorrt.options import Bounds, TrtOptions
from groupvit_runtime.engines.tensorrt_flavors import logger_of
from groupvit_runtime.files import write_atomically
from groupvit_runtime.manifest import ProfileInfo, TensorRTInfo

_HARDWARE: Final[Mapping[str, str]] = {"ampere+": "AMPERE_PLUS", "same-cc": "SAME_COMPUTE_CAPABILITY"}


def build_plan(
    model: onnx.ModelProto,
    profiles: tuple[ProfileInfo, ...],
    choice: Choice,
    options: TrtOptions,
    report: Report,
) -> bytes:
    """Build the plan of a graph, typed as the graph is.

    Args:
        model: whose types are the precision.
        profiles: of every input.
        choice: what builds.
        options: how.
        report: told how far it is.

    Raises:
        ExportError: the parser or the builder refuses.
        UsageError: the timing cache is of another version or GPU.
        KeyboardInterrupt: Ctrl-C; nothing of the build is left.
    """
    trt, logger = choice.trt, logger_of(choice.trt)
    logger.take()
    parsed = parse(trt, logger, model)
    config = parsed.builder.create_builder_config()
    _configure(trt, config, options)
    profile = parsed.builder.create_optimization_profile()
    for item in profiles:
        profile.set_shape(item.name, item.min, item.opt, item.max)
    if config.add_optimization_profile(profile) < 0:
        raise ExportError("TensorRT refuses the profile", got=logger.take(), expected=profiles)
    stop = threading.Event()
    config.progress_monitor = make_monitor(trt, Phases(report), stop)
    cache = _timing_cache(config, options.timing_cache)
    plan = run_interruptibly(lambda: parsed.builder.build_serialized_network(parsed.network, config), stop)
    if plan is None:
        raise ExportError(
            f"{choice.flavor.title} {trt.__version__} cannot build the engine",
            got=_shortened(logger.take()),
            fix="another --trt-flavor or --precision, or the versions of constraints.txt",
        )
    if cache is not None and options.timing_cache is not None:
        write_atomically(options.timing_cache, bytes(config.get_timing_cache().serialize()))
    return bytes(plan)


def plan_facts(
    profiles: tuple[ProfileInfo, ...], choice: Choice, options: TrtOptions, rebuild: str
) -> TensorRTInfo:
    """What the manifest records of a plan."""
    is_rtx = choice.flavor.name == "rtx"
    built_on = () if choice.device is None or is_rtx else (choice.device.compute_capability,)
    return TensorRTInfo(
        flavor="rtx" if is_rtx else "tensorrt",
        version=str(choice.trt.__version__),
        compute_capabilities=options.compute_capabilities or built_on,
        hardware_compatibility=options.hardware_compatibility,
        version_compatible=options.version_compatible,
        tf32=options.tf32,
        stripped=options.strip_plan,
        refittable=options.refit or options.strip_plan,
        profiles=profiles,
        rebuild=rebuild,
    )


def hardware(facts: TensorRTInfo, choice: Choice) -> str:
    """What a plan is bound to, in words."""
    if facts.flavor == "rtx":
        named = ", ".join(facts.compute_capabilities)
        return (
            f"NVIDIA GPU of compute capability {named or '8.0 and newer, as far as TensorRT-RTX supports it'}"
        )
    if facts.hardware_compatibility == "ampere+":
        return "NVIDIA GPU of compute capability 8.0 and newer"
    assert choice.device is not None
    if facts.hardware_compatibility == "same-cc":
        return f"NVIDIA GPU of compute capability {choice.device.compute_capability}"
    return f"{choice.device.name} (compute capability {choice.device.compute_capability})"


def profiles_of(model: onnx.ModelProto, batch: Bounds, text_length: Bounds) -> tuple[ProfileInfo, ...]:
    """Profiles of a graph's inputs: the first dimension is the batch, any other open one a text's length."""
    profiles = []
    for value in model.graph.input:
        shapes: list[list[int]] = [[], [], []]
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            bounds = batch if axis == 0 else text_length
            fixed = (
                (dim.dim_value,) * 3 if dim.HasField("dim_value") else (bounds.min, bounds.opt, bounds.max)
            )
            for shape, side in zip(shapes, fixed, strict=True):
                shape.append(side)
        profiles.append(ProfileInfo(value.name, *(tuple(shape) for shape in shapes)))
    return tuple(profiles)


def _configure(trt: Any, config: Any, options: TrtOptions) -> None:
    flags = trt.BuilderFlag
    # On by default in both flavors; TF32 keeps 10 bits of mantissa, and decisions with a small margin flip.
    for wanted, flag in (
        (options.tf32, flags.TF32),
        (options.refit, flags.REFIT),
        (options.strip_plan, flags.STRIP_PLAN),
        (options.version_compatible, flags.VERSION_COMPATIBLE),
    ):
        (config.set_flag if wanted else config.clear_flag)(flag)
    if options.workspace is not None:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, options.workspace << 20)
    if options.builder_optimization_level is not None:
        config.builder_optimization_level = options.builder_optimization_level
    if options.hardware_compatibility != "none":
        config.hardware_compatibility_level = getattr(
            trt.HardwareCompatibilityLevel, _HARDWARE[options.hardware_compatibility]
        )
    if options.compute_capabilities:
        _narrow(trt, config, options.compute_capabilities)


def _narrow(trt: Any, config: Any, compute_capabilities: tuple[str, ...]) -> None:
    known = known_compute_capabilities(trt)
    config.num_compute_capabilities = len(compute_capabilities)
    for index, item in enumerate(compute_capabilities):
        config.set_compute_capability(known[item], index)


def _timing_cache(config: Any, path: Path | None) -> Any:
    if path is None:
        return None
    cache = config.create_timing_cache(path.read_bytes() if path.is_file() else b"")
    if cache is None or not config.set_timing_cache(cache, False):
        raise UsageError(
            "the timing cache cannot be used",
            got=str(path),
            expected="a file that this version wrote on this GPU, or none yet",
            fix="delete it, or name another",
        )
    return cache


def _shortened(text: str) -> str:
    return re.sub(r"\s+", " ", text)[:500] or "no reason given"
