"""Target `openvino`: intermediate representation (.xml and .bin)."""

from __future__ import annotations

from pathlib import Path

import onnx
import openvino as ov

from groupvit_export.errors import ExportError
from groupvit_export.graph.function import inlined
from groupvit_export.targets import BuildRequest, BuiltEngine


def build(model: onnx.ModelProto, folder: Path, request: BuildRequest) -> BuiltEngine:
    """Write `ROLE.xml` and `ROLE.bin`, weights in float32.

    Raises:
        ExportError: OpenVINO cannot convert the graph.
    """
    stem = request.role
    # OpenVINO refuses model-local functions.
    data = inlined(model).SerializeToString()
    try:
        converted = ov.Core().read_model(data)
        # Compression to half would be a silent change of precision; the runtime's hint decides that.
        ov.save_model(converted, folder / f"{stem}.xml", compress_to_fp16=False)
    except RuntimeError as error:
        raise ExportError(
            "OpenVINO cannot convert or write the graph", got=str(error).strip().splitlines()[0]
        ) from error
    versions = {"onnx": onnx.__version__, "openvino": str(ov.__version__).split("-")[0]}
    return BuiltEngine(files=(f"{stem}.xml", f"{stem}.bin"), versions=versions, hardware="any CPU")
