"""`groupvit export`."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Option

from groupvit_export.build.image_input import INPUTS, check_input
from groupvit_export.cli.kept import kept_nodes
from groupvit_export.cli.options import Json, Quiet, Templates, VerbArguments, read_size, read_templates
from groupvit_export.cli.output import print_json, say
from groupvit_export.cli.packages import require_packages
from groupvit_export.cli.parity import parity_tables
from groupvit_export.cli.precisions import choice_line, precision_table
from groupvit_export.cli.quantization_options import QuantizationFlags, read_quantization_options
from groupvit_export.cli.step_progress import StepProgress
from groupvit_export.cli.tables import separated, show
from groupvit_export.cli.target_options import TargetFlags, read_target_options
from groupvit_export.data.bundled import DEMO_LABELS, DEMO_SAMPLE
from groupvit_export.pipeline.candidates import (
    AUTO,
    PROCESSORS,
    PrecisionRequest,
    plan_precisions,
)
from groupvit_export.targets.registry import (
    TARGETS,
    check_decode_in_graph,
    check_target,
    missing_target,
    target_name,
)
from groupvit_export.targets.requirements import EXPORT_PACKAGES, INT8_PACKAGES
from groupvit_runtime.manifest import check_decode
from groupvit_runtime.processor import processor_flags
from groupvit_runtime.prompts import resolve_templates
from groupvit_runtime.serialize import to_json

if TYPE_CHECKING:
    from groupvit_export.pipeline.api import ExportResult

_TARGETS = "; ".join(f"{name}: {kind.summary}" for name, kind in TARGETS.items())
_PRECISIONS = "; ".join(f"{name}: {', '.join(kind.precisions)}" for name, kind in TARGETS.items())
_BY_RULE = "; ".join(
    f"for {name} {' or else '.join(kind.by_rule)}" for name, kind in TARGETS.items() if kind.by_rule
)


@dataclass(frozen=True, kw_only=True)
class Arguments(TargetFlags, QuantizationFlags, VerbArguments):
    """Options of `groupvit export`."""

    target: Annotated[str | None, Option("--target", metavar="T", help=f"required. {_TARGETS}")] = None
    precision: Annotated[
        str,
        Option(
            "--precision",
            metavar="P",
            help=f"{_PRECISIONS}. auto (default): the fastest that this processor computes natively and that "
            f"passes; {_BY_RULE}",
            show_default=False,
        ),
    ] = AUTO
    also: Annotated[
        str | None,
        Option(
            "--also",
            metavar="P,...",
            help="further image engines in the bundle, of which a runtime takes the fastest: fp32,int8. "
            "float32 is always one of several",
        ),
    ] = None
    processor: Annotated[
        str | None,
        Option(
            "--for",
            metavar="CPU",
            help=f"choose the precision for another processor ({', '.join(PROCESSORS)}), by rule and not by "
            "time",
        ),
    ] = None
    checkpoint: Annotated[
        str | None,
        Option(
            "--checkpoint",
            metavar="C",
            help="Hugging Face folder or hub id, or NVlabs .pth; without it the demo checkpoint is taken",
        ),
    ] = None
    output: Annotated[Path | None, Option("-o", "--output", metavar="DIR", help="the bundle's folder")] = None
    force: Annotated[bool, Option("--force", help="replace an existing bundle")] = False
    image_size: Annotated[
        str | None,
        Option(
            "--image-size", metavar="S", help="side in pixels, or HEIGHTxWIDTH; default the checkpoint's own"
        ),
    ] = None
    decode: Annotated[
        str | None, Option("--decode", metavar="D", help="default decode of the bundle: hf or paper")
    ] = None
    input: Annotated[
        str,
        Option(
            "--input",
            metavar="TYPE",
            show_default=False,
            help="what the image engine takes: float32, normalized images (default); uint8, pixels "
            "[B, H, W, 3] in RGB, which it normalizes itself as the default decode does",
        ),
    ] = INPUTS[0]
    decode_in_graph: Annotated[
        bool,
        Option(
            "--decode-in-graph",
            help="with --target onnx or openvino: the image engine also makes label maps by the hf decode, "
            "from class embeddings and a size",
        ),
    ] = False
    templates: Templates = None
    tokenizer: Annotated[
        Path | None,
        Option("--tokenizer", metavar="PATH", help="tokenizer.json, folder, or CLIP's .txt.gz"),
    ] = None
    config: Annotated[
        Path | None,
        Option("--config", metavar="FILE", help="config.json to use instead of the checkpoint's"),
    ] = None
    disable_pass: Annotated[
        list[str] | None, Option("--disable-pass", metavar="NAME", help="leave a graph pass out")
    ] = None
    allow_failed_parity: Annotated[
        bool,
        Option(
            "--allow-failed-parity",
            help="write the bundle even where it does not equal the reference; the runtime then warns",
        ),
    ] = False
    as_json: Json = False
    quiet: Quiet = False


def run(arguments: Arguments) -> int:
    # Refusals first: nobody should wait for PyTorch to load to be told of a typing error.
    if arguments.target is None:
        raise missing_target()
    name, also = target_name(arguments.target), _names(arguments.also)
    asked = PrecisionRequest(name, arguments.precision, also, arguments.processor, arguments.decode_in_graph)
    precisions = plan_precisions(asked, processor_flags()).order
    target = check_target(name, precisions[0])
    target_options = read_target_options(arguments, target.name)
    quantization = read_quantization_options(arguments, precisions)
    check_input(arguments.input)
    for precision in precisions:
        check_decode_in_graph(target.name, precision, arguments.decode_in_graph)
    decode = None if arguments.decode is None else check_decode(arguments.decode)
    templates = read_templates(arguments.templates)
    image_size = read_size(arguments.image_size)
    require_packages(EXPORT_PACKAGES, "exporting")
    target.announce(target_options)

    if "int8" in (arguments.precision, *also):
        require_packages(INT8_PACKAGES, "quantizing")
    from groupvit_export.graph.passes import select_passes
    from groupvit_export.pipeline.api import ExportOptions, export_bundle

    options = ExportOptions(
        target=target.name,
        precision=arguments.precision,
        checkpoint=arguments.checkpoint,
        image_size=image_size,
        output=arguments.output,
        force=arguments.force,
        templates=None if templates is None else resolve_templates(templates),
        decode=decode,
        tokenizer=arguments.tokenizer,
        config=arguments.config,
        passes=select_passes(arguments.disable_pass or []),
        allow_failed_parity=arguments.allow_failed_parity,
        target_options=target_options,
        quantization=quantization,
        input=arguments.input,
        decode_in_graph=arguments.decode_in_graph,
        command=arguments.command,
        also=also,
        processor=arguments.processor,
    )
    with StepProgress(sys.stderr, quiet=arguments.quiet or arguments.as_json) as bar:
        result = export_bundle(options, progress=bar.note, report=bar)
    if arguments.as_json:
        print_json(
            {
                "bundle": str(result.path),
                "digest": result.digest,
                "seconds": result.seconds,
                "notes": list(result.notes),
                "parity": to_json(result.provenance.parity),
                "precisions": to_json(result.provenance.precisions),
                "choice": to_json(result.provenance.choice),
            }
        )
        return 0
    if not arguments.quiet:
        _show(result, options.checkpoint is None)
    return 0


def _names(text: str | None) -> tuple[str, ...]:
    parts = (part.strip() for part in (text or "").split(","))
    return tuple(dict.fromkeys(part for part in parts if part))


def _show(result: ExportResult, demo: bool) -> None:
    """What was found, and the commands to type next."""
    provenance = result.provenance
    show(
        separated(
            (
                kept_nodes(result.manifest, provenance),
                *parity_tables(provenance),
                precision_table(provenance.precisions),
                choice_line(provenance.choice),
            )
        )
    )
    image, labels = ("IMAGE", "a cat,a dog")
    if demo:
        image, labels = str(DEMO_SAMPLE), ",".join(DEMO_LABELS)
    say(
        f"\n{result.path} is ready ({sum(result.seconds.values()):.1f} s). Its digest is\n"
        f"  {result.digest}\nNext:\n"
        f'  groupvit segment {result.path} {image} --labels "{labels}"\n'
        f"  groupvit verify {result.path} --html report.html\n"
        f"  groupvit inspect {result.path}"
    )
