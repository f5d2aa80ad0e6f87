"""The options of `--target trt`."""

from __future__ import annotations

import argparse
from pathlib import Path

from groupvit_export.errors import UsageError
from groupvit_export.targets.tensorrt.options import (
    OPTIMIZATION_LEVELS,
    TrtOptions,
    check_hardware_compatibility,
    parse_bounds,
    parse_compute_capabilities,
)


def add_trt_options(parser: argparse.ArgumentParser) -> None:
    """Add them as a group; their defaults are those of `TrtOptions`."""
    group = parser.add_argument_group(
        "TensorRT", "with --target trt only; an option that the flavor would ignore is refused"
    )
    group.add_argument(
        "--trt-flavor",
        metavar="F",
        help="tensorrt or rtx; default: tensorrt where it and a GPU are here, else rtx",
    )
    group.add_argument(
        "--batch", metavar="MIN:OPT:MAX", help="images at once, or one number for all three; default 1:1:8"
    )
    group.add_argument("--text-batch", metavar="MIN:OPT:MAX", help="sentences at once; default 1:16:64")
    group.add_argument("--tf32", action="store_true", help="let float32 products be rounded to 10 bits")
    group.add_argument("--workspace", type=int, metavar="MIB", help="most scratch memory of a layer")
    group.add_argument("--refit", action="store_true", help="keep the weights replaceable")
    group.add_argument(
        "--strip-plan",
        action="store_true",
        help="leave the weights out; taken from the ONNX file when loaded",
    )
    group.add_argument(
        "--hardware-compatibility", metavar="LEVEL", help="tensorrt: none (default), ampere+ or same-cc"
    )
    group.add_argument(
        "--version-compatible",
        action="store_true",
        help="tensorrt: for newer versions of the major version too",
    )
    group.add_argument(
        "--timing-cache", type=Path, metavar="FILE", help="tensorrt: measured tactics, read and written"
    )
    group.add_argument(
        "--builder-optimization-level",
        type=int,
        metavar="0-5",
        help="tensorrt: 0 builds fastest, 5 runs fastest",
    )
    group.add_argument(
        "--compute-capability",
        action="append",
        metavar="CC",
        help="rtx: build for these GPUs only, as 8.9 or 8.6,8.9; default all from 8.0 on",
    )


def read_trt_options(arguments: argparse.Namespace) -> TrtOptions:
    """What was given.

    Raises:
        UsageError: a value cannot be understood.
    """
    usual = TrtOptions()
    level = arguments.builder_optimization_level
    if level is not None and level not in OPTIMIZATION_LEVELS:
        raise UsageError(
            "there is no such optimization level",
            got=level,
            expected=f"{OPTIMIZATION_LEVELS[0]} to {OPTIMIZATION_LEVELS[-1]}",
        )
    if arguments.workspace is not None and arguments.workspace < 1:
        raise UsageError("the workspace must be positive", got=arguments.workspace, expected="MiB, 1 or more")
    return TrtOptions(
        flavor=arguments.trt_flavor,
        batch=usual.batch if arguments.batch is None else parse_bounds(arguments.batch, "--batch"),
        text_batch=usual.text_batch
        if arguments.text_batch is None
        else parse_bounds(arguments.text_batch, "--text-batch"),
        tf32=arguments.tf32,
        workspace=arguments.workspace,
        refit=arguments.refit,
        strip_plan=arguments.strip_plan,
        hardware_compatibility=usual.hardware_compatibility
        if arguments.hardware_compatibility is None
        else check_hardware_compatibility(arguments.hardware_compatibility),
        version_compatible=arguments.version_compatible,
        timing_cache=arguments.timing_cache,
        builder_optimization_level=level,
        compute_capabilities=parse_compute_capabilities(arguments.compute_capability or []),
    )
