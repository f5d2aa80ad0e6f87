"""What a target is: one object that says what it offers, builds engines, and helps to verify them.

Importing a target imports nothing heavy; its methods import what they need when they run.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic

from numpy.typing import NDArray

from groupvit_export.errors import MissingDependencyError, UsageError
from groupvit_export.targets.inspection import Missing, ParsedGraphs, Substitution
from groupvit_export.targets.options import OptionsT
from groupvit_export.targets.requirements import TargetState, is_there
from groupvit_runtime.engines import ENGINES, EngineKind, EngineOptions
from groupvit_runtime.install_hint import install_hint
from groupvit_runtime.manifest import EngineInfo, Role, TensorInfo, TensorRTInfo

if TYPE_CHECKING:
    import onnx
    from torch import nn

    from groupvit_export.model.groupvit import GroupViTModel


@dataclass(frozen=True)
class BuiltEngine:
    """What a target wrote.

    Attributes:
        files: names inside the folder, the one that the runtime opens first.
        versions: exact versions of the tools that had a part in it.
        hardware: what the engine is bound to; "any" when it is portable.
        source: name of the graph it was built from, where that is kept.
        tensorrt: what a runtime must know of a plan.
        inputs, outputs: its tensors, where their shapes are others than the graph's; None where they are not.
    """

    files: tuple[str, ...]
    versions: Mapping[str, str]
    hardware: str
    source: str | None = None
    tensorrt: TensorRTInfo | None = None
    inputs: tuple[TensorInfo, ...] | None = None
    outputs: tuple[TensorInfo, ...] | None = None


@dataclass(frozen=True, eq=False)
class BuildRequest(Generic[OptionsT]):
    """What a target is asked for.

    Attributes:
        role: of the engine; its files' names begin with it.
        precision: one of the target's; the graph has it already where the target is `typed`.
        module: what the graph was captured from, in evaluation mode, for targets that compile it themselves.
        text_max_length: most tokens of a sentence.
        options: of the target.
        rebuild: the command that makes the bundle anew.
        report: told how far a long step is: what goes on, the share done, seconds since it began.
    """

    role: Role
    precision: str
    module: nn.Module
    text_max_length: int
    options: OptionsT
    rebuild: str
    report: Callable[[str, float, float], None]


@dataclass(frozen=True, eq=False)
class Furnishing(Generic[OptionsT]):
    """What else a bundle's files may be made of.

    Attributes:
        model: the reference.
        image_size: (height, width) of the engine's images.
        precision: of the image engine.
        options: of the target.
    """

    model: GroupViTModel
    image_size: tuple[int, int]
    precision: str
    options: OptionsT


@dataclass(frozen=True)
class SubstituteEngine:
    """Engines that are run in place of others, whose hardware is not here.

    Attributes:
        target: of these engines.
        engines: by role.
        root: where their files lie.
        substitution: what was not run, and why.
    """

    target: str
    engines: Mapping[Role, EngineInfo]
    root: Path
    substitution: Substitution


@dataclass(frozen=True)
class MarkedEngine:
    """An engine whose inner values can be asked for, on fixed inputs.

    Attributes:
        available: names of the values.
        run: executes the engine with some of them marked as outputs, and gives them by name.
    """

    available: frozenset[str]
    run: Callable[[Sequence[str]], Mapping[str, NDArray[Any]]]


@dataclass(frozen=True, eq=False)
class Target(ABC, Generic[OptionsT]):
    """A kind of engine.

    Attributes:
        name: as on the command line, and as the runtime calls it.
        summary: one line for a help text.
        precisions: that it can be built in.
        by_rule: of these, which are tried in turn where none is asked for and the speed on the processor at
            hand does not decide; empty where it does.
        Options: what can be asked of it.
        typed: whether the precision is in the graph, as types and casts, rather than in the engine's options.
        symmetric: whether bytes must be signed, with zero in the middle of every range.
        weight_bits: of int8; 7 where the engine may run on a processor that adds products of bytes in 16
            bits, two at a time.
        own_quantization: how its int8 is made, where the graph says only which layers are; None where it is
            the graph's.
        no_decode_in_graph: why it cannot decode inside its engine; None where it can.
        no_mark_values: why values inside its engines cannot be marked as outputs; None where they can.
        engine: the target whose engines these are, as the runtime and the manifest call them; None for its
            own.
    """

    name: str
    summary: str
    precisions: tuple[str, ...]
    Options: type[OptionsT]
    typed: bool = False
    symmetric: bool = False
    weight_bits: int = 8
    own_quantization: str | None = None
    no_decode_in_graph: str | None = None
    no_mark_values: str | None = None
    engine: str | None = None
    by_rule: tuple[str, ...] = ()

    @property
    def engine_name(self) -> str:
        """What the runtime and the manifest call its engines."""
        return self.engine or self.name

    @property
    def runtime(self) -> EngineKind:
        """What executes its engines."""
        return ENGINES[self.engine_name]

    @property
    def devices(self) -> tuple[str, ...]:
        """That its engines run on, the usual one first."""
        return self.runtime.devices

    def check(self, options: OptionsT) -> None:
        """Refuse values of options that mean nothing; imports nothing heavy.

        Raises:
            UsageError: one of them does.
        """

    def announce(self, options: OptionsT) -> str | None:
        """What will build here, in words, where that is worth a line; refuses where nothing can.

        Raises:
            MissingDependencyError: a package or a tool is missing.
            EngineError: hardware is missing.
            UsageError: what builds here lacks an option.
        """
        self.require()
        return None

    def require(self) -> None:
        """Refuse where a package is missing.

        Raises:
            MissingDependencyError: one is.
        """
        missing = [module for module in self.runtime.needs if not is_there(module)]
        if missing:
            raise MissingDependencyError(
                f"the target {self.name} needs packages that are not installed",
                got=f"missing: {', '.join(missing)}",
                fix=install_hint("export", self.runtime.extra),
            )

    @abstractmethod
    def build(self, model: onnx.ModelProto, folder: Path, request: BuildRequest[OptionsT]) -> BuiltEngine:
        """Write the engine of a checked graph into `folder`.

        Raises:
            ExportError: the target refuses the graph.
            EngineError: hardware is missing.
        """

    def furnish(self, folder: Path, of: Furnishing[OptionsT]) -> None:
        """Put into a finished bundle what it has besides: files that the manifest does not list.

        Raises:
            ExportError: they cannot be made.
        """

    @abstractmethod
    def cut_op(self, info: EngineInfo, root: Path, stage: int, folder: Path) -> EngineInfo | Missing:
        """Cut the grouping attention of one stage out of an image engine, as an engine of its own.

        Not built anew from a fresh graph where that can be avoided: what is in the file is what is tested.
        The values around the op carry fixed names (`groupvit_export.graph.naming`).

        Args:
            info: of the image engine.
            root: the folder that it lies in.
            stage: from 1.
            folder: where the small engine is written.

        Returns:
            The small engine, or why there is none.
        """

    def parse_graphs(
        self, engines: Mapping[Role, EngineInfo], root: Path, stages: int
    ) -> ParsedGraphs | Missing | None:
        """What the target's own parser makes of the graphs that engines were built from; needs no GPU.

        Args:
            engines: by role.
            root: the folder that they lie in.
            stages: how many grouping blocks there are.

        Returns:
            None where the target has no such parser.
        """
        return None

    def mark_values(self, path: Path, feeds: Mapping[str, NDArray[Any]]) -> MarkedEngine:
        """Open an engine whose inner values can be asked for.

        Args:
            path: the engine's file.
            feeds: its inputs by name.

        Raises:
            UsageError: they cannot; see `no_mark_values`.
        """
        raise unmarkable(self)

    def substitute(
        self, engines: Mapping[Role, EngineInfo], root: Path, scratch: Path, options: EngineOptions
    ) -> SubstituteEngine | None:
        """What computes in place of engines that cannot show here what they will do where they are for.

        Args:
            engines: by role; one alone will do.
            root: the folder that they lie in.
            scratch: where the substitutes are written.
            options: a device that is asked for by name is never replaced.

        Returns:
            None where the engines themselves can be run, or must be.
        """
        return None

    @abstractmethod
    def requirements(self) -> tuple[TargetState, ...]:
        """What it can do on this machine, and what is missing, a line a device."""


def unmarkable(target: Target[Any]) -> UsageError:
    """The refusal to look inside an engine."""
    return UsageError(
        f"values inside engines of the target {target.name} cannot be marked: {target.no_mark_values}",
        got=f"--bisect with the target {target.name}",
        expected="an engine that shows its values",
        fix="export the same checkpoint with --target onnx and bisect that",
    )


def lead_engine(engines: Mapping[Role, EngineInfo]) -> EngineInfo:
    """The engine whose precision is that of the whole: the text engine of an int8 bundle is float32."""
    return engines["image"] if "image" in engines else engines["text"]
