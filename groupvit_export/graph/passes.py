"""Named changes of a deployable encoder before capture; each keeps its function and says how exactly."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, cast

from groupvit_export.errors import UsageError
from groupvit_export.graph.assign import FoldedAssign, RegroupedAssign
from groupvit_export.graph.encoders import ImageEncoder


@dataclass(frozen=True)
class Pass:
    """One pass: `apply` changes the encoder in place; `summary` is what `groupvit inspect` prints."""

    apply: Callable[[ImageEncoder], None]
    summary: str


def _fold_projections(encoder: ImageEncoder) -> None:
    for block in encoder.grouping_blocks():
        block.add_module("assign", FoldedAssign(cast(RegroupedAssign, block.assign)))


PASSES: Final[Mapping[str, Pass]] = MappingProxyType(
    {
        "fold_projections": Pass(
            _fold_projections,
            "k_proj folded into q_proj and v_proj into proj of the grouping attention; reassociates",
        ),
    }
)


def select_passes(disabled: Sequence[str]) -> tuple[str, ...]:
    """All passes but the disabled ones, in the order of the table.

    Raises:
        UsageError: a name is not in the table.
    """
    check_passes(disabled)
    return tuple(name for name in PASSES if name not in disabled)


def check_passes(names: Sequence[str]) -> None:
    """Refuse names that are not in the table.

    Raises:
        UsageError: there are some.
    """
    unknown = [name for name in names if name not in PASSES]
    if unknown:
        raise UsageError("unknown graph pass", got=", ".join(unknown), expected=", ".join(PASSES))


def apply_passes(encoder: ImageEncoder, names: Sequence[str]) -> None:
    """Apply the passes of these names in the order of the table.

    Raises:
        UsageError: a name is not in the table.
    """
    check_passes(names)
    for name in PASSES:
        if name in names:
            PASSES[name].apply(encoder)
