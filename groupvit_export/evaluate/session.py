"""An evaluation from its options to its report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from groupvit_export.data.dataset import Dataset
from groupvit_export.data.datasets import DatasetOptions, load_dataset
from groupvit_export.evaluate.identity import Identity, identify
from groupvit_export.evaluate.journal import Journal
from groupvit_export.evaluate.options import EvalOptions, Request
from groupvit_export.evaluate.report import Report, make_report
from groupvit_export.evaluate.runner import Progress, RunOptions, evaluate
from groupvit_export.evaluate.setting import (
    Choices,
    SegmentImage,
    bind,
    check_background,
    check_threshold,
    choose_setting,
)
from groupvit_export.evaluate.worst import clear_worst, draw_worst
from groupvit_runtime.manifest import EngineInfo, check_decode
from groupvit_runtime.segmenter import Segmenter


@dataclass(frozen=True)
class Session:
    """A data set and a bundle that can be evaluated on it."""

    dataset: Dataset
    segment: SegmentImage
    identity: Identity
    choices: Choices
    engine: EngineInfo


def open_session(options: EvalOptions) -> Session:
    """Read the data set's lists, load the bundle and encode the classes; nothing is written.

    Raises:
        GroupViTError: any of it cannot be used, or options contradict each other.
    """
    wanted = None if options.decode is None else check_decode(options.decode)
    threshold = options.background_threshold
    if wanted is not None:
        check_threshold(threshold, wanted)
    dataset = _dataset(options)
    check_background(threshold, dataset)
    segmenter = Segmenter.load(
        options.bundle,
        device=options.device,
        threads=options.threads,
        decode=wanted,
        precision=options.precision,
    )
    decode = check_decode(wanted or segmenter.manifest.decode.default)
    # Again, for the bundle's own decode is known only now.
    check_threshold(threshold, decode)
    given = options.templates
    templates = given[0] if given is not None and len(given) == 1 else given
    setting = choose_setting(dataset, segmenter, decode, templates, threshold)
    return Session(
        dataset,
        bind(segmenter, setting),
        identify(dataset, setting, segmenter.manifest, segmenter.engine_description),
        setting.choices,
        segmenter.image_engine,
    )


def run_session(
    session: Session,
    request: Request,
    output: Path,
    run: RunOptions,
    progress: Progress,
    note: Callable[[str], None],
    *,
    force: bool = False,
    page: Callable[[Report], str] | None = None,
) -> tuple[Report, str | None]:
    """Evaluate, draw the worst images, and write the report.

    Args:
        session: that was opened by the request's options.
        request: for the report.
        output: the folder of journal, worst images and report; made where it is missing.
        run: how it is carried out.
        progress: is told what happens.
        note: gets a line about every image that can no longer be drawn.
        force: discard an evaluation in the folder, whatever it is.
        page: makes a page of the report and of what is in the folder, which nobody else writes to meanwhile.

    Returns:
        The report, and what `page` made.

    Raises:
        GroupViTError: see `Journal.open`, `evaluate`, `draw_worst` and `Report.write`.
        KeyboardInterrupt: passed on; what was finished is in the journal.
    """
    dataset = session.dataset
    with Journal.open(output, session.identity, root=dataset.root, force=force) as journal:
        if force:
            clear_worst(output)
        tally = evaluate(dataset, session.segment, journal, progress, run)
        worst = draw_worst(dataset, session.segment, tally.worst, output, note)
        report = make_report(
            dataset,
            tally,
            worst,
            session.identity,
            session.engine,
            choices=session.choices,
            request=request,
        )
        report.write(output)
        return report, None if page is None else page(report)


def _dataset(options: EvalOptions) -> Dataset:
    dataset = load_dataset(
        options.dataset,
        Path(options.root),
        DatasetOptions(
            vocabulary=options.vocabulary,
            classes=None if options.classes is None else Path(options.classes),
            ignore_index=options.ignore_index,
            reduce_zero_label=options.reduce_zero_label or None,
            split=options.split,
        ),
    )
    return replace(dataset, raw_masks=options.raw_masks)
