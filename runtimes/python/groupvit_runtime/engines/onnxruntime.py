"""ONNX Runtime, on the CPU or through CUDA."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groupvit_runtime.engines import EngineOptions, Tensors
from groupvit_runtime.engines.failure import load_failed, run_failed
from groupvit_runtime.engines.graph_file import check_self_contained
from groupvit_runtime.engines.interface import check_interface
from groupvit_runtime.engines.memory_file import memory_file
from groupvit_runtime.engines.turns import calls_at_once
from groupvit_runtime.errors import EngineError
from groupvit_runtime.install_hint import onnxruntime_gpu_hint
from groupvit_runtime.manifest import EngineInfo, TensorInfo
from groupvit_runtime.without_telemetry.onnxruntime import onnxruntime as ort

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
_ON_CPU = {
    "fp32": "fp32",
    "w16": "fp16 weights, computed in float32",
    "fp16": "fp16 weights, computed in float32",
    "int8": "int8",
}
"""What its CPU does with engines of a precision. It has no bf16, and fp16 only by casts to float32."""
_FATAL = 4
_DTYPES = {"float": "float32", "int64": "int64", "int32": "int32", "uint8": "uint8"}
# TF32 keeps 10 bits of mantissa; assignments with a small margin would flip.
_PROVIDER_OPTIONS: dict[str, dict[str, str]] = {"cpu": {}, "cuda": {"use_tf32": "0"}}


class OnnxRuntimeEngine:
    """An `InferenceSession`; `Session::Run` is thread-safe, so one is shared by all threads.

    Its arena grows with the calls that run at once, and keeps what it had.
    """

    def __init__(self, info: EngineInfo, root: Path, options: EngineOptions) -> None:
        self._info = info
        self._device = device = options.device or "cpu"
        provider = _PROVIDERS[device]
        if device == "cpu" and info.precision not in _ON_CPU:
            raise EngineError(
                f"ONNX Runtime cannot compute in {info.precision} on a CPU",
                got="device cpu",
                expected=f"device cuda, or an engine in {', '.join(_ON_CPU)}",
                fix="device='cuda', or groupvit export --target openvino --precision bf16",
            )
        if provider not in ort.get_available_providers():
            raise _no_provider(provider, ort.get_available_providers())
        if device == "cuda":
            _load_cuda_libraries()
        session_options = ort.SessionOptions()
        # Nothing is printed: what goes wrong is raised, too.
        session_options.log_severity_level = _FATAL
        at_once = calls_at_once()
        if options.performance == "throughput":
            # Every call on the thread that it came on, which waits for no other.
            session_options.intra_op_num_threads = 1
            at_once = options.threads or at_once
        elif options.threads is not None:
            session_options.intra_op_num_threads = options.threads
        if info.precision == "int8":
            # Without VNNI its products of unsigned and signed bytes saturate in 16 bits. This makes weights
            # unsigned, whose products do not; with VNNI it costs nothing, and gives the same bits.
            session_options.add_session_config_entry("session.x64quantprecision", "1")
        # From bytes it takes half as long again as from a path.
        with memory_file(info.files[0], root) as (graph, source):
            check_self_contained(graph)
            try:
                self._session = ort.InferenceSession(
                    source, session_options, providers=[(provider, _PROVIDER_OPTIONS[device])]
                )
            except Exception as error:
                raise load_failed(
                    f"ONNX Runtime {ort.__version__}",
                    info,
                    error,
                    fix=f"pip install 'onnxruntime>={info.versions.get('onnxruntime', ort.__version__)}', "
                    "or export the bundle again",
                ) from error
        # Asked for CUDA, ONNX Runtime falls back to the CPU with a warning only.
        active = self._session.get_providers()
        if active[0] != provider:
            raise _no_provider(provider, active)
        check_interface(
            f"ONNX Runtime {ort.__version__}",
            info,
            _tensors(self._session.get_inputs()),
            _tensors(self._session.get_outputs()),
        )
        # It would make another session of the graph, on the CPU, where one call fails, and keeps it for that.
        self._session.disable_fallback()
        self._session._model_bytes = None
        self._outputs = [output.name for output in info.outputs]
        self._turns = threading.BoundedSemaphore(at_once)

    @property
    def device(self) -> str:
        return self._device

    @property
    def description(self) -> str:
        precision = self._info.precision
        if self._device == "cpu":
            precision = _ON_CPU[precision]
        return f"ONNX Runtime {ort.__version__}, {self._session.get_providers()[0]}, {precision}"

    def run(self, inputs: Tensors) -> dict[str, NDArray[np.generic]]:
        try:
            with self._turns:
                if self._device == "cpu":
                    values = self._session.run(self._outputs, dict(inputs))
                else:
                    values = self._run_bound(inputs)
        except Exception as error:
            raise run_failed(f"ONNX Runtime {ort.__version__}", self._info, inputs, error) from error
        return dict(zip(self._outputs, values, strict=True))

    def _run_bound(self, inputs: Tensors) -> list[NDArray[np.generic]]:
        binding = self._session.io_binding()
        for name, array in inputs.items():
            binding.bind_ortvalue_input(name, ort.OrtValue.ortvalue_from_numpy(array, self._device, 0))
        for name in self._outputs:
            binding.bind_output(name, self._device, 0)
        self._session.run_with_iobinding(binding)
        values: list[NDArray[np.generic]] = binding.copy_outputs_to_cpu()
        return values


def _tensors(arguments: Sequence[Any]) -> list[TensorInfo]:
    return [
        TensorInfo(
            argument.name,
            _dtype(argument.type),
            tuple(side if isinstance(side, int) else -1 for side in argument.shape),
        )
        for argument in arguments
    ]


def _dtype(kind: str) -> str:
    """ONNX Runtime writes "tensor(float)"."""
    name = kind.removeprefix("tensor(").removesuffix(")")
    return _DTYPES.get(name, name)


def _load_cuda_libraries() -> None:
    """Load CUDA's libraries from packages, where they lie in folders that no loader looks into.

    Source: https://onnxruntime.ai/docs/execution-providers/CUDA-ExecutionProvider.html#preload-dlls
    """
    # ONNX Runtime 1.21 and newer.
    if hasattr(ort, "preload_dlls"):
        # It prints what it does not find; whether that matters the session tells.
        with redirect_stdout(sys.stderr):
            ort.preload_dlls()


def _no_provider(provider: str, available: list[str]) -> EngineError:
    return EngineError(
        "ONNX Runtime has no such execution provider here; it would have fallen back silently",
        got=", ".join(available),
        expected=provider,
        fix=f"{onnxruntime_gpu_hint()}; or device='cpu' (on the command line: --device cpu)",
    )
