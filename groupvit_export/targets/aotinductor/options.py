"""What can be asked of a package. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass, field

from groupvit_export.targets.options import TargetOptions, flag


@dataclass(frozen=True)
class TorchOptions(TargetOptions):
    """How to compile.

    Attributes:
        device: "cpu" or "cuda", that the package is for.
    """

    device: str = field(
        default="cpu", metadata=flag("--device", "compile for cpu (default) or cuda", metavar="D")
    )
