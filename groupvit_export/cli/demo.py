"""`groupvit demo`."""

from __future__ import annotations

import sys
import threading
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from groupvit_export.cli.options import Quiet, VerbArguments
from groupvit_export.cli.output import note, print_json, say
from groupvit_export.cli.packages import require_packages
from groupvit_export.cli.step_progress import StepProgress
from groupvit_export.errors import UsageError
from groupvit_export.targets.registry import PAGE_TARGET
from groupvit_export.targets.requirements import EXPORT_PACKAGES
from groupvit_export.web.page import PAGE, require_page
from groupvit_export.web.server import serving
from groupvit_runtime.open_bundle import open_bundle
from groupvit_runtime.temporary import scratch_folder


@dataclass(frozen=True, kw_only=True)
class Arguments(VerbArguments):
    """Options of `groupvit demo`."""

    bundle: Annotated[
        str | None,
        Argument(
            metavar="[BUNDLE]",
            help="a bundle of the target web or onnx; without one the package's checkpoint is exported",
            show_default=False,
        ),
    ] = None
    port: Annotated[
        int,
        Option(
            "--port", metavar="N", help="of the loopback interface; default: a free one", show_default=False
        ),
    ] = 0
    browser: Annotated[bool, Option("--open", help="open the page in the browser, too")] = False
    as_json: Annotated[bool, Option("--json", help="print the address as JSON")] = False
    quiet: Quiet = False


def run(arguments: Arguments) -> int:
    require_page()
    with _bundle(arguments) as root, serving((root, PAGE), arguments.port) as address:
        if arguments.as_json:
            print_json({"address": address})
        else:
            say(f"The page is at\n  {address}\nCtrl-C ends it. It is served to this machine only.")
        sys.stdout.flush()
        if arguments.browser and not webbrowser.open(address):
            note("groupvit: no browser was found to open it in")
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return 0
    return 0


@contextmanager
def _bundle(arguments: Arguments) -> Iterator[Path]:
    """The folder of the bundle that is shown."""
    if arguments.bundle is not None:
        opened = open_bundle(arguments.bundle)
        targets = {engine.target for engine in opened.manifest.engines}
        if targets != {PAGE_TARGET.engine_name}:
            raise UsageError(
                "the page runs ONNX engines",
                got=f"a bundle for {', '.join(sorted(targets))}",
                expected=f"one of the target {PAGE_TARGET.name} or {PAGE_TARGET.engine_name}",
                fix=f"groupvit export --target {PAGE_TARGET.name}",
            )
        yield opened.root
        return
    require_packages(EXPORT_PACKAGES, "exporting")
    from groupvit_export.pipeline.api import ExportOptions, export_bundle

    with scratch_folder("demo") as scratch:
        options = ExportOptions(
            target=PAGE_TARGET.name,
            output=scratch / "demo",
            command=arguments.command,
        )
        with StepProgress(sys.stderr, quiet=arguments.quiet or arguments.as_json) as bar:
            result = export_bundle(options, progress=bar.note, report=bar)
        yield result.path
