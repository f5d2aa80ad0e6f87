"""Capturing the text encoder in a process of its own, while the caller captures the image encoder.

Tracing is single-threaded Python; side by side the two take half the time. A plain subprocess rather than
multiprocessing: the latter would import the main module of whoever called the exporter again.

Run as `python -m groupvit_export.graph.text_capture FOLDER` it captures what `TextCapture` left there.
"""

from __future__ import annotations

import errno
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final

import onnx
import torch
from safetensors.torch import load_file, save_file

from groupvit_export.children import child_command, lifeline
from groupvit_export.errors import ExportError
from groupvit_export.graph.capture import capture_text_encoder
from groupvit_export.graph.encoders import TextEncoder
from groupvit_export.model.config import GroupViTConfig
from groupvit_export.model.groupvit import GroupViTModel
from groupvit_runtime.system_errors import DISK_ERRORS, keeping_system_errors, lost_system_error
from groupvit_runtime.temporary import scratch_folder

_SYSTEM_ERRORS: Final = DISK_ERRORS | {errno.EACCES, errno.EMFILE, errno.ENFILE}
_CONFIG, _WEIGHTS, _GRAPH = "config.json", "text.safetensors", "text.onnx"


class TextCapture:
    """Starts at once; `result` waits. Leaving the context stops a capture that still runs."""

    def __init__(self, encoder: TextEncoder, config: GroupViTConfig) -> None:
        with ExitStack() as stack:
            self._folder = folder = stack.enter_context(scratch_folder("text"))
            config.to_json_file(folder / _CONFIG)
            weights = encoder.state_dict()
            with keeping_system_errors(folder):
                save_file({name: value.contiguous() for name, value in weights.items()}, folder / _WEIGHTS)
            self._process = subprocess.Popen(
                child_command(__name__, str(folder)),
                stdin=stack.enter_context(lifeline()),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                errors="backslashreplace",
            )
            self._stack = stack.pop_all()

    def __enter__(self) -> TextCapture:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stack, self._process:
            self._process.kill()

    def result(self) -> onnx.ModelProto:
        """The captured graph.

        Raises:
            ExportError: the capture failed.
            OSError: the system refused it files or space.
        """
        _, complaint = self._process.communicate()
        if self._process.returncode != 0:
            lines = complaint.strip().splitlines()
            refused = lost_system_error(lines[-1] if lines else "", self._folder)
            if refused is not None and refused.errno in _SYSTEM_ERRORS:
                raise refused
            raise ExportError(
                "the text encoder could not be captured as a graph",
                got=lines[-1] if lines else f"exit code {self._process.returncode}",
                fix="install the versions of constraints.txt",
            )
        return onnx.load_model(self._folder / _GRAPH)


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
