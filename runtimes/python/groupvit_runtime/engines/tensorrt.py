"""TensorRT and TensorRT-RTX, through cuda-bindings."""

from __future__ import annotations

import queue
import threading
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from groupvit_runtime.engines import EngineOptions, Tensors
from groupvit_runtime.engines.cuda import Cuda, open_cuda
from groupvit_runtime.engines.failure import one_line, run_failed
from groupvit_runtime.engines.graph_file import check_self_contained
from groupvit_runtime.engines.tensorrt_cache import RuntimeCache
from groupvit_runtime.engines.tensorrt_checks import check_bound_to, check_tensors, check_validity
from groupvit_runtime.engines.tensorrt_context import Context
from groupvit_runtime.engines.tensorrt_flavors import FLAVORS, import_flavor, logger_of
from groupvit_runtime.engines.turns import calls_at_once
from groupvit_runtime.errors import BundleError, EngineError
from groupvit_runtime.manifest import EngineInfo, TensorRTInfo
from groupvit_runtime.process import finalize_in_owner

_SPECIALIZE: Final = {"image": "EAGER", "text": "NONE"}
"""When TensorRT-RTX compiles kernels for one shape. Left to itself it changes kernels behind the first calls,
and the same image would not give the same bits. Images come in few shapes, sentences in any length."""


