"""`groupvit segment`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from groupvit_export.cli.options import read_templates
from groupvit_export.cli.output import error_record, note, print_json, say
from groupvit_export.cli.segment_dataset import write_datasets
from groupvit_export.cli.segment_files import plan, write_results
from groupvit_export.cli.segment_journal import JOURNAL_NAME, Job, SegmentJournal, run_digest
from groupvit_export.cli.segment_options import Arguments as Arguments
from groupvit_export.cli.segment_options import Request, read_request
from groupvit_export.cli.segment_outputs import MakeRecord, Outputs
from groupvit_export.cli.segment_pictures import check_heatmaps
from groupvit_export.cli.segment_video import segment_video, video_target
from groupvit_export.cli.segment_work import Segmented, SegmentWork
from groupvit_runtime.competition import Competition
from groupvit_runtime.engines import ENGINES, Performance
from groupvit_runtime.errors import (
    BundleError,
    GroupViTError,
    ImageError,
    LabelError,
    MissingDependencyError,
    UsageError,
)
from groupvit_runtime.label_record import label_record
from groupvit_runtime.open_bundle import open_bundle
from groupvit_runtime.result import Segmentation
from groupvit_runtime.segmenter import Labels, Segmenter
from groupvit_runtime.stream import Done, in_order
from groupvit_runtime.vocabulary import Vocabulary


@dataclass(frozen=True)
class Loaded:
    """The bundle and the words, ready for images.

    Attributes:
        segment: gives the result of an image, or those of a list.
        make_record: gives the record beside a label map.
        names: of the classes of every result.
        digest: of all that results depend on but the image and `Outputs`.
    """

    segment: Callable[..., Any]
    make_record: MakeRecord
    names: tuple[str, ...]
    digest: Callable[[Sequence[object]], str]


def run(arguments: Arguments) -> int:
    request = read_request(arguments)
    if request.outputs is None:
        return _segment_videos(arguments, request)
    outputs = request.outputs
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
    loaded = _load(arguments, request, _performance(arguments) if len(planned.jobs) > 1 else None)
    journal = SegmentJournal(
        arguments.output,
        loaded.digest(outputs.key),
        force=arguments.force,
        begin=len(planned.jobs) > 1,
    )
    failed = _segment_all(arguments, planned.jobs, loaded, outputs, journal)
    if len(planned.jobs) > 1:
        stems = [job.stem for job in planned.jobs if job not in failed]
        for path in write_datasets(arguments.output, outputs.formats, stems, loaded.names, journal):
            if not arguments.quiet:
                note(f"groupvit: {len(stems)} images in {path}")
    if failed:
        note(f"groupvit: {len(failed)} of {len(planned.jobs)} images could not be segmented, see above")
        return 1
    return 0


def _performance(arguments: Arguments) -> Performance | None:
    """Of many images, which are worked on at once; label maps are the same to the bit."""
    if arguments.device not in (None, "cpu"):
        return None
    kind = ENGINES.get(open_bundle(arguments.bundle).manifest.engine("image").target)
    return "throughput" if kind is not None and kind.throughput else None


def _load(arguments: Arguments, request: Request, performance: Performance | None = None) -> Loaded:
    segmenter = Segmenter.load(
        arguments.bundle,
        device=arguments.device,
        threads=arguments.threads,
        decode=request.decode,
        performance=performance,
        max_pixels=arguments.max_pixels,
        digest=arguments.digest,
        precision=arguments.precision,
    )
    templates = read_templates(arguments.templates)
    vocabulary = segmenter.vocabulary(
        _named_vocabulary(arguments.vocab or "") if request.labels is None else request.labels,
        templates=templates,
    )
    negatives = None
    if request.negatives is not None:
        negatives = segmenter.vocabulary(request.negatives, templates=templates)
    thresholds = {
        "threshold": arguments.threshold,
        "background_threshold": arguments.background_threshold,
    }
    competition = Competition.of(
        vocabulary,
        negatives,
        threshold=arguments.threshold,
        background=arguments.background_threshold is not None,
    )
    if request.outputs is not None:
        check_heatmaps(request.outputs.pictures, competition.score_names)
    if len(competition.score_names) == 1 and not competition.abstains and not arguments.quiet:
        note(
            "groupvit: note: one name takes the whole image, whatever it shows, because every pixel gets "
            "the best of the names: add another name, --threshold 0.5, or --negatives with what it is not"
        )
    words = [vocabulary] if negatives is None else [vocabulary, negatives]
    return Loaded(
        partial(segmenter, labels=vocabulary, negatives=negatives, **thresholds),
        partial(_record_of, segmenter, vocabulary, negatives, thresholds),
        competition.names,
        lambda options: run_digest(
            segmenter,
            words,
            decode=request.decode or segmenter.manifest.decode.default,
            options=[*thresholds.values(), *options],
        ),
    )


def _record_of(
    segmenter: Segmenter,
    vocabulary: Vocabulary,
    negatives: Vocabulary | None,
    thresholds: dict[str, float | None],
    result: Segmentation,
    image: Path,
    labels: bytes,
) -> dict[str, Any]:
    return label_record(
        result,
        segmenter,
        image=image,
        labels=labels,
        negatives=() if negatives is None else negatives.names,
        templates=vocabulary.templates,
        **thresholds,
    )


def _segment_all(
    arguments: Arguments,
    jobs: Sequence[Job],
    loaded: Loaded,
    outputs: Outputs,
    journal: SegmentJournal,
) -> set[Job]:
    """The images that failed."""
    done = {job for job in jobs if journal.is_done(job)}
    if done and not arguments.quiet:
        note(f"groupvit: {len(done)} of {len(jobs)} images are done already; --force does them anew")
    work = SegmentWork(
        loaded.segment,
        partial(outputs.encode, make_record=loaded.make_record),
        max_pixels=arguments.max_pixels,
        quiet=arguments.quiet,
    )
    with closing(in_order(work, (job for job in jobs if job not in done))) as results:
        return _write_all(arguments, jobs, done, results, outputs, journal)


def _write_all(
    arguments: Arguments,
    jobs: Sequence[Job],
    done: Set[Job],
    results: Iterator[Done[Job, Segmented]],
    outputs: Outputs,
    journal: SegmentJournal,
) -> set[Job]:
    """Write and tell the results in the order of the jobs; those that failed."""
    failed = set()
    start = time.perf_counter()
    for number, job in enumerate(jobs, 1):
        if job in done:
            if arguments.as_json:
                print_json({"image": str(job.image), "done_before": True, **outputs.paths(job)})
            continue
        try:
            result = next(results).get()
            write_results(job, result.encoded.contents, journal)
        except (UsageError, LabelError, BundleError, MissingDependencyError):
            # Of the command, not of this image.
            raise
        except (GroupViTError, MemoryError) as error:
            # One bad image must not cost the others.
            failed.add(job)
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
            say(f"[{number}/{len(jobs)}] {job.image}: {_listed(result.shares)}  ({milliseconds:.0f} ms)")
            say(f"  {outputs.shown(job)}")
    return failed


def _segment_videos(arguments: Arguments, request: Request) -> int:
    targets = [video_target(source, arguments.output, force=arguments.force) for source in arguments.images]
    loaded = _load(arguments, request)
    for source, target in zip(arguments.images, targets, strict=True):
        film = segment_video(source, target, loaded.segment, frames=arguments.frames, quiet=arguments.quiet)
        rate = film.frames / film.seconds
        if arguments.as_json:
            print_json(
                {
                    "video": str(source),
                    "frames": film.frames,
                    "frames_per_second": round(rate, 3),
                    "names": list(loaded.names),
                    "shares": film.shares,
                    "overlay": str(target),
                }
            )
        elif not arguments.quiet:
            say(f"{source}: {_listed(film.shares)}  ({film.frames} frames, {rate:.1f} frames/s)")
            say(f"  {target}")
    return 0


def _listed(shares: dict[str, float]) -> str:
    return ", ".join(f"{name} {share:.0%}" for name, share in shares.items())


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
    objects = result.encoded.objects
    return {
        "image": str(image),
        "width": result.width,
        "height": result.height,
        "names": list(result.names),
        "shares": result.shares,
        "scores": result.scores,
        **({} if objects is None else {"objects": objects}),
        "milliseconds": round(milliseconds, 3),
        **files,
    }
