"""Capturing the text encoder in a process of its own, while the caller captures the image encoder.

Tracing is single-threaded Python; side by side the two take half the time. A plain subprocess rather than
multiprocessing: the latter would import the main module of whoever called the exporter again.

Run as `python -m groupvit_export.graph.text_capture FOLDER` it captures what `TextCapture` left there.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType

import onnx
import torch
from safetensors.torch import load_file, save_file

from groupvit_export.errors import ExportError
from groupvit_export.graph.capture import capture_text_encoder
from groupvit_export.graph.encoders import TextEncoder
from groupvit_export.model.config import GroupViTConfig
from groupvit_export.model.groupvit import GroupViTModel
from groupvit_runtime.system_errors import DISK_ERRORS, keeping_system_errors, lost_system_error

_CONFIG, _WEIGHTS, _GRAPH = "config.json", "text.safetensors", "text.onnx"


class TextCapture:
    """Starts at once; `result` waits. Leaving the context stops a capture that still runs."""

    def __init__(self, encoder: TextEncoder, config: GroupViTConfig) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="groupvit-text-")
        folder = Path(self._folder.name)
        config.to_json_file(folder / _CONFIG)
        weights = encoder.state_dict()
        with keeping_system_errors(folder):
            save_file({name: value.contiguous() for name, value in weights.items()}, folder / _WEIGHTS)
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="backslashreplace",
        )

    def __enter__(self) -> TextCapture:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._process:
            self._process.kill()
        self._folder.cleanup()

    def result(self) -> onnx.ModelProto:
        """The captured graph.

        Raises:
            ExportError: the capture failed.
            OSError: there is no space for it.
        """
        _, complaint = self._process.communicate()
        if self._process.returncode != 0:
            lines = complaint.strip().splitlines()
            refused = lost_system_error(lines[-1] if lines else "", Path(self._folder.name))
            if refused is not None and refused.errno in DISK_ERRORS:
                raise refused
            raise ExportError(
                "the text encoder could not be captured as a graph",
                got=lines[-1] if lines else f"exit code {self._process.returncode}",
                fix="install the versions of constraints.txt",
            )
        return onnx.load_model(Path(self._folder.name) / _GRAPH)


def main(folder: Path) -> None:
    """Capture the encoder that `TextCapture` wrote into `folder`."""
    config = GroupViTConfig.from_json_file(folder / _CONFIG)
    with torch.device("meta"):
        model = GroupViTModel(config)
    encoder = TextEncoder(model)
    encoder.load_state_dict(load_file(folder / _WEIGHTS), assign=True)
    graph = capture_text_encoder(encoder, config.text_config.max_position_embeddings)
    onnx.save_model(graph, folder / _GRAPH)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
