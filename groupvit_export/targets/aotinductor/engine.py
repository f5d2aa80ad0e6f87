"""Target `torch`: packages of AOTInductor (.pt2), for Python and for C++ with libtorch."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import onnx
import torch

from groupvit_export.graph import checks
from groupvit_export.graph.encoders import TextEncoder
from groupvit_export.targets.aotinductor.options import TorchOptions
from groupvit_export.targets.aotinductor.package import build_package, hardware
from groupvit_export.targets.aotinductor.toolchain import compiler_version
from groupvit_export.targets.base import BuildRequest, BuiltEngine
from groupvit_runtime.engines.torch import Sentences


def build(model: onnx.ModelProto, folder: Path, request: BuildRequest[TorchOptions]) -> BuiltEngine:
    """Write `ROLE.pt2`, compiled from the module; the graph says what its inputs are.

    Raises:
        ExportError: PyTorch cannot capture or compile the module.
    """
    name = f"{request.role}.pt2"
    facts = build_package(
        request.module,
        checks.tensor_infos(model.graph.input),
        folder / name,
        device=request.options.device,
        rebuild=request.rebuild,
        sentences=_sentences(request),
    )
    return BuiltEngine(
        files=(name,),
        versions={"torch": torch.__version__, "compiler": compiler_version()},
        hardware=hardware(facts),
    )


def _sentences(request: BuildRequest[TorchOptions]) -> Sentences | None:
    if request.role == "image":
        return None
    vocabulary = cast(TextEncoder, request.module).text_model.config.vocab_size
    return Sentences(request.text_max_length, vocabulary)
