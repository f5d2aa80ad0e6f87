"""`groupvit bench`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from typer import Argument, Option

from groupvit_export.cli.bench_inputs import (
    read_bench_size,
    read_budget,
    read_numbers,
    read_precisions,
    read_words,
)
from groupvit_export.cli.measured import write_measured
from groupvit_export.cli.options import (
    LabelNames,
    LabelsFile,
    Templates,
    VerbArguments,
    check_exclusive,
    read_templates,
)
from groupvit_export.cli.origin import origin
from groupvit_export.cli.output import note
from groupvit_export.cli.progress import BenchProgress
from groupvit_export.cli.tables import show
from groupvit_export.errors import UsageError
from groupvit_export.html.page import check_installed
from groupvit_runtime.files import check_writable, write_atomically

if TYPE_CHECKING:
    from groupvit_export.benchmark.compare import Comparison
    from groupvit_export.benchmark.measure import Plan

_ZIP = b"PK\x03\x04"
_MEASURING = (
    *("threads", "batch", "streams", "rate", "rounds", "seconds", "warm_up", "cold", "image", "size"),
    *("labels", "labels_file", "vocab", "templates", "decode", "device", "accuracy", "records"),
    *("runtime", "library", "precision", "suggest"),
)
"""Options that mean nothing when two files are compared."""


EPILOG = (
    "Several bundles take turns call by call, and none always follows another. With --rate they take turns "
    "of 50 calls: a call of one must not queue behind a call of another.\n\n"
    "Exit codes: 0 fine, 1 error, 2 usage, 3 the second is slower than --max-regression allows."
)
_WHAT = "What is segmented"
_HOW = "Settings: every combination is measured"
_EFFORT = "Effort"
_COMPARISON = "Comparison"
_OUTPUT = "Output"


def _flag(name: str, panel: str, help: str, metavar: str | None = None) -> Any:
    return Option(name, help=help, metavar=metavar, rich_help_panel=panel)


@dataclass(frozen=True, kw_only=True)
class Arguments(VerbArguments):
    """Options of `groupvit bench`."""

    bundles: Annotated[
        list[str],
        Argument(metavar="BUNDLE", help="bundles; with --compare also two files of --json"),
    ]
    image: Annotated[Path | None, _flag("--image", _WHAT, "default: the sample of the package", "FILE")] = (
        None
    )
    size: Annotated[
        str | None,
        _flag("--size", _WHAT, 'resize the image (default: 480x640); "own" does not', "HxW"),
    ] = None
    labels: LabelNames = None
    labels_file: LabelsFile = None
    vocab: Annotated[str | None, _flag("--vocab", _WHAT, "a vocabulary in every bundle, or a file", "V")] = (
        None
    )
    templates: Templates = None
    decode: Annotated[str | None, _flag("--decode", _WHAT, "hf or paper; default: the bundle's", "D")] = None
    device: Annotated[
        str | None,
        _flag("--device", _HOW, "cpu or cuda; default cpu where the target has it; no fallback", "D"),
    ] = None
    precision: Annotated[
        str | None,
        _flag(
            "--precision",
            _HOW,
            "image engines of bundles that have several (default: the fastest on this processor)",
            "P,...",
        ),
    ] = None
    runtime: Annotated[
        Literal["python", "cpp"] | None, _flag("--runtime", _HOW, "that segments (default: python)")
    ] = None
    library: Annotated[
        str | None,
        _flag("--library", _HOW, "libgroupvit of --runtime cpp; default: the loader's", "PATH"),
    ] = None
    threads: Annotated[
        str | None, _flag("--threads", _HOW, "threads of the engine; default: its own choice", "N,...")
    ] = None
    batch: Annotated[str | None, _flag("--batch", _HOW, "images of a call (default: 1)", "N,...")] = None
    streams: Annotated[
        str | None, _flag("--streams", _HOW, "threads that call at once (default: 1)", "N,...")
    ] = None
    rate: Annotated[
        float | None,
        _flag(
            "--rate",
            _HOW,
            "calls a second that fall due whether or not the last is done; latency counts from then",
            "R",
        ),
    ] = None
    rounds: Annotated[
        int | None, _flag("--rounds", _EFFORT, "of every bundle and setting (default: 100)", "N")
    ] = None
    seconds: Annotated[
        float | None, _flag("--seconds", _EFFORT, "of every setting, in place of rounds", "S")
    ] = None
    warm_up: Annotated[
        int | None, _flag("--warm-up", _EFFORT, "rounds that are not counted (default: 5)", "N")
    ] = None
    cold: Annotated[
        int | None, _flag("--cold", _EFFORT, "fresh processes of each (default: 5, 0 for none)", "N")
    ] = None
    suggest: Annotated[
        bool, _flag("--suggest", _HOW, "try streams and batches in turn, and print the fastest; nothing else")
    ] = False
    compare: Annotated[bool, _flag("--compare", _COMPARISON, "hold the second of two against the first")] = (
        False
    )
    max_regression: Annotated[
        float | None,
        _flag("--max-regression", _COMPARISON, "exit with 3 where the second is slower than that", "PERCENT"),
    ] = None
    accuracy: Annotated[
        list[str] | None,
        _flag("--accuracy", _OUTPUT, "report.json of groupvit eval, for the report", "BUNDLE=FILE"),
    ] = None
    # Not called `as_json`: the other verbs' flag of that name prints errors as JSON, too.
    records: Annotated[Path | None, _flag("--json", _OUTPUT, "a line for every record", "FILE")] = None
    html: Annotated[Path | None, _flag("--html", _OUTPUT, "a page with charts, one file", "FILE")] = None
    quiet: Annotated[bool, _flag("--quiet", _OUTPUT, "print only what failed")] = False


def run(arguments: Arguments) -> int:
    _check(arguments)
    files = [bundle for bundle in arguments.bundles if _is_measurement(bundle)]
    if files:
        return _compare_files(arguments, files)
    if arguments.suggest:
        from groupvit_export.cli.bench_suggest import suggest_settings

        return suggest_settings(_plan(arguments), quiet=arguments.quiet)
    return _measure(arguments)


def _check(arguments: Arguments) -> None:
    """Refuse combinations that cannot mean anything, before anything is loaded."""
    check_exclusive(
        {"--labels": arguments.labels, "--labels-file": arguments.labels_file, "--vocab": arguments.vocab}
    )
    check_exclusive({"--rounds": arguments.rounds, "--seconds": arguments.seconds})
    if arguments.suggest:
        other = (
            "batch",
            "streams",
            "rate",
            "seconds",
            "warm_up",
            "cold",
            "records",
            "html",
            "runtime",
        )
        given = [name for name in (*other, "accuracy") if getattr(arguments, name) is not None]
        if given or arguments.compare:
            raise UsageError(
                "--suggest tries streams and batches itself, and prints what it finds",
                got=", ".join("--" + name.replace("records", "json").replace("_", "-") for name in given)
                or "--compare",
                expected="bundles, --image, --size, --threads, --rounds, labels, --decode, --device",
            )
    if arguments.max_regression is not None:
        if not arguments.compare:
            raise UsageError(
                "there is nothing that could have become slower",
                got="--max-regression without --compare",
                fix="add --compare",
            )
        if not 0 <= arguments.max_regression < float("inf"):
            raise UsageError(
                "the regression allowed is a percentage", got=arguments.max_regression, expected="0 or more"
            )
    if arguments.library is not None and arguments.runtime != "cpp":
        raise UsageError(
            "the Python runtime is no library",
            got=f"--library {arguments.library}",
            expected="--runtime cpp --library PATH",
            fix="add --runtime cpp",
        )
    precisions = read_precisions(arguments)
    if arguments.compare and len(arguments.bundles) * max(len(precisions), 1) != 2:
        raise UsageError(
            "a comparison is of two",
            got=" ".join((*arguments.bundles, *precisions)),
            expected="two bundles, two precisions of one, or two files that --json wrote",
        )
    for option, path in (("--json", arguments.records), ("--html", arguments.html)):
        if path is not None and (not path.parent.is_dir() or path.is_dir()):
            raise UsageError(
                f"the file of {option} has nowhere to go",
                got=str(path),
                expected=f"a file in a folder that exists; {path.parent} does"
                + ("" if path.parent.is_dir() else " not"),
            )
        if path is not None:
            # Now, and not when everything has been measured.
            check_writable(path)
    if arguments.html is not None:
        check_installed()


def _is_measurement(path: str) -> bool:
    """A file that is no zipped bundle, not even a damaged one; what is not there is left to the bundle."""
    file = Path(path)
    if file.suffix in (".jsonl", ".json"):
        return True
    if file.suffix == ".zip" or not file.is_file():
        return False
    with file.open("rb") as opened:
        return opened.read(len(_ZIP)) != _ZIP


def _compare_files(arguments: Arguments, files: Sequence[str]) -> int:
    from groupvit_export.benchmark.compare import compare_records, count_unmatched, disambiguate_names
    from groupvit_export.benchmark.html import html_report
    from groupvit_export.benchmark.records import read_records

    if not arguments.compare or len(files) != 2:
        raise UsageError(
            "a file of measurements can be compared with another, and nothing else",
            got=" ".join(arguments.bundles),
            expected="--compare FIRST.jsonl SECOND.jsonl, or bundles",
        )
    given = [name for name in _MEASURING if getattr(arguments, name) not in (None, False)]
    if given:
        raise UsageError(
            "nothing is measured when two files are compared",
            got=", ".join("--" + name.replace("records", "json").replace("_", "-") for name in given),
            expected="--compare, --max-regression, --html and --quiet only",
        )
    first, second = (read_records(Path(file)) for file in files)
    compared = compare_records(first, second, arguments.max_regression)
    missing = count_unmatched(first, second, compared)
    if missing and not arguments.quiet:
        note(f"groupvit: warning: {missing} measurements have no counterpart in the other file")
    code = _tell(arguments, compared)
    if arguments.html is not None:
        ours, theirs = disambiguate_names(first, second)
        page = html_report([*ours, *theirs], compared, origin(arguments.command))
        write_measured(arguments.html, partial(write_atomically, data=page.encode()), quiet=arguments.quiet)
    return code


def _measure(arguments: Arguments) -> int:
    # Imported here, so that a mistyped number is told at once.
    from groupvit_export.benchmark.compare import compare_records
    from groupvit_export.benchmark.html import html_report
    from groupvit_export.benchmark.measure import measure
    from groupvit_export.benchmark.records import write_records
    from groupvit_export.cli.bench_report import record_blocks

    plan = _plan(arguments)
    progress = BenchProgress(sys.stderr, quiet=arguments.quiet)
    try:
        records = measure(plan, progress)
    finally:
        progress.end()
    compared: tuple[Comparison, ...] = ()
    if arguments.compare:
        first, second = (
            [record for record in records if record.bundle.name == subject.facts.name]
            for subject in plan.subjects
        )
        compared = compare_records(first, second, arguments.max_regression)
    # First, for what is measured is dearer than a file that cannot be written.
    if not arguments.quiet:
        show([*record_blocks(records), *([""] if compared else [])])
    code = _tell(arguments, compared)
    if arguments.records is not None:
        write_measured(arguments.records, partial(write_records, records=records), quiet=arguments.quiet)
    if arguments.html is not None:
        page = html_report(records, compared, origin(arguments.command))
        write_measured(arguments.html, partial(write_atomically, data=page.encode()), quiet=arguments.quiet)
    return code


def _plan(arguments: Arguments) -> Plan:
    """What is measured, with its bundles opened."""
    from groupvit_export.benchmark.bench_target import open_subjects
    from groupvit_export.benchmark.machine import load_average
    from groupvit_export.benchmark.measure import Plan
    from groupvit_export.benchmark.settings import RunConfig, sweep
    from groupvit_export.cli.accuracies import read_accuracies, split_accuracy
    from groupvit_export.data.bundled import DEMO_SAMPLE
    from groupvit_runtime.engines import EngineOptions
    from groupvit_runtime.manifest import check_decode

    settings = sweep(
        read_numbers("--threads", arguments.threads) or (None,),
        read_numbers("--batch", arguments.batch) or (1,),
        read_numbers("--streams", arguments.streams) or (1,),
        arguments.rate,
    )
    effort = read_budget(arguments)
    fixed = RunConfig(
        device=EngineOptions(device=arguments.device).device,
        decode=None if arguments.decode is None else check_decode(arguments.decode),
        runtime=arguments.runtime or "python",
        library=arguments.library,
    )
    if fixed.runtime == "cpp" and any(setting.batch > 1 for setting in settings):
        raise UsageError(
            "a call of the C++ runtime has one image", got=f"--batch {arguments.batch}", expected="--batch 1"
        )
    size = read_bench_size(arguments.size)
    reports = split_accuracy(arguments.accuracy or (), arguments.bundles)
    labels = read_words(arguments)
    # Before anything is loaded, which is load, too.
    load_before = load_average()
    subjects = open_subjects(
        arguments.bundles,
        labels,
        read_templates(arguments.templates),
        read_precisions(arguments),
        arguments.device,
    )
    return Plan(
        subjects=subjects,
        settings=settings,
        fixed=fixed,
        effort=effort,
        image=arguments.image or DEMO_SAMPLE,
        size=size,
        accuracies=read_accuracies(reports, subjects, fixed),
        command=arguments.command,
        load_before=load_before,
    )


def _tell(arguments: Arguments, compared: Sequence[Comparison]) -> int:
    from groupvit_export.benchmark.compare import EXIT_REGRESSION
    from groupvit_export.cli.bench_report import comparison_blocks

    told = [item for item in compared if item.regressed] if arguments.quiet else compared
    if told:
        show(comparison_blocks(told, arguments.max_regression))
    return EXIT_REGRESSION if any(comparison.regressed for comparison in compared) else 0
