"""Reading and writing OpenVINO's files, with what the system has against it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from groupvit_export.errors import ExportError
from groupvit_runtime.files import utf8_path
from groupvit_runtime.system_errors import keeping_system_errors
from groupvit_runtime.without_telemetry.openvino import openvino as ov


def write_model(model: ov.Model, folder: Path, stem: str) -> tuple[str, str]:
    """Write `stem.xml` and `stem.bin`, weights in float32.

    Returns:
        The names of both files.

    Raises:
        OSError: the system refuses it.
        ExportError: it cannot be written, and nothing says why.
    """
    names = f"{stem}.xml", f"{stem}.bin"
    try:
        # Compression to half would be a silent change of precision; the runtime's hint decides that.
        with keeping_system_errors(folder), utf8_path(folder) as place:
            ov.save_model(model, place / names[0], compress_to_fp16=False)
    except RuntimeError as error:
        # Of a stream, which does not say why; what the system refused a moment later was told above.
        raise ExportError(
            "OpenVINO could not write the engine",
            got=f"{folder}: {str(error).strip().splitlines()[0]}",
            expected="a folder that may be written, with space left",
            fix="give the same command again, or another disk with -o",
        ) from error
    return names


def read_model(path: Path) -> ov.Model:
    """Read `path`, and the weights beside it.

    Raises:
        OSError: the system refuses it, which OpenVINO would not say.
    """
    weights = np.frombuffer(path.with_suffix(".bin").read_bytes(), np.uint8)
    return ov.Core().read_model(path.read_bytes(), ov.Tensor(weights))
