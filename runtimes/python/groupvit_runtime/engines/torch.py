"""PyTorch: packages of AOTInductor (.pt2), on the CPU or through CUDA."""

from __future__ import annotations

import json
import math
import platform
import re
import threading
import zipfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from groupvit_runtime.engines import EngineOptions, Tensors
from groupvit_runtime.engines.failure import load_failed, run_failed
from groupvit_runtime.engines.unpacked import unpacked
from groupvit_runtime.errors import BundleError, EngineError
from groupvit_runtime.files import utf8_path
from groupvit_runtime.manifest import EngineInfo, TensorInfo
from groupvit_runtime.process import finalize_in_owner
from groupvit_runtime.serialize import from_json

METADATA_KEY: Final = "groupvit"
"""In the package's own metadata, so that a C++ program finds it with `load_metadata_from_package`."""

_MODEL: Final = "model"
_RUNTIME: Final = f"PyTorch {torch.__version__}"
_SHORTEST: Final = 2

# PyTorch's stubs do not know all of it.
_Loader: Final[Any] = torch._C._aoti.AOTIModelPackageLoader

# Without the GIL, PyTorch parses the metadata of two packages into one object
# (https://github.com/pytorch/pytorch/pull/194128).
_LOADING = threading.Lock()


@dataclass(frozen=True)
class GroupingSizes:
    """The grouping attention of a stage: numbers of groups, tokens and channels, and eps."""

    groups: int
    tokens: int
    channels: int
    eps: float


@dataclass(frozen=True)
class Sentences:
    """What a text engine takes: at most `longest` tokens, with ids below `token_ids`."""

    longest: int
    token_ids: int


@dataclass(frozen=True)
class PackageFacts:
    """What a package says about itself; read before any of its code is loaded.

    Attributes:
        device: that it was compiled for.
        machine: architecture of the CPU, as Python calls it.
        cpu_features: what the CPU must have, by the names of `torch.cpu.get_capabilities()`.
        compute_capability: of the GPU that it was compiled for, "9.0"; None for the CPU.
        sentences: that it takes; None where it takes none.
        grouping: of every stage.
        rebuild: the command that builds it anew.
    """

    device: Literal["cpu", "cuda"]
    machine: str
    cpu_features: tuple[str, ...]
    compute_capability: str | None
    sentences: Sentences | None
    grouping: tuple[GroupingSizes, ...]
    rebuild: str


class TorchEngine:
    """A package, shared by all threads, whose calls take turns.

    One runner is enough for that: PyTorch's binding holds the GIL while a package runs
    (https://github.com/pytorch/pytorch/issues/197516).

    PyTorch has one number of threads for the whole process, and `options.threads` sets it. It has one switch
    for TF32 in convolutions, too, which a package for CUDA turns off.

    Args:
        info: of the bundle.
        root: folder of the bundle.
        options: a device must be the one that the package was compiled for.

    Raises:
        BundleError: the package does not say what it was compiled for.
        EngineError: another PyTorch, device or CPU than it was compiled for; a package that is damaged.
    """

    def __init__(self, info: EngineInfo, root: Path, options: EngineOptions) -> None:
        self._info = info
        self._threads = options.threads
        # PyTorch takes paths only, and what lies at the bundle's may change between two looks at it. Unpacked
        # by PyTorch, it would stay among the temporary files where the process is killed.
        with ExitStack() as stack:
            try:
                folder = stack.enter_context(unpacked(info.files[0], root))
            except zipfile.BadZipFile as error:
                raise load_failed(_RUNTIME, info, error, fix="export the bundle again") from error
            self._facts = facts = package_facts(info, folder)
            _check_version(info, facts)
            _check_device(facts, options)
            _check_cpu(facts)
            _check_rounding(facts)
            try:
                with _LOADING, utf8_path(folder) as name:
                    self._loader = _Loader(str(name), _MODEL, False, 1, -1)
            except RuntimeError as error:
                raise load_failed(
                    _RUNTIME, info, error, fix=f"build it anew on this machine: {facts.rebuild}"
                ) from error
            if facts.device == "cuda":
                # Kernels are loaded when they are first needed.
                finalize_in_owner(self, stack.pop_all().close)
        self._running = threading.Lock()

    @property
    def device(self) -> str:
        return self._facts.device

    @property
    def description(self) -> str:
        where = "CPU" if self._facts.device == "cpu" else torch.cuda.get_device_name()
        return f"{_RUNTIME}, AOTInductor, {where}, {self._info.precision}"

    def run(self, inputs: Tensors) -> dict[str, NDArray[np.generic]]:
        for info in self._info.inputs:
            _check_input(self._info, self._facts, info, inputs)
        if self._threads is not None:
            torch.set_num_threads(self._threads)
        try:
            tensors = [self._tensor(inputs[info.name]) for info in self._info.inputs]
            with self._running:
                outputs = self._loader.run(tensors)
        except RuntimeError as error:
            raise run_failed(_RUNTIME, self._info, inputs, error) from error
        if len(outputs) != len(self._info.outputs):
            refused = ValueError(f"{len(outputs)} outputs came back")
            raise run_failed(_RUNTIME, self._info, inputs, refused)
        return {
            info.name: np.ascontiguousarray(value.cpu().numpy())
            for info, value in zip(self._info.outputs, outputs, strict=True)
        }

    def _tensor(self, array: NDArray[np.generic]) -> torch.Tensor:
        # PyTorch wants memory that it may write to, though the package writes to no input.
        tensor = torch.from_numpy(np.require(array, requirements=["C", "W"]))
        return tensor if self._facts.device == "cpu" else tensor.to("cuda")


