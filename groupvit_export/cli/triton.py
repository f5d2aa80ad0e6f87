"""`groupvit triton`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from typer import Option

from groupvit_export.cli.options import Bundle, Quiet, VerbArguments
from groupvit_export.cli.output import note, print_json, say
from groupvit_export.triton_server.options import TritonOptions

_NEXT = """The models are in {path}. Next, where the server's Python has groupvit-runtime and the engine:
  tritonserver --model-repository={path} --cache-config=local,size=67108864"""


@dataclass(frozen=True, kw_only=True)
class Arguments(VerbArguments):
    """Options of `groupvit triton`."""

    bundle: Bundle
    output: Annotated[Path, Option("-o", "--output", metavar="FOLDER", help="the model repository")]
    force: Annotated[bool, Option("--force", help="replace a model repository that is there")] = False
    device: Annotated[
        str | None,
        Option(
            "--device",
            metavar="D",
            help="cpu or cuda, which the models run on; default: cpu where the target has it",
            show_default=False,
        ),
    ] = None
    instances: Annotated[
        int, Option("--instances", metavar="N", help="of each model, which compute side by side")
    ] = 1
    threads: Annotated[
        int | None,
        Option(
            "--threads",
            metavar="N",
            help="of the engine of each instance of groupvit_segment; default: its own choice",
            show_default=False,
        ),
    ] = None
    precision: Annotated[
        str | None,
        Option(
            "--precision",
            metavar="P",
            help="of the image engine, where the bundle has several; default: fp32 for groupvit_image, the "
            "fastest on the server's processor for groupvit_segment",
            show_default=False,
        ),
    ] = None
    batch: Annotated[int, Option("--batch", metavar="N", help="most images of an engine call")] = 8
    batch_wait: Annotated[
        float,
        Option("--batch-wait", metavar="MS", help="milliseconds that an engine call waits for requests"),
    ] = 0.0
    queue: Annotated[
        int, Option("--queue", metavar="N", help="requests that wait for a model; further ones are refused")
    ] = 256
    timeout: Annotated[float, Option("--timeout", metavar="S", help="seconds that a request waits")] = 60.0
    max_pixels: Annotated[int, Option("--max-pixels", metavar="N", help="of an image")] = 40_000_000
    max_labels: Annotated[int, Option("--max-labels", metavar="N", help="class names of an image")] = 256
    as_json: Annotated[bool, Option("--json", help="print what was written as JSON")] = False
    quiet: Quiet = False


def run(arguments: Arguments) -> int:
    from groupvit_export.triton_server.repository import default_device, write_repository

    options = TritonOptions(
        device=arguments.device or default_device(arguments.bundle),
        instances=arguments.instances,
        threads=arguments.threads,
        max_batch=arguments.batch,
        batch_wait=arguments.batch_wait / 1000,
        queue=arguments.queue,
        timeout=arguments.timeout,
        pixels=arguments.max_pixels,
        labels=arguments.max_labels,
        precision=arguments.precision,
    )
    written = write_repository(arguments.bundle, arguments.output, options, force=arguments.force)
    for name, reason in written.left_out.items():
        note(f"groupvit: note: {name} is left out: {reason}")
    if arguments.as_json:
        print_json(
            {
                "path": str(written.path),
                "models": written.models,
                "left_out": written.left_out,
                "vocabularies": written.vocabularies,
            }
        )
    elif not arguments.quiet:
        say(_NEXT.format(path=written.path))
    return 0
