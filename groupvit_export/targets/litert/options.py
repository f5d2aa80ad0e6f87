"""What can be asked of LiteRT's files. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass, field

from groupvit_export.targets.options import TargetOptions, flag, integer


@dataclass(frozen=True)
class LiteRTOptions(TargetOptions):
    """How to convert.

    Attributes:
        batch: of images, which is fixed in a file; sentences come one by one.
        sentences: that a file with the whole model takes at once; 0 for no such file.
    """

    batch: int = field(
        default=1,
        metadata=flag(
            "--fixed-batch", "images that a .tflite computes at once; its batch is fixed (1)", "N", integer
        ),
    )
    sentences: int = field(
        default=0,
        metadata=flag(
            "--signatures",
            "also write model.tflite, the whole model for N sentences at once, with the entry points and "
            "names of transformers' TFGroupViTModel",
            "N",
            integer,
        ),
    )
