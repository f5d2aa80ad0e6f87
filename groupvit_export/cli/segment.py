"""`groupvit segment`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence, Set
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from groupvit_export.cli.options import (
    Bundle,
    Device,
    EnginePrecision,
    LabelNames,
    LabelsFile,
    Quiet,
    Templates,
    Threads,
    VerbArguments,
    check_exclusive,
    read_labels,
    read_templates,
)
from groupvit_export.cli.output import error_record, note, print_json, say
from groupvit_export.cli.segment_files import plan, write_results
from groupvit_export.cli.segment_journal import JOURNAL_NAME, Job, SegmentJournal, run_digest
from groupvit_export.cli.segment_outputs import Outputs
from groupvit_export.cli.segment_work import Segmented, SegmentWork
from groupvit_runtime.errors import BundleError, GroupViTError, ImageError, LabelError, UsageError
from groupvit_runtime.image_size import check_limit
from groupvit_runtime.manifest import check_decode
from groupvit_runtime.segmenter import Labels, Segmenter
from groupvit_runtime.stream import Done, in_order
from groupvit_runtime.vocabulary import Vocabulary


@dataclass(frozen=True, kw_only=True)
class Arguments(VerbArguments):
    """Options of `groupvit segment`."""

    bundle: Bundle
    images: Annotated[list[Path], Argument(metavar="IMAGE", help="files, or folders of them")]
    labels: LabelNames = None
    labels_file: LabelsFile = None
    vocab: Annotated[
        str | None,
        Option(
            "--vocab",
            metavar="V",
            help="a vocabulary inside the bundle, or a file that groupvit vocab wrote",
        ),
    ] = None
    templates: Templates = None
    output: Annotated[
        Path, Option("-o", "--output", metavar="DIR", help="default: segmented", show_default=False)
    ] = Path("segmented")
    force: Annotated[bool, Option("--force", help="do every image anew, and overwrite")] = False
    recursive: Annotated[
        bool, Option("--recursive", help="take the images in folders below a folder, too")
    ] = False
    gray_labels: Annotated[
        bool, Option("--gray-labels", help="label maps without a palette: OpenCV reads the labels then")
    ] = False
    max_pixels: Annotated[
        int | None,
        Option("--max-pixels", metavar="N", help="refuse larger images; default: 178,956,970"),
    ] = None
    decode: Annotated[
        str | None, Option("--decode", metavar="D", help="hf or paper; default: the bundle's")
    ] = None
    background_threshold: Annotated[
        float | None,
        Option("--background-threshold", metavar="T", help="paper decode: below it a pixel is background"),
    ] = None
    digest: Annotated[
        str | None,
        Option("--digest", metavar="SHA256", help="refuse a bundle with another; see groupvit inspect"),
    ] = None
    device: Device = None
    precision: EnginePrecision = None
    threads: Threads = None
    as_json: Annotated[bool, Option("--json", help="print a JSON line an image")] = False
    quiet: Quiet = False


def run(arguments: Arguments) -> int:
    check_exclusive(
        {"--labels": arguments.labels, "--labels-file": arguments.labels_file, "--vocab": arguments.vocab},
        required=True,
    )
    threshold = arguments.background_threshold
    if threshold is not None and not 0 <= threshold <= 1:
        raise UsageError("a background threshold is a probability", got=threshold, expected="0 to 1")
    decode = None if arguments.decode is None else check_decode(arguments.decode)
    check_limit(arguments.max_pixels)
    labels = read_labels(arguments)
    outputs = Outputs(gray=arguments.gray_labels)
    planned = plan(
        arguments.images,
        arguments.output,
        outputs.suffixes,
        recursive=arguments.recursive,
        known=arguments.force or (arguments.output / JOURNAL_NAME).exists(),
    )
    if not arguments.quiet:
        for line in planned.notes:
            note(f"groupvit: {line}")
    segmenter = Segmenter.load(
        arguments.bundle,
        device=arguments.device,
        threads=arguments.threads,
        decode=decode,
        max_pixels=arguments.max_pixels,
        digest=arguments.digest,
        precision=arguments.precision,
    )
    vocabulary = segmenter.vocabulary(
        _named_vocabulary(arguments.vocab or "") if labels is None else labels,
        templates=read_templates(arguments.templates),
    )
    if len(vocabulary) == 1 and threshold is None and not arguments.quiet:
        note(
            "groupvit: note: one name takes the whole picture, whatever it shows, because every pixel gets "
            "the best of the names: add background or another name"
        )
    run = run_digest(
        segmenter,
        vocabulary,
        decode=decode or segmenter.manifest.decode.default,
        threshold=threshold,
        gray=arguments.gray_labels,
    )
    journal = SegmentJournal(arguments.output, run, force=arguments.force, begin=len(planned.jobs) > 1)
    return _segment_all(arguments, planned.jobs, segmenter, vocabulary, outputs, journal)


def _segment_all(
    arguments: Arguments,
    jobs: Sequence[Job],
    segmenter: Segmenter,
    vocabulary: Vocabulary,
    outputs: Outputs,
    journal: SegmentJournal,
) -> int:
    done = {job for job in jobs if journal.is_done(job)}
    if done and not arguments.quiet:
        note(f"groupvit: {len(done)} of {len(jobs)} images are done already; --force does them anew")
    work = SegmentWork(
        partial(segmenter, labels=vocabulary, background_threshold=arguments.background_threshold),
        outputs.encode,
        max_pixels=arguments.max_pixels,
        quiet=arguments.quiet,
    )
    with closing(in_order(work, (job for job in jobs if job not in done))) as results:
        failed = _write_all(arguments, jobs, done, results, outputs, journal)
    if failed:
        note(f"groupvit: {failed} of {len(jobs)} images could not be segmented, see above")
        return 1
    return 0


def _write_all(
    arguments: Arguments,
    jobs: Sequence[Job],
    done: Set[Job],
    results: Iterator[Done[Job, Segmented]],
    outputs: Outputs,
    journal: SegmentJournal,
) -> int:
    """Write and tell the results in the order of the jobs; how many failed."""
    failed = 0
    start = time.perf_counter()
    for number, job in enumerate(jobs, 1):
        if job in done:
            if arguments.as_json:
                print_json({"image": str(job.image), "done_before": True, **outputs.paths(job)})
            continue
        try:
            result = next(results).get()
            write_results(job, result.contents, journal)
        except (UsageError, LabelError, BundleError):
            # Of the command, not of this image.
            raise
        except (GroupViTError, MemoryError) as error:
            # One bad image must not cost the others.
            failed += 1
            refusal = _no_memory(job.image) if isinstance(error, MemoryError) else error
            if arguments.as_json:
                print_json({"image": str(job.image), **error_record(refusal)})
            note(f"groupvit: error: {refusal}")
            continue
        # Since the image before: several are worked on at once, and together they are the time of the run.
        milliseconds, start = (time.perf_counter() - start) * 1000, time.perf_counter()
        if arguments.as_json:
            print_json(_record(job.image, result, outputs.paths(job), milliseconds))
        elif not arguments.quiet:
            shares = ", ".join(f"{name} {share:.0%}" for name, share in result.shares.items())
            say(f"[{number}/{len(jobs)}] {job.image}: {shares}  ({milliseconds:.0f} ms)")
            say(f"  {outputs.shown(job)}")
    return failed


def _no_memory(image: Path) -> ImageError:
    return ImageError(
        f"{image} does not fit into the memory",
        got="no memory left to segment it and draw its overlay",
        expected="memory for about 10 bytes a pixel beside the engine",
        fix="shrink the image, or refuse it beforehand with --max-pixels",
    )


def _named_vocabulary(name: str) -> Labels | str:
    path = Path(name)
    return Vocabulary.load(path) if path.suffix == ".safetensors" or path.is_file() else name


def _record(image: Path, result: Segmented, files: dict[str, str], milliseconds: float) -> dict[str, object]:
    return {
        "image": str(image),
        "width": result.width,
        "height": result.height,
        "names": list(result.names),
        "shares": result.shares,
        "scores": result.scores,
        "milliseconds": round(milliseconds, 3),
        **files,
    }