def package_facts(info: EngineInfo, path: Path) -> PackageFacts:
    """Read what a package, unpacked or not, says about itself; none of its code is loaded.

    Raises:
        BundleError: it says nothing, or something else than this version of the toolkit writes.
        EngineError: it is no package.
    """
    try:
        with _LOADING, utf8_path(path) as name:
            metadata: dict[str, str] = _Loader.load_metadata_from_package(str(name), _MODEL)
    except RuntimeError as error:
        raise load_failed(_RUNTIME, info, error, fix="export the bundle again") from error
    if METADATA_KEY not in metadata:
        raise BundleError(
            "the package does not say what it was compiled for",
            got=", ".join(sorted(metadata)),
            expected=f"the metadata {METADATA_KEY}",
            fix="export the bundle again",
        )
    return from_json(PackageFacts, json.loads(metadata[METADATA_KEY]), METADATA_KEY)


def _check_version(info: EngineInfo, facts: PackageFacts) -> None:
    built = info.versions.get("torch", "")
    if _numbers(built) != _numbers(str(torch.__version__)):
        raise EngineError(
            "the engine was compiled by another PyTorch",
            got=f"{_RUNTIME} here",
            expected=f"PyTorch {'.'.join(map(str, _numbers(built)))}",
            fix=f"pip install 'torch=={built.partition('+')[0]}', or build it anew: {facts.rebuild}",
        )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2])


def _check_device(facts: PackageFacts, options: EngineOptions) -> None:
    if options.device not in (None, facts.device):
        raise EngineError(
            "the engine was compiled for another device",
            got=options.device,
            expected=facts.device,
            fix="leave the device away, or export for it: "
            f"groupvit export --target torch --device {options.device}",
        )
    if facts.device == "cpu":
        return
    if not torch.cuda.is_available():
        raise EngineError(
            "the engine was compiled for CUDA, and there is no GPU",
            got=f"{_RUNTIME} sees none",
            expected=f"a GPU of compute capability {facts.compute_capability}",
            fix="install PyTorch for CUDA and the driver, or export for the CPU: "
            "groupvit export --target torch",
        )
    major, minor = torch.cuda.get_device_capability()
    built = _numbers(facts.compute_capability or "")
    # Machine code of a GPU runs on later ones of its generation.
    if built[:1] != (major,) or built > (major, minor):
        raise EngineError(
            "the engine was compiled for another kind of GPU",
            got=f"{torch.cuda.get_device_name()}, compute capability {major}.{minor}",
            expected=f"compute capability {facts.compute_capability}",
            fix=f"build it anew on this machine: {facts.rebuild}",
        )


def _check_cpu(facts: PackageFacts) -> None:
    """Before the code is loaded: a CPU that lacks an instruction ends the process."""
    capabilities = torch.cpu.get_capabilities()
    lacking = [name for name in facts.cpu_features if not capabilities.get(name, False)]
    if platform.machine() != facts.machine or lacking:
        raise EngineError(
            "the engine was compiled for another CPU",
            got=f"{platform.machine()}, {capabilities.get('cpu_name', 'unknown')}, without "
            + (", ".join(lacking) or "nothing that it needs"),
            expected=f"{facts.machine} with {', '.join(facts.cpu_features) or 'nothing in particular'}",
            fix=f"build it anew on this machine: {facts.rebuild}; or export for another target: "
            "groupvit export --target onnx",
        )


def _check_rounding(facts: PackageFacts) -> None:
    """Products are left to PyTorch, which rounds them as the process says."""
    precision = torch.get_float32_matmul_precision()
    if precision != "highest":
        raise EngineError(
            "PyTorch may round the factors of float32 products here; tokens would change their group",
            got=f'torch.get_float32_matmul_precision() is "{precision}"',
            expected='"highest"',
            fix='torch.set_float32_matmul_precision("highest")',
        )
    if facts.device == "cuda":
        torch.backends.cudnn.allow_tf32 = False


def _check_input(info: EngineInfo, facts: PackageFacts, tensor: TensorInfo, inputs: Tensors) -> None:
    """The compiled code believes what it is given, and reads beyond the end of what is too small."""
    array, sentences = inputs[tensor.name], facts.sentences
    longest = math.inf if sentences is None else sentences.longest
    bounds = [
        (side, side) if side >= 0 else (1, math.inf) if axis == 0 else (_SHORTEST, longest)
        for axis, side in enumerate(tensor.shape)
    ]
    fits = (
        array.dtype.name == tensor.dtype
        and array.ndim == len(bounds)
        and all(low <= side <= high for side, (low, high) in zip(array.shape, bounds, strict=True))
    )
    if fits and (sentences is None or _all_below(array, sentences.token_ids)):
        return
    sides = [f"{low}" if low == high else f"{low} to {high}" for low, high in bounds]
    ids = "" if sentences is None else f", with token ids from 0 to {sentences.token_ids - 1}"
    refused = ValueError(f"{tensor.name} must be {tensor.dtype} [{', '.join(sides)}]{ids}")
    raise run_failed(_RUNTIME, info, inputs, refused)


def _all_below(ids: NDArray[Any], limit: int) -> bool:
    return bool(ids.min() >= 0 and ids.max() < limit)
