"""`groupvit serve`."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Option

from groupvit_export.cli.options import Bundle, Device, EnginePrecision, Quiet, Threads, VerbArguments
from groupvit_export.cli.output import note, print_json, say
from groupvit_export.errors import UsageError
from groupvit_export.targets.registry import PAGE_TARGET
from groupvit_export.web.page import PAGE, is_built
from groupvit_runtime.optional import optional
from groupvit_runtime.segmenter import Segmenter

if TYPE_CHECKING:
    from groupvit_runtime.serving.metrics import Metrics
    from groupvit_runtime.serving.options import ServingOptions

TOKEN_VARIABLE = "GROUPVIT_TOKEN"
_MOST_TOKEN_BYTES = 4096


@dataclass(frozen=True, kw_only=True)
class Arguments(VerbArguments):
    """Options of `groupvit serve`."""

    bundle: Bundle
    host: Annotated[
        str, Option("--host", metavar="ADDRESS", help="to listen on; default: this machine only")
    ] = "127.0.0.1"
    port: Annotated[int, Option("--port", metavar="N", help="0 for a free one")] = 8000
    token_file: Annotated[
        Path | None,
        Option(
            "--token-file",
            metavar="FILE",
            help=f"with the token that requests must bear; or the variable {TOKEN_VARIABLE}; default: none",
            show_default=False,
        ),
    ] = None
    workers: Annotated[int, Option("--workers", metavar="N", help="engine calls at once")] = 2
    batch: Annotated[int, Option("--batch", metavar="N", help="most images of an engine call")] = 8
    batch_wait: Annotated[
        float, Option("--batch-wait", metavar="MS", help="milliseconds that an engine call waits for images")
    ] = 0.0
    queue: Annotated[
        int, Option("--queue", metavar="N", help="requests at once; further ones are answered 429")
    ] = 64
    timeout: Annotated[float, Option("--timeout", metavar="S", help="seconds for a request")] = 60.0
    max_bytes: Annotated[int, Option("--max-bytes", metavar="N", help="of a request's body")] = 20 << 20
    max_pixels: Annotated[int, Option("--max-pixels", metavar="N", help="of an image")] = 40_000_000
    max_labels: Annotated[int, Option("--max-labels", metavar="N", help="class names of a request")] = 256
    vocabularies: Annotated[
        int, Option("--vocabularies", metavar="N", help="posted vocabularies that are kept")
    ] = 64
    device: Device = None
    precision: EnginePrecision = None
    threads: Threads = None
    performance: Annotated[
        str | None,
        Option(
            "--performance",
            metavar="P",
            help="latency (default), or throughput: the engine computes several calls side by side",
            show_default=False,
        ),
    ] = None
    as_json: Annotated[bool, Option("--json", help="print the address as JSON")] = False
    quiet: Quiet = False


def run(arguments: Arguments) -> int:
    options_type = _options_type()
    from groupvit_runtime.serving.run import serve

    token = read_token(arguments.token_file)
    options = options_type(
        host=arguments.host,
        port=arguments.port,
        token=token,
        body_bytes=arguments.max_bytes,
        pixels=arguments.max_pixels,
        labels=arguments.max_labels,
        vocabularies=arguments.vocabularies,
        queue=arguments.queue,
        batch=arguments.batch,
        batch_wait=arguments.batch_wait / 1000,
        workers=arguments.workers,
        timeout=arguments.timeout,
        # A browser bears no token.
        page=() if token else page_of(arguments.bundle),
    )
    if not options.is_local and options.token is None:
        note(
            f"groupvit: {options.host} may be reached from other machines, and no token is asked for; "
            f"--token-file FILE or {TOKEN_VARIABLE} asks for one"
        )

    def load(metrics: Metrics) -> Segmenter:
        return Segmenter.load(
            arguments.bundle,
            device=arguments.device,
            threads=arguments.threads,
            batch_size=arguments.batch,
            performance=arguments.performance,  # type: ignore[arg-type]
            observe=metrics.stage,
            max_pixels=arguments.max_pixels,
            precision=arguments.precision,
        )

    def announce(address: str) -> None:
        if arguments.as_json:
            print_json({"address": address})
        elif not arguments.quiet:
            say(f"Requests are taken at\n  {address}\nand described at\n  {address}docs\nCtrl-C ends it.")

    serve(load, options, announce, level=logging.WARNING if arguments.quiet else logging.INFO)
    return 0


def page_of(bundle: str) -> tuple[Path, ...]:
    """The folders of the page for browsers; none without one, or an unpacked bundle of ONNX engines."""
    folder = Path(bundle)
    if not (is_built() and folder.is_dir()):
        return ()
    from groupvit_runtime.open_bundle import open_bundle

    targets = {engine.target for engine in open_bundle(bundle).manifest.engines}
    return (folder, PAGE) if targets == {PAGE_TARGET.engine_name} else ()


def read_token(file: Path | None) -> str | None:
    """The token that requests must bear, never of the command line, which every process can read.

    Raises:
        UsageError: the file cannot be read, or both places have one.
    """
    variable = os.environ.get(TOKEN_VARIABLE)
    if file is None:
        return variable
    if variable is not None:
        raise UsageError("there are two tokens", got=f"--token-file and {TOKEN_VARIABLE}", expected="one")
    try:
        with file.open("rb") as opened:
            return opened.read(_MOST_TOKEN_BYTES).decode("ascii").strip()
    except (OSError, UnicodeError) as error:
        raise UsageError(
            "the token cannot be read",
            got=f"{file}: {getattr(error, 'strerror', None) or 'other characters than ASCII'}",
            expected="a file of one line",
            fix="openssl rand -hex 32 > token && chmod 600 token",
        ) from error


def _options_type() -> type[ServingOptions]:
    with optional("fastapi uvicorn prometheus-client", extra="serve", needed_for="a server"):
        import fastapi  # noqa: F401
        import fastapi_offline  # noqa: F401
        import prometheus_client  # noqa: F401
        import python_multipart  # noqa: F401
        import uvicorn  # noqa: F401
    from groupvit_runtime.serving.options import ServingOptions

    return ServingOptions
