"""What executes an engine file: one small protocol and one explicit table of implementations."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Final, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from groupvit_runtime.errors import BundleError, EngineError, MissingDependencyError, UsageError
from groupvit_runtime.install_hint import install_hint
from groupvit_runtime.manifest import EngineInfo
from groupvit_runtime.process import OwningProcess, keep_in_children

Tensors = Mapping[str, NDArray[np.generic]]
Performance = Literal["latency", "throughput"]


class Engine(Protocol):
    """A loaded engine. `run` may be called from several threads at once."""

    @property
    def description(self) -> str:
        """Runtime, version, device and precision that are really in use, for people and logs."""
        ...

    @property
    def device(self) -> str:
        """ "cpu" or "cuda": where it runs."""
        ...

    def run(self, inputs: Tensors) -> dict[str, NDArray[np.generic]]:
        """Execute once.

        Args:
            inputs: C-contiguous arrays by input name, of the dtypes and shapes in the manifest.

        Returns:
            Arrays by output name, owned by the caller.

        Raises:
            EngineError: the runtime refused, or this process was forked from the one that loaded the engine.
        """
        ...


@dataclass(frozen=True)
class EngineOptions:
    """How to run.

    Attributes:
        device: "cpu" or "cuda"; None for what the file was compiled for, or else the first that the
            target has, which is the CPU where it can be.
        threads: of the CPU; None for the runtime's own choice.
        streams: how many calls the target `openvino` computes at once, its threads divided among them; None
            for one after the other, each with all threads.
        cuda_graphs: whether the target `trt` replays shapes that come again as CUDA graphs.
        performance: "latency", each call with all threads; "throughput" for the most images a second of a
            program whose threads all call, which takes longer for each of them; None for latency.
    """

    device: str | None = None
    threads: int | None = None
    cuda_graphs: bool = True
    streams: int | None = None
    performance: Performance | None = None

    def __post_init__(self) -> None:
        if self.device not in (None, "cpu", "cuda"):
            raise UsageError("unknown device", got=self.device, expected="cpu or cuda")
        if self.threads is not None and self.threads < 1:
            raise UsageError("a number of threads must be positive", got=self.threads, expected="1 or more")
        if self.streams is not None and self.streams < 1:
            raise UsageError("a number of streams must be positive", got=self.streams, expected="1 or more")
        if self.performance not in (None, *get_args(Performance)):
            raise UsageError(
                "unknown performance", got=self.performance, expected=" or ".join(get_args(Performance))
            )
        if self.streams is not None and self.performance == "throughput":
            raise UsageError(
                "streams and throughput are two answers to one question",
                got=f"streams={self.streams}, performance='throughput'",
                expected="one of the two; with throughput the engine chooses its streams",
            )


@dataclass(frozen=True)
class EngineKind:
    """Where a target's engine lives, and what it needs.

    Attributes:
        module, class_name: of the engine.
        files: endings of the files that it opens, all of which the manifest lists in this order.
        needs: modules that it imports.
        packages: distributions that bring them, of which one or another is installed.
        extra: of pip, that installs one.
        devices: the usual one first.
        compiled_for_one: whether a file is for one of the devices, and knows which.
        streams: whether it can divide its threads among calls.
        throughput: whether it computes more images a second on a CPU when it is told that many threads call.
        forks: whether its package still works in a child forked after it has loaded an engine.
        own_copies: on CUDA, why copies between host and device are part of the engine's time; None where the
            runtime makes them itself.
    """

    module: str
    class_name: str
    files: tuple[str, ...]
    needs: tuple[str, ...]
    packages: tuple[str, ...]
    extra: str
    devices: tuple[str, ...]
    compiled_for_one: bool = False
    streams: bool = False
    throughput: bool = False
    forks: bool = True
    own_copies: str | None = None


ENGINES: Final[Mapping[str, EngineKind]] = MappingProxyType(
    {
        "onnx": EngineKind(
            module="groupvit_runtime.engines.onnxruntime",
            class_name="OnnxRuntimeEngine",
            files=(".onnx",),
            needs=("onnxruntime",),
            packages=("onnxruntime", "onnxruntime-gpu"),
            extra="onnxruntime",
            devices=("cpu", "cuda"),
            throughput=True,
            own_copies="ONNX Runtime copies through memory of its own",
        ),
        "openvino": EngineKind(
            module="groupvit_runtime.engines.openvino",
            class_name="OpenVINOEngine",
            files=(".xml", ".bin"),
            needs=("openvino",),
            packages=("openvino",),
            extra="openvino",
            devices=("cpu",),
            streams=True,
            throughput=True,
        ),
        "trt": EngineKind(
            module="groupvit_runtime.engines.tensorrt",
            class_name="TensorRTEngine",
            files=(".engine",),
            needs=("cuda.bindings", "platformdirs"),
            packages=("tensorrt", "tensorrt-rtx", "cuda-bindings"),
            extra="tensorrt-rtx",
            devices=("cuda",),
            forks=False,
        ),
        "torch": EngineKind(
            module="groupvit_runtime.engines.torch",
            class_name="TorchEngine",
            files=(".pt2",),
            needs=("torch",),
            packages=("torch",),
            extra="torch",
            devices=("cpu", "cuda"),
            compiled_for_one=True,
            forks=False,
            own_copies="PyTorch copies through memory of its own",
        ),
        "litert": EngineKind(
            module="groupvit_runtime.engines.litert",
            class_name="LiteRTEngine",
            files=(".tflite",),
            needs=("ai_edge_litert",),
            packages=("ai-edge-litert",),
            extra="litert-runtime",
            devices=("cpu",),
        ),
    }
)


_FIRST_USE: Final[dict[str, OwningProcess]] = {}
"""By target, the process that loaded the first engine of it."""


def load_engine(info: EngineInfo, root: Path, options: EngineOptions) -> Engine:
    """Load the engine from its files, as they are once their hashes were compared.

    It runs in this process only, not in children forked from it.

    Raises:
        BundleError: a file is missing or was changed, or the manifest lists others than the target has.
        MissingDependencyError: the package that executes this target is not installed.
        EngineError: the target or device is unknown, or the runtime refused the file; or its package was in
            use when this process was forked, and does not work in children.
    """
    kind = ENGINES.get(info.target)
    if kind is None:
        raise EngineError(
            "the bundle is for a target that this runtime does not know",
            got=info.target,
            expected=", ".join(ENGINES),
            fix="install the version of the toolkit that exported it",
        )
    device = options.device or (None if kind.compiled_for_one else kind.devices[0])
    if device is not None and device not in kind.devices:
        raise EngineError(
            f"the {info.target} engine does not run on this device",
            got=device,
            expected=" or ".join(kind.devices),
            fix="leave the device away, or export for another target: groupvit export --target onnx",
        )
    if options.streams is not None and not kind.streams:
        having = [name for name, other in ENGINES.items() if other.streams]
        raise EngineError(
            f"the {info.target} engine has no streams",
            got=options.streams,
            expected=f"this with a target that has them: {', '.join(having)}",
            fix="leave the streams away; several threads may call one engine all the same",
        )
    if options.performance == "throughput" and not (kind.throughput and device == "cpu"):
        raise EngineError(
            f"the {info.target} engine has no setting for throughput on this device",
            got=device or "the device that it was compiled for",
            expected="this on the CPU with "
            + " or ".join(n for n, other in ENGINES.items() if other.throughput),
            fix="leave performance away; larger batches compute more images a second: batch_size",
        )
    if not kind.forks and info.target in _FIRST_USE:
        _FIRST_USE[info.target].check(
            f"an engine of the target {info.target} was loaded before this process was forked"
        )
    _check_files(info, kind)
    try:
        module = importlib.import_module(kind.module)
    except ImportError as error:
        raise MissingDependencyError(
            f"the {info.target} engine needs {' and '.join(kind.needs)}",
            got=str(error),
            fix=install_hint(kind.extra),
        ) from error
    engine: Engine = getattr(module, kind.class_name)(info, root, replace(options, device=device))
    _FIRST_USE.setdefault(info.target, OwningProcess())
    return _OfThisProcess(engine)


def _check_files(info: EngineInfo, kind: EngineKind) -> None:
    """What is not listed has no hash, and no engine may open it."""
    if tuple(PurePosixPath(file.path).suffix for file in info.files) != kind.files:
        raise BundleError(
            f"the manifest does not list the files that the {info.target} engine opens",
            got=", ".join(file.path for file in info.files),
            expected=" and ".join(f"one {suffix}" for suffix in kind.files),
            fix="do not use this bundle; get it again from where it was exported",
        )


class _OfThisProcess:
    """An engine that says so where it was inherited by a forked child, and is left alone there."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._process = OwningProcess()
        self._description, self._device = engine.description, engine.device
        # To destroy it is to wait for its threads, and those stayed in the parent.
        keep_in_children(self, engine)

    @property
    def description(self) -> str:
        return self._description

    @property
    def device(self) -> str:
        return self._device

    def run(self, inputs: Tensors) -> dict[str, NDArray[np.generic]]:
        self._process.check()
        return self._engine.run(inputs)
