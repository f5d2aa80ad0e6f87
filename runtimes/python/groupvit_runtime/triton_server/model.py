"""The class that Triton's Python backend looks for in a model's `model.py`."""

from __future__ import annotations

import json
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# There in the processes that the server starts for a model, and nowhere else.
import triton_python_backend_utils as pb_utils

from groupvit_runtime.errors import BundleError, GroupViTError, ImageError, LabelError, UsageError
from groupvit_runtime.triton_server.answering import Answer, Answering, load

_OF_THE_CALLER = (ImageError, LabelError, UsageError, BundleError)


class TritonPythonModel:
    """An instance of `groupvit_segment`; the server calls it from one thread."""

    _answering: Answering

    def initialize(self, args: Mapping[str, str]) -> None:
        """Load; an error is the server's answer to loading the model."""
        config = json.loads(args["model_config"])
        self._inputs = [each["name"] for each in config["input"]]
        parameters = {name: value["string_value"] for name, value in config["parameters"].items()}
        device = "cuda" if args["model_instance_kind"] == "GPU" else "cpu"
        self._answering = load(Path(args["model_repository"]), args["model_version"], parameters, device)
        names = ", ".join(self._answering.vocabularies) or "none"
        pb_utils.Logger.log_info(f"groupvit_segment: {self._answering.description}; vocabularies: {names}")

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Answer requests, in their order."""
        return [_response(answer) for answer in self._answering.answer([*map(self._tensors, requests)])]

    def finalize(self) -> None:
        """Called before the model is unloaded."""
        self._answering.close()

    def _tensors(self, request: Any) -> dict[str, Any]:
        found = ((name, pb_utils.get_input_tensor_by_name(request, name)) for name in self._inputs)
        return {name: tensor.as_numpy() for name, tensor in found if tensor is not None}


def _response(answer: Answer) -> Any:
    if isinstance(answer, GroupViTError):
        return pb_utils.InferenceResponse(error=_error(answer))
    return pb_utils.InferenceResponse([pb_utils.Tensor(name, array) for name, array in answer.items()])


def _error(error: GroupViTError) -> Any:
    if isinstance(error, _OF_THE_CALLER):
        return pb_utils.TritonError(str(error), pb_utils.TritonError.INVALID_ARG)
    # What an engine says of itself is for the log.
    pb_utils.Logger.log_error("".join(traceback.format_exception(error)))
    return pb_utils.TritonError("the engine failed; see the server's log", pb_utils.TritonError.INTERNAL)
