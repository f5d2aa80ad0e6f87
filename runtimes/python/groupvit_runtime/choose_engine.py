"""Which image engine of a bundle runs, where it has several."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from groupvit_runtime.engines import ENGINES
from groupvit_runtime.errors import UsageError
from groupvit_runtime.instruction_sets import instruction_sets, is_native
from groupvit_runtime.manifest import EngineInfo, Manifest

ORDER_ON_CPU: Final[tuple[str, ...]] = ("int8", "bf16", "fp32")
"""Of what is native, by the measurements of docs/precision.md; for processors that no export measured on."""

ORDER_ON_GPU: Final[tuple[str, ...]] = ("fp16", "bf16", "fp32")
"""int8 only where it is asked for: whether it is faster depends on the GPU."""


@dataclass(frozen=True)
class EngineChoice:
    """An image engine.

    Attributes:
        engine: which.
        why: in words; None where there is only one.
    """

    engine: EngineInfo
    why: str | None


def choose_image_engine(
    manifest: Manifest, precision: str | None, device: str | None, flags: Collection[str]
) -> EngineChoice:
    """The one that was asked for; else the fastest that the processor computes natively.

    The first of these that says one: what was asked for; the order that the export measured, on a processor
    with the same instruction sets; `ORDER_ON_CPU` or `ORDER_ON_GPU`.

    Args:
        manifest: of the bundle.
        precision: that was asked for; None for the fastest.
        device: that was asked for; None for the target's usual one.
        flags: of the processor, as Linux spells them; empty where they are not known.

    Raises:
        UsageError: the bundle has no engine of this precision.
    """
    engines = {engine.precision: engine for engine in manifest.image_engines}
    if precision is not None and precision not in engines:
        raise UsageError(
            "the bundle has no image engine of this precision",
            got=precision,
            expected=" or ".join(engines),
            fix="leave the precision away, or export one that has it: groupvit export --also "
            f"{','.join(dict.fromkeys(('fp32', precision)))}",
        )
    if len(engines) == 1:
        return EngineChoice(manifest.engine("image"), None)
    among = f"of {', '.join(engines)}"
    if precision is not None:
        return EngineChoice(engines[precision], f"{precision} {among}, as asked")
    target = manifest.engine("image").target
    # Of a target that is not known, loading says so.
    if (device or (ENGINES[target].devices[0] if target in ENGINES else None)) != "cpu":
        chosen = next(name for name in ORDER_ON_GPU if name in engines)
        return EngineChoice(engines[chosen], f"{chosen} {among}, by the rule for GPUs")
    native = [name for name in engines if is_native(target, name, flags)]
    own, measured = instruction_sets(flags), manifest.measured
    if measured is not None and own == measured.instruction_sets:
        order, why = measured.fastest_first, "the fastest at export on"
    else:
        order, why = ORDER_ON_CPU, "by the rule for"
    # Float32, which is always native, ends the second order, and may be missing from the first.
    chosen = next(name for name in (*order, "fp32") if name in native)
    return EngineChoice(
        engines[chosen], f"{chosen} {among}, {why} {' and '.join(own) or 'an unknown processor'}"
    )
