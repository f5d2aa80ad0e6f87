"""What to build."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from groupvit_export.build.image_input import check_input
from groupvit_export.graph.passes import PASSES, check_passes
from groupvit_export.quantization.options import QuantizationOptions
from groupvit_export.targets.options import TargetOptions
from groupvit_export.targets.registry import check_decode_in_graph, check_options, check_target
from groupvit_runtime.manifest import DecodeName, check_decode


@dataclass(frozen=True)
class BuildOptions:
    """Which engines, of which checkpoint; every default is what the command line documents.

    Attributes:
        target, precision: a target and one of its precisions.
        checkpoint: folder, hub id or `.pth`; None for the demo.
        image_size: (height, width) in pixels; None for the checkpoint's own.
        templates: prompt templates, each with one `{}`; None for the checkpoint's usual ones.
        decode: default decode; None for `hf`, or `paper` for an NVlabs checkpoint.
        tokenizer, config: files to use instead of what comes with the checkpoint.
        passes: names of the graph passes to apply.
        target_options: of the target's own class; None for its defaults.
        quantization: how int8 is made.
        input: "float32" for normalized images, "uint8" for pixels that the engine normalizes as the default
            decode does.
        decode_in_graph: whether the image engine makes label maps too, by the `hf` decode.
    """

    target: str
    precision: str = "fp32"
    checkpoint: str | None = None
    image_size: tuple[int, int] | None = None
    templates: tuple[str, ...] | None = None
    decode: DecodeName | None = None
    tokenizer: Path | None = None
    config: Path | None = None
    passes: tuple[str, ...] = tuple(PASSES)
    target_options: TargetOptions | None = None
    quantization: QuantizationOptions = field(default_factory=QuantizationOptions)
    input: str = "float32"
    decode_in_graph: bool = False


def check_build_options(options: BuildOptions) -> None:
    """Refuse what was asked for wrongly, before anything long.

    Raises:
        UsageError: says what there is.
    """
    check_target(options.target, options.precision)
    check_options(options.target, options.target_options)
    check_passes(options.passes)
    check_input(options.input)
    check_decode_in_graph(options.target, options.precision, options.decode_in_graph)
    if options.decode is not None:
        check_decode(options.decode)
