"""`groupvit export`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from groupvit_export.build.image_input import INPUTS, check_input
from groupvit_export.cli.arguments import add_templates, read_size, read_templates
from groupvit_export.cli.kept import kept_table
from groupvit_export.cli.output import print_json
from groupvit_export.cli.packages import require_packages
from groupvit_export.cli.parity import parity_table
from groupvit_export.cli.precisions import precision_table
from groupvit_export.cli.quantization_arguments import add_quantization_options, read_quantization_options
from groupvit_export.cli.target_arguments import add_target_options, read_target_options
from groupvit_export.data.bundled import DEMO_LABELS, DEMO_SAMPLE
from groupvit_export.targets.registry import TARGETS, check_decode_in_graph, check_target
from groupvit_export.targets.requirements import EXPORT_PACKAGES, INT8_PACKAGES
from groupvit_export.terminal import ShareLine
from groupvit_runtime.manifest import check_decode
from groupvit_runtime.prompts import resolve_templates
from groupvit_runtime.serialize import to_json


def configure(parser: argparse.ArgumentParser) -> None:
    targets = "; ".join(f"{name}: {kind.summary}" for name, kind in TARGETS.items())
    parser.add_argument("--target", required=True, help=targets)
    precisions = "; ".join(f"{name}: {', '.join(kind.precisions)}" for name, kind in TARGETS.items())
    parser.add_argument("--precision", default="fp32", help=f"default fp32. {precisions}")
    parser.add_argument(
        "--checkpoint",
        metavar="C",
        help="Hugging Face folder or hub id, or NVlabs .pth; without it the demo checkpoint is taken",
    )
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="the bundle's folder")
    parser.add_argument("--force", action="store_true", help="replace an existing bundle")
    parser.add_argument(
        "--image-size", metavar="S", help="side in pixels, or HEIGHTxWIDTH; default the checkpoint's own"
    )
    parser.add_argument("--decode", help="default decode of the bundle: hf or paper")
    parser.add_argument(
        "--input",
        default=INPUTS[0],
        metavar="TYPE",
        help="what the image engine takes: float32, normalized images (default); uint8, pixels "
        "[B, H, W, 3] in RGB, which it normalizes itself as the default decode does",
    )
    parser.add_argument(
        "--decode-in-graph",
        action="store_true",
        help="with --target onnx or openvino: the image engine also makes label maps by the hf decode, from "
        "class embeddings and a size",
    )
    add_templates(parser)
    parser.add_argument(
        "--tokenizer", type=Path, metavar="PATH", help="tokenizer.json, folder, or CLIP's .txt.gz"
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="config.json to use instead of the checkpoint's"
    )
    parser.add_argument(
        "--disable-pass", action="append", default=[], metavar="NAME", help="leave a graph pass out"
    )
    parser.add_argument(
        "--allow-failed-parity",
        action="store_true",
        help="write the bundle even where it does not equal the reference; the runtime then warns",
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    add_quantization_options(parser)
    add_target_options(parser)


def run(arguments: argparse.Namespace) -> int:
    # Refusals first: nobody should wait for PyTorch to load to be told of a typing error.
    target = check_target(arguments.target, arguments.precision)
    target_options = read_target_options(arguments)
    quantization = read_quantization_options(arguments)
    check_input(arguments.input)
    check_decode_in_graph(arguments.target, arguments.precision, arguments.decode_in_graph)
    decode = None if arguments.decode is None else check_decode(arguments.decode)
    templates = read_templates(arguments)
    image_size = read_size(arguments.image_size)
    require_packages(EXPORT_PACKAGES, "exporting")
    target.announce(target_options)

    if arguments.precision == "int8":
        require_packages(INT8_PACKAGES, "quantizing")
    from groupvit_export.graph.passes import select_passes
    from groupvit_export.pipeline.api import ExportOptions, export_bundle

    options = ExportOptions(
        target=arguments.target,
        precision=arguments.precision,
        checkpoint=arguments.checkpoint,
        image_size=image_size,
        output=arguments.output,
        force=arguments.force,
        templates=None if templates is None else resolve_templates(templates),
        decode=decode,
        tokenizer=arguments.tokenizer,
        config=arguments.config,
        passes=select_passes(arguments.disable_pass),
        allow_failed_parity=arguments.allow_failed_parity,
        target_options=target_options,
        quantization=quantization,
        input=arguments.input,
        decode_in_graph=arguments.decode_in_graph,
        command=arguments.command,
    )
    bar = ShareLine(sys.stderr, quiet=arguments.quiet or arguments.json)
    result = export_bundle(options, progress=bar.note, report=bar)
    if arguments.json:
        print_json(
            {
                "bundle": str(result.path),
                "seconds": result.seconds,
                "notes": list(result.notes),
                "parity": to_json(result.manifest.parity),
                "precisions": to_json(result.manifest.precisions),
            }
        )
        return 0
    print(kept_table(result.manifest))
    print(parity_table(result.manifest))
    print(precision_table(result.manifest))
    image, labels = ("IMAGE", "a cat,a dog")
    if options.checkpoint is None:
        image, labels = str(DEMO_SAMPLE), ",".join(DEMO_LABELS)
    print(
        f"\n{result.path} is ready ({sum(result.seconds.values()):.1f} s). Next:\n"
        f'  groupvit segment {result.path} {image} --labels "{labels}"\n'
        f"  groupvit verify {result.path} --html report.html\n"
        f"  groupvit inspect {result.path}"
    )
    return 0
