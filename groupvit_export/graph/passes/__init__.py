"""Named changes of a deployable encoder before capture; each keeps its function and says how exactly.

A pass is a file here with `SUMMARY` and `apply`, a line in `PASSES`, and a test that counts what it buys
(`tests/groupvit_export/graph/passes`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from groupvit_export.errors import UsageError
from groupvit_export.graph.encoders import ImageEncoder
from groupvit_export.graph.passes import fold_batch_norm, fold_layer_norm, fold_projections, fuse_qkv


@dataclass(frozen=True)
class Pass:
    """One pass: `apply` changes the encoder in place; `summary` is what `groupvit inspect` prints."""

    apply: Callable[[ImageEncoder], None]
    summary: str


PASSES: Final[Mapping[str, Pass]] = MappingProxyType(
    {
        "fold_projections": Pass(fold_projections.apply, fold_projections.SUMMARY),
        "fold_layer_norm": Pass(fold_layer_norm.apply, fold_layer_norm.SUMMARY),
        "fold_batch_norm": Pass(fold_batch_norm.apply, fold_batch_norm.SUMMARY),
        "fuse_qkv": Pass(fuse_qkv.apply, fuse_qkv.SUMMARY),
    }
)
"""In the order in which they are applied; each works without any of the others."""


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


def check_recorded_passes(names: Sequence[str]) -> None:
    """Refuse passes that a bundle was exported with and that this version does not have.

    Args:
        names: as its provenance lists them.

    Raises:
        UsageError: there are some.
    """
    unknown = [name for name in names if name not in PASSES]
    if unknown:
        raise UsageError(
            "the bundle was exported with graph passes that this version of groupvit-export does not know",
            got=", ".join(unknown),
            expected=f"some of {', '.join(PASSES)}",
            fix="export the checkpoint again, or verify with the version that exported the bundle",
        )


def apply_passes(encoder: ImageEncoder, names: Sequence[str]) -> None:
    """Apply the passes of these names in the order of the table.

    Raises:
        UsageError: a name is not in the table.
    """
    check_passes(names)
    for name in PASSES:
        if name in names:
            PASSES[name].apply(encoder)
