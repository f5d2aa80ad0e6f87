"""What to export."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

from groupvit_export.data.bundled import DEMO_NAME
from groupvit_export.graph.passes import PASSES, check_passes
from groupvit_export.quantization.options import QuantizationOptions
from groupvit_export.quantization.options import command_line as quantization_command_line
from groupvit_export.targets.registry import (
    check_decode_in_graph,
    check_device,
    check_input,
    check_target,
    check_trt_options,
)
from groupvit_export.targets.tensorrt.options import TrtOptions, command_line
from groupvit_runtime.manifest import DecodeName, check_decode


@dataclass(frozen=True)
class ExportOptions:
    """What to export; every default is what the command line documents.

    Attributes:
        target, precision: a line of the target table and one of its precisions.
        checkpoint: folder, hub id or `.pth`; None for the demo.
        image_size: (height, width) in pixels; None for the checkpoint's own.
        output: the bundle's folder; None to name it after checkpoint, target and precision.
        force: replace an existing bundle.
        templates: prompt templates, each with one `{}`; None for the checkpoint's usual ones.
        decode: default decode; None for `hf`, or `paper` for an NVlabs checkpoint.
        tokenizer, config: files to use instead of what comes with the checkpoint.
        passes: names of the graph passes to apply.
        allow_failed_parity: write the bundle even where an engine is not the model; the manifest says so
            and the runtime warns.
        trt: how the target `trt` builds.
        quantization: how int8 is made.
        device: "cpu" or "cuda", that the target `torch` compiles for; None for its usual one, the CPU.
        input: "float32" for normalized images, "uint8" for pixels that the engine normalizes as the default
            decode does.
        decode_in_graph: whether the image engine makes label maps too, by the `hf` decode.
        command: recorded in the manifest.
    """

    target: str
    precision: str = "fp32"
    checkpoint: str | None = None
    image_size: tuple[int, int] | None = None
    output: Path | None = None
    force: bool = False
    templates: tuple[str, ...] | None = None
    decode: DecodeName | None = None
    tokenizer: Path | None = None
    config: Path | None = None
    passes: tuple[str, ...] = tuple(PASSES)
    allow_failed_parity: bool = False
    trt: TrtOptions = field(default_factory=TrtOptions)
    quantization: QuantizationOptions = field(default_factory=QuantizationOptions)
    device: str | None = None
    input: str = "float32"
    decode_in_graph: bool = False
    command: str = "groupvit_export.pipeline.api.export_bundle"


def bundle_path(options: ExportOptions) -> Path:
    """Where the bundle goes."""
    if options.output is not None:
        return options.output
    name = _checkpoint_name(options.checkpoint)
    return Path(f"{name}-{options.target}-{options.precision}")


def check_options(options: ExportOptions) -> None:
    """Refuse what was asked for wrongly, before anything long.

    Raises:
        UsageError: says what there is.
    """
    check_target(options.target, options.precision)
    check_trt_options(options.target, options.trt)
    check_device(options.target, options.device)
    check_passes(options.passes)
    check_input(options.input)
    check_decode_in_graph(options.target, options.precision, options.decode_in_graph)
    if options.decode is not None:
        check_decode(options.decode)


def rebuild_command(options: ExportOptions) -> str:
    """The command line that makes the same bundle."""
    if options.command != ExportOptions(options.target).command:
        return options.command
    words = ["groupvit", "export", "--target", options.target, "--precision", options.precision]
    words += [] if options.checkpoint is None else ["--checkpoint", options.checkpoint]
    words += [] if options.device is None else ["--device", options.device]
    words += [] if options.input == "float32" else ["--input", options.input]
    words += ["--decode-in-graph"] if options.decode_in_graph else []
    words += quantization_command_line(options.quantization)
    return " ".join(filter(None, (shlex.join(words), command_line(options.trt))))


def _checkpoint_name(checkpoint: str | None) -> str:
    if checkpoint is None:
        return DEMO_NAME
    # A folder given as "." or "models/" still has a name.
    path = Path(checkpoint)
    name = path.resolve().name if path.exists() else path.name
    stem = name[: -len(".pth")] if name.endswith(".pth") else name
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-.") or "checkpoint"
