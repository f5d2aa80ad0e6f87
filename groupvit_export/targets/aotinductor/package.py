"""Modules to packages, by AOTInductor."""

from __future__ import annotations

import copy
import json
import platform
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch._inductor
from torch import nn
from torch.export import ExportedProgram

from groupvit_export.descendants import ending_with_us
from groupvit_export.errors import ExportError
from groupvit_export.targets.aotinductor.decomposition import decompose
from groupvit_export.targets.aotinductor.instruction_set import instruction_set
from groupvit_export.targets.aotinductor.program import capture, grouping_sizes
from groupvit_export.targets.aotinductor.scratch import scratch_cache
from groupvit_runtime.engines.failure import one_line
from groupvit_runtime.engines.torch import METADATA_KEY, PackageFacts, Sentences
from groupvit_runtime.files import utf8_path
from groupvit_runtime.manifest import TensorInfo
from groupvit_runtime.serialize import to_json
from groupvit_runtime.system_errors import DISK_ERRORS, lost_system_error


def build_package(
    module: nn.Module,
    inputs: Sequence[TensorInfo],
    path: Path,
    *,
    device: str,
    rebuild: str,
    sentences: Sentences | None = None,
) -> PackageFacts:
    """Compile a module into the package `path`; it is not changed.

    Args:
        module: in evaluation mode, on the CPU.
        inputs: what it takes; see `capture`.
        path: ends with ".pt2".
        device: "cpu" or "cuda".
        rebuild: the command that builds it anew.
        sentences: where it takes sentences, which.

    Returns:
        What the package says about itself.

    Raises:
        ExportError: the module cannot be captured or compiled.
        OSError: there is no space for that.
    """
    try:
        with (
            scratch_cache(),
            utf8_path(path.parent) as folder,
            warnings.catch_warnings(),
            ending_with_us(),
        ):
            # Of deprecations inside PyTorch.
            warnings.simplefilter("ignore", FutureWarning)
            own = module if device == "cpu" else copy.deepcopy(module).to(device)
            program = capture(own, inputs, device, None if sentences is None else sentences.longest)
            facts = _facts(program, device, rebuild, sentences)
            torch._inductor.aoti_compile_and_package(
                decompose(program, device),
                package_path=str(folder / path.name),
                inductor_configs=_options(facts),
            )
    except Exception as error:
        # It compiles in one folder and writes into another.
        for place in (path.parent, Path(tempfile.gettempdir())):
            refused = lost_system_error(error, place)
            if refused is not None and refused.errno in DISK_ERRORS:
                raise refused from error
        raise ExportError(
            "AOTInductor cannot compile the model",
            got=f"{type(error).__name__}: {one_line(error)}",
            fix="install the versions of constraints.txt, and a C++ compiler as recent as g++ 12",
        ) from error
    return facts


def hardware(facts: PackageFacts) -> str:
    """What the package is bound to, in words."""
    level = f"cpu: {instruction_set().title}"
    if facts.compute_capability is None:
        return level
    return f"cuda: compute capability {facts.compute_capability}; {level}"


def _facts(program: ExportedProgram, device: str, rebuild: str, sentences: Sentences | None) -> PackageFacts:
    return PackageFacts(
        device="cuda" if device == "cuda" else "cpu",
        machine=platform.machine(),
        cpu_features=instruction_set().features,
        compute_capability=_compute_capability() if device == "cuda" else None,
        sentences=sentences,
        grouping=grouping_sizes(program),
        rebuild=rebuild,
    )


def _options(facts: PackageFacts) -> dict[str, Any]:
    return {
        **instruction_set().inductor_options(),
        # Otherwise the number of threads of this machine is compiled in.
        "cpp.dynamic_threads": True,
        # Debug information is no part of what ships.
        "aot_inductor.enable_line_tables": False,
        # They would stay in the system's temporary folder, half a gigabyte of them.
        "aot_inductor.precompile_headers": False,
        "aot_inductor.metadata": {METADATA_KEY: json.dumps(to_json(facts))},
    }


def _compute_capability() -> str:
    major, minor = torch.cuda.get_device_capability()
    return f"{major}.{minor}"