class TensorRTEngine:
    """A deserialized plan with a pool of execution contexts, one for each call that runs.

    Args:
        info: of the bundle.
        root: folder of the bundle.
        options: `device` is "cuda".
        trt, cuda: the flavor's module and the CUDA runtime, where they are not this machine's.

    Raises:
        MissingDependencyError: the flavor is not installed.
        EngineError: no driver or GPU; another version, device or flavor; a plan that is damaged; not enough
            memory.
    """

    def __init__(
        self,
        info: EngineInfo,
        root: Path,
        options: EngineOptions,
        *,
        trt: Any = None,
        cuda: Cuda | None = None,
    ) -> None:
        self._info = info
        self._facts = facts = _facts(info)
        self._trt = trt or import_flavor(facts.flavor, facts.rebuild)
        self._cuda = cuda or open_cuda()
        self._graphs = options.cuda_graphs
        check_bound_to(facts, str(self._trt.__version__), self._cuda.device)
        self._logger = logger_of(self._trt)
        plan = info.files[0].read(root)
        runtime = self._trt.Runtime(self._logger)
        # A version-compatible plan brings the runtime that executes it.
        runtime.engine_host_code_allowed = facts.version_compatible
        check_validity(self._trt, runtime, plan, facts)
        engine = runtime.deserialize_cuda_engine(plan)
        if engine is None:
            raise self._refused("could not deserialize the engine")
        self._runtime, self._engine = runtime, engine
        if facts.stripped:
            self._refit(root)
        check_tensors(self._trt, engine, info)
        self._cache = (
            RuntimeCache(info.files[0].sha256, facts.version, self._cuda.device.compute_capability)
            if facts.flavor == "rtx"
            else None
        )
        self._config = self._runtime_config()
        self._idle: queue.SimpleQueue[Context] = queue.SimpleQueue()
        self._all: list[Context] = []
        self._lock = threading.Lock()
        self._turns = threading.BoundedSemaphore(calls_at_once())
        self._seen: set[tuple[tuple[int, ...], ...]] = set()
        # CUDA's context is the parent's: a forked child has nothing to give back.
        finalize_in_owner(self, _release, self._all, self._lock)
        self._idle.put(self._context())

    @property
    def device(self) -> str:
        return "cuda"

    @property
    def description(self) -> str:
        device, facts = self._cuda.device, self._facts
        parts = [
            f"{FLAVORS[facts.flavor].title} {self._trt.__version__}",
            f"{device.name} (compute capability {device.compute_capability})",
            self._info.precision + (" with tf32" if facts.tf32 else ""),
        ]
        if self._cache is not None:
            parts.append(f"runtime cache {'warm' if self._cache.warm else 'cold'}")
        return ", ".join(parts)

    def run(self, inputs: Tensors) -> dict[str, NDArray[np.generic]]:
        given = len(inputs[self._facts.profiles[0].name])
        inputs = self._filled_up(inputs)
        self._check_shapes(inputs)
        with self._turns:
            outputs = self._run(inputs)
        if self._cache is not None:
            self._keep_kernels(inputs)
        return {name: array[:given] for name, array in outputs.items()}

    def _run(self, inputs: Tensors) -> dict[str, NDArray[np.generic]]:
        try:
            context = self._idle.get_nowait()
        except queue.Empty:
            context = self._context()
        try:
            return context.run(inputs)
        except EngineError:
            raise
        except Exception as error:
            raise run_failed(FLAVORS[self._facts.flavor].title, self._info, inputs, error) from error
        finally:
            self._idle.put(context)

    def _filled_up(self, inputs: Tensors) -> Tensors:
        """Batches below the profile's smallest, with the last of them repeated."""
        smallest = max(profile.min[0] for profile in self._facts.profiles)
        missing = smallest - len(inputs[self._facts.profiles[0].name])
        if missing <= 0 or missing == smallest:
            return inputs
        return {
            name: np.concatenate([array, np.repeat(array[-1:], missing, axis=0)])
            for name, array in inputs.items()
        }

    def _keep_kernels(self, inputs: Tensors) -> None:
        """Save the cache after shapes that are new: kernels are compiled for these only."""
        assert self._cache is not None
        shapes = tuple(inputs[profile.name].shape for profile in self._facts.profiles)
        with self._lock:
            if shapes in self._seen:
                return
            self._seen.add(shapes)
        self._cache.save()

    def _check_shapes(self, inputs: Tensors) -> None:
        for profile in self._facts.profiles:
            shape = tuple(inputs[profile.name].shape)
            if not profile.accepts(shape):
                raise EngineError(
                    f"the shape of {profile.name} is outside the engine's profile",
                    got=list(shape),
                    expected=f"from {list(profile.min)} to {list(profile.max)}",
                    fix=f"smaller batches, or build it with a larger profile: {self._facts.rebuild}",
                )

    def _context(self) -> Context:
        with self._lock:
            raw = (
                self._engine.create_execution_context()
                if self._config is None
                else self._engine.create_execution_context(self._config)
            )
            if raw is None:
                raise self._cuda.not_enough_memory(self._logger.take() or "memory for a context")
            context = Context(
                raw,
                self._cuda,
                self._info,
                self._logger,
                # TensorRT-RTX captures by itself, knowing when it has changed its kernels.
                capture=self._graphs and self._facts.flavor == "tensorrt",
            )
            self._all.append(context)
            return context

    def _runtime_config(self) -> Any:
        """How TensorRT-RTX executes; TensorRT has decided when it built the engine."""
        if self._cache is None:
            return None
        trt = self._trt
        config = self._engine.create_runtime_config()
        strategy = trt.CudaGraphStrategy
        config.cuda_graph_strategy = strategy.WHOLE_GRAPH_CAPTURE if self._graphs else strategy.DISABLED
        config.dynamic_shapes_kernel_specialization_strategy = getattr(
            trt.DynamicShapesKernelSpecializationStrategy, _SPECIALIZE[self._info.role]
        )
        self._cache.attach(config)
        return config

    def _refit(self, root: Path) -> None:
        """Put the weights of the graph into a stripped plan."""
        source = self._info.source
        if source is None:
            raise BundleError(
                "the plan has no weights, and the bundle lacks the graph that has them",
                expected="the ONNX file that it was built from",
                fix=f"build it anew: {self._facts.rebuild}",
            )
        refitter = self._trt.Refitter(self._engine, self._logger)
        parser = self._trt.OnnxParserRefitter(refitter, self._logger)
        graph = source.read(root)
        check_self_contained(graph)
        if not parser.refit(graph) or not refitter.refit_cuda_engine():
            raise self._refused("could not put the weights into the stripped engine")

    def _refused(self, what: str) -> EngineError:
        facts = self._facts
        return EngineError(
            f"{FLAVORS[facts.flavor].title} {self._trt.__version__} {what}",
            got=one_line(self._logger.take()) or "no reason given",
            expected=f"a plan of {FLAVORS[facts.flavor].title} {facts.version} for this GPU",
            fix=f"build it anew on this machine: {facts.rebuild}",
        )


def _facts(info: EngineInfo) -> TensorRTInfo:
    if info.tensorrt is None:
        raise BundleError(
            "the manifest does not say what the TensorRT engine is bound to",
            got="no field `tensorrt`",
            expected="flavor, version, profiles",
            fix="export the bundle again",
        )
    return info.tensorrt


def _release(contexts: list[Context], lock: threading.Lock) -> None:
    with lock:
        for context in contexts:
            context.close()
        contexts.clear()
