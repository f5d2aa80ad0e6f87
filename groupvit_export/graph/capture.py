"""Encoder modules to ONNX models, by torch.export."""

from __future__ import annotations

import contextlib
import gc
import io
import logging
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, Final

import onnx
import torch
from torch import Tensor, nn

from groupvit_export.errors import ExportError
from groupvit_export.graph import grouping_attention_function
from groupvit_export.graph.encoders import ImageEncoder, TextEncoder
from groupvit_export.graph.naming import name_grouping_values, name_normalized_pixels
from groupvit_runtime.contract import TEXT_INPUT, TEXT_OUTPUT

OPSET: Final = 20
"""First opset with Gelu as an operator; ONNX Runtime 1.17, OpenVINO 2024 and TensorRT 10 read it."""

# Two of everything that stays dynamic: a size of one would be taken for a constant.
_EXAMPLE_BATCH = 2


def capture_image_encoder(encoder: ImageEncoder) -> onnx.ModelProto:
    """Capture with a dynamic batch and the encoder's fixed image size."""
    example = encoder.example(_EXAMPLE_BATCH)
    batch = torch.export.Dim("batch", min=1)
    model = _capture(encoder, example, encoder.input_name, encoder.output_names(), {"image": {0: batch}})
    name_grouping_values(model)
    if encoder.normalization is not None:
        name_normalized_pixels(model)
    grouping_attention_function.attach(model)
    return model


def capture_text_encoder(encoder: TextEncoder, max_length: int) -> onnx.ModelProto:
    """Capture with dynamic batch and length, at most `max_length` tokens."""
    example = torch.zeros(_EXAMPLE_BATCH, min(5, max_length), dtype=torch.int64)
    batch = torch.export.Dim("batch", min=1)
    length = torch.export.Dim("length", min=2, max=max_length)
    return _capture(encoder, example, TEXT_INPUT, (TEXT_OUTPUT,), {"input_ids": {0: batch, 1: length}})


def _capture(
    module: nn.Module,
    example: Tensor,
    input_name: str,
    output_names: tuple[str, ...],
    dynamic_shapes: Mapping[str, Any],
) -> onnx.ModelProto:
    try:
        with torch.no_grad(), _quiet(), _no_garbage_collection():
            program = torch.onnx.export(
                module,
                (example,),
                dynamo=True,
                input_names=[input_name],
                output_names=list(output_names),
                dynamic_shapes=dict(dynamic_shapes),
                opset_version=OPSET,
                verbose=False,
            )
    except Exception as error:
        raise ExportError(
            "the model could not be captured as a graph",
            got=f"{type(error).__name__}: {str(error).strip().splitlines()[0]}",
            fix="this is a defect of the toolkit or of the installed PyTorch: "
            "install the versions of constraints.txt",
        ) from error
    if program is None:
        raise ExportError("the exporter returned nothing", expected="an ONNX program")
    model = program.model_proto
    _check_opset(model)
    _strip_traces(model)
    return model


def _check_opset(model: onnx.ModelProto) -> None:
    versions = {entry.domain: entry.version for entry in model.opset_import}
    if versions.get("") != OPSET:
        raise ExportError("the exporter chose another opset", got=versions, expected=OPSET)


def _strip_traces(model: onnx.ModelProto) -> None:
    """Remove the exporter's notes on every node: they quote source lines and paths of this machine."""
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output):
        del value.metadata_props[:]
    for tensor in model.graph.initializer:
        del tensor.metadata_props[:]
    del model.graph.metadata_props[:]
    del model.metadata_props[:]


@contextlib.contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Tracing makes millions of objects; searching them for garbage takes a tenth of its time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's remarks on absent optional packages and deprecations off the terminal."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
