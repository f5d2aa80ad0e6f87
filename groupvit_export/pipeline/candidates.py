"""Which precisions an export builds: what was asked for, or what a processor computes natively."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from groupvit_export.errors import UsageError
from groupvit_export.targets.registry import NO_DECODE_IN_GRAPH, TARGETS, check_target
from groupvit_runtime.choose_engine import ORDER_ON_CPU
from groupvit_runtime.instruction_sets import instruction_sets, is_native

AUTO: Final = "auto"
FLOAT32: Final = "fp32"

_AVX2: Final = ("ssse3", "avx2")
_VNNI: Final = (*_AVX2, "avx512bw", "avx512_vnni")

PROCESSORS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "avx2": _AVX2,
        "vnni": _VNNI,
        "amx": (*_VNNI, "avx512_bf16", "amx_bf16", "amx_int8"),
        "arm64": ("asimd", "asimddp"),
    }
)
"""Kinds of `--for`, and the flags that tell them."""


@dataclass(frozen=True)
class PrecisionRequest:
    """What was asked for; the names of `ExportOptions`."""

    target: str
    precision: str = AUTO
    also: tuple[str, ...] = ()
    processor: str | None = None
    decode_in_graph: bool = False


@dataclass(frozen=True)
class PrecisionPlan:
    """What an export builds.

    Attributes:
        order: of all precisions that are built, float32 last where there are several.
        required: of these, the ones that the bundle must have; a failure is an error.
        auto: whether one of `order` is chosen; where it is one alone there is nothing to choose.
        timed: whether by speed.
        processor: that it is chosen for, in words.
    """

    order: tuple[str, ...]
    required: tuple[str, ...]
    auto: bool
    timed: bool
    processor: str

    @property
    def single(self) -> bool:
        """Whether there is nothing to choose, and one image engine."""
        return len(self.order) == 1

    def nothing_to_choose(self, target: str) -> str | None:
        """That "auto" builds one precision of several, in words; None where it does not."""
        if not (self.auto and self.single and len(TARGETS[target].precisions) > 1):
            return None
        return f"{self.order[0]} is the only candidate for {self.processor}; --precision builds others"


def plan_precisions(options: PrecisionRequest, flags: Collection[str]) -> PrecisionPlan:
    """What `--precision`, `--also` and `--for` mean.

    Args:
        options: what was asked for.
        flags: of this machine's processor, as Linux spells them.

    Raises:
        UsageError: they contradict each other, or the target has no such precision.
    """
    auto = options.precision == AUTO
    # Of what is chosen and others one is float32, said or not: every processor and older runtimes take it.
    first = options.precision if not auto else FLOAT32
    asked = tuple(dict.fromkeys((first, *options.also))) if options.also or not auto else ()
    for precision in (*asked, FLOAT32):
        check_target(options.target, precision)
    _check_for(options, auto=auto)
    if len(asked) > 1 and FLOAT32 not in asked:
        raise UsageError(
            "of several image engines one is float32, which every processor and older runtimes take",
            got=", ".join(asked),
            expected=f"{FLOAT32} among them",
            fix=f"--also {','.join((FLOAT32, *options.also))}",
        )
    chosen_from = _candidates(options, flags) if auto else ()
    order = tuple(dict.fromkeys((*chosen_from, *(name for name in asked if name != FLOAT32))))
    if FLOAT32 in asked or auto:
        order = (*(name for name in order if name != FLOAT32), FLOAT32)
    own = _is_of(options.processor, flags)
    by_rule = TARGETS[options.target].by_rule
    processor = options.processor or " and ".join(instruction_sets(flags)) or "an unknown processor"
    return PrecisionPlan(
        order=order,
        required=asked,
        auto=auto,
        timed=auto and own and not by_rule,
        processor=f"the target {options.target}" if by_rule else processor,
    )


def _candidates(options: PrecisionRequest, flags: Collection[str]) -> tuple[str, ...]:
    """Precisions by the rule, the fastest first, float32 last."""
    target = TARGETS[options.target]
    wanted = flags if options.processor is None else PROCESSORS[options.processor]
    native = (name for name in ORDER_ON_CPU if is_native(target.engine_name, name, wanted))
    return tuple(
        name
        for name in target.by_rule or native
        if name in target.precisions and (name not in NO_DECODE_IN_GRAPH or not options.decode_in_graph)
    )


def _check_for(options: PrecisionRequest, *, auto: bool) -> None:
    kind = options.processor
    if kind is None:
        return
    if kind not in PROCESSORS:
        raise UsageError("unknown processor", got=f"--for {kind}", expected=" or ".join(PROCESSORS))
    if not auto:
        raise UsageError(
            "a precision that was asked for is the same on every processor",
            got=f"--for {kind} --precision {options.precision}",
            expected="--for with --precision auto",
            fix="--precision auto, or leave --for away",
        )
    portable = [
        name
        for name, target in TARGETS.items()
        if target.devices[0] == "cpu" and not target.runtime.compiled_for_one
    ]
    if options.target not in portable:
        raise UsageError(
            f"engines of the target {options.target} are bound to where they are built",
            got=f"--for {kind} --target {options.target}",
            expected=f"this with --target {' or '.join(portable)}",
            fix="leave --for away, and export where the bundle will run",
        )
    if TARGETS[options.target].by_rule:
        raise UsageError(
            f"what is chosen for the target {options.target} is the same for every processor",
            got=f"--for {kind} --target {options.target}",
            expected=" or else ".join(TARGETS[options.target].by_rule),
            fix="leave --for away",
        )


def _is_of(kind: str | None, flags: Collection[str]) -> bool:
    """Whether this processor is the one that is chosen for."""
    if kind is None:
        return True
    # Of the kinds that its flags allow the last one: AMX has VNNI, and VNNI has AVX2.
    kinds = [name for name, needed in PROCESSORS.items() if set(needed) <= set(flags)]
    return bool(kinds) and kinds[-1] == kind
