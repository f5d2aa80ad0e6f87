"""LiteRT, TensorFlow Lite until 2024, on the CPU by XNNPACK."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from groupvit_runtime.contract import TEXT_INPUT
from groupvit_runtime.engines import EngineOptions, Tensors
from groupvit_runtime.engines.failure import load_failed, run_failed
from groupvit_runtime.engines.interface import check_interface
from groupvit_runtime.engines.litert_log import without_its_first_line
from groupvit_runtime.errors import EngineError
from groupvit_runtime.manifest import EngineInfo, TensorInfo
from groupvit_runtime.processors import usable_cores

SIGNATURE: Final = "serving_default"
"""Of a file's entry points, the one that is run."""

_PRECISIONS: Final = {
    "fp32": "fp32",
    "w16": "fp16 weights, computed in float32",
    "int8": "int8 weights, activations quantized as they come",
}
_ERRORS: Final = (RuntimeError, ValueError, TypeError)


class LiteRTEngine:
    """An interpreter, whose calls take turns: it is made for one thread, and divides a call among its own.

    A file has one batch and one length of sentences. Others are computed in parts of that batch, the last of
    them filled up with its last image or sentence; sentences are filled up with their last token, which no
    text encoder that a bundle may have sees.

    Args:
        info: of the bundle.
        root: folder of the bundle.
        options: how many threads; None for one a processor.

    Raises:
        EngineError: the file is none, or has other tensors than the manifest says.
    """

    def __init__(self, info: EngineInfo, root: Path, options: EngineOptions) -> None:
        if info.precision not in _PRECISIONS:
            raise EngineError(
                "this runtime does not know what LiteRT makes of the engine's precision",
                got=info.precision,
                expected=" or ".join(_PRECISIONS),
            )
        self._info = info
        self._threads = options.threads or usable_cores()
        self._runtime = f"LiteRT {version('ai-edge-litert')}"
        without_its_first_line()
        try:
            # From bytes, which it holds: a file might be another by the time that it is opened.
            self._interpreter = Interpreter(model_content=info.files[0].read(root), num_threads=self._threads)
            inputs, outputs = _details(self._interpreter)
            self._interpreter.allocate_tensors()
        except _ERRORS as error:
            raise load_failed(
                self._runtime,
                info,
                error,
                fix="pip install 'ai-edge-litert>="
                f"{info.versions.get('ai-edge-litert', version('ai-edge-litert'))}', or export it again",
            ) from error
        check_interface(self._runtime, info, _tensors(inputs), _tensors(outputs))
        self._inputs = {name: (int(found["index"]), tuple(found["shape"])) for name, found in inputs.items()}
        self._outputs = {output.name: int(outputs[output.name]["index"]) for output in info.outputs}
        self._turn = threading.Lock()

    @property
    def device(self) -> str:
        return "cpu"

    @property
    def description(self) -> str:
        threads = f"{self._threads} thread{'' if self._threads == 1 else 's'}"
        return f"{self._runtime}, CPU, {_PRECISIONS[self._info.precision]}, {threads}"

    def run(self, inputs: Tensors) -> dict[str, NDArray[np.generic]]:
        try:
            rows = _one_batch({name: len(array) for name, array in inputs.items()})
            size = next(shape[0] for _, shape in self._inputs.values())
            with self._turn:
                parts = [self._invoke(inputs, start, size) for start in range(0, rows, size)]
        except _ERRORS as error:
            raise run_failed(self._runtime, self._info, inputs, error) from error
        if len(parts) == 1 and rows == size:
            return parts[0]
        return {name: np.concatenate([part[name] for part in parts])[:rows] for name in self._outputs}

    def _invoke(self, inputs: Tensors, start: int, size: int) -> dict[str, NDArray[np.generic]]:
        for name, array in inputs.items():
            index, shape = self._inputs[name]
            part = _filled(array[start : start + size], size, axis=0)
            if name == TEXT_INPUT:
                part = _filled(part, shape[1], axis=1)
            self._interpreter.set_tensor(index, part)
        self._interpreter.invoke()
        # Copies: the tensors are the interpreter's own, which the next call overwrites.
        return {name: self._interpreter.get_tensor(index) for name, index in self._outputs.items()}


def _one_batch(rows: Mapping[str, int]) -> int:
    counts = set(rows.values())
    if len(counts) != 1 or 0 in counts:
        raise ValueError(f"one batch was expected: {dict(rows)}")
    return counts.pop()


def _filled(array: NDArray[np.generic], size: int, axis: int) -> NDArray[np.generic]:
    """With the last repeated until it is `size` long."""
    missing = size - array.shape[axis]
    if missing <= 0:
        return array
    last = np.take(array, [-1], axis)
    return np.concatenate([array, np.repeat(last, missing, axis)], axis)


def _details(interpreter: Any) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Of inputs and outputs, by name. As long as a runner lives, the interpreter allocates nothing."""
    runner = interpreter.get_signature_runner(SIGNATURE)
    return runner.get_input_details(), runner.get_output_details()


def _tensors(details: Mapping[str, Mapping[str, Any]]) -> list[TensorInfo]:
    return [
        TensorInfo(name, np.dtype(found["dtype"]).name, tuple(int(side) for side in found["shape"]))
        for name, found in details.items()
    ]
