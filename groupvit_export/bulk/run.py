"""A bulk run: Ray carries batches to actors, and each writes its part of the output."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from groupvit_export.bulk.attempts import forget
from groupvit_export.bulk.cluster import cluster, require_ray
from groupvit_export.bulk.folder import Folder
from groupvit_export.bulk.options import Resources, SegmentOptions, Source
from groupvit_export.bulk.parts import done_paths
from groupvit_export.bulk.settings import begin, refuse_other, settings_of, the_only_run
from groupvit_export.bulk.sources import Images, images_of
from groupvit_export.bulk.worker import Worker
from groupvit_export.errors import GroupViTError
from groupvit_runtime import Vocabulary

_ERROR: Final = re.compile(r"[\w.]+(?:Error|Exception|Exit)\b")

Report = Callable[["Count"], None]


@dataclass(frozen=True)
class Count:
    """How far a run is.

    Attributes:
        images: that have a row by now, by this run.
        failed: of these, rows with an error.
        before: images that had a row when it began.
        left: that had none; None where only reading them tells.
        seconds: since it began.
    """

    images: int
    failed: int
    before: int
    left: int | None
    seconds: float


def segment_in_bulk(
    source: Source,
    output: str,
    options: SegmentOptions,
    vocabulary: Vocabulary,
    resources: Resources,
    report: Report = lambda count: None,
    worker: type = Worker,
) -> Count:
    """Give every image of a source a row in the output; images that have one are left out.

    Args:
        source: of the images.
        output: a folder or a URI; see `groupvit_export.bulk.parts.schema`.
        options: of every image.
        vocabulary: the words.
        resources: of the actors.
        report: told when a part is written.
        worker: a class of actors, made with `options`, `vocabulary` and `output`.

    Returns:
        What was done.

    Raises:
        UsageError: the source or the output is not what is needed.
        GroupViTError: something cannot be read or written; an actor could not be started.
        MissingDependencyError: Ray is not installed.
    """
    require_ray()
    folder = Folder.at(output)
    settings = settings_of(options, vocabulary)
    refuse_other(folder, settings)
    folder.make()
    place = folder.path if folder.is_local else output
    with the_only_run(folder), cluster(resources) as actors:
        # Not before Ray runs: the actors of a run that was killed a moment ago have ended by then.
        forget(folder)
        done = done_paths(folder)
        images = images_of(source, done, resources.rows)
        # Not before it is known that there is something to read: else a mistyped run would hold the folder.
        begin(folder, settings)
        return _run(images, worker, (options, vocabulary, place), resources, actors, len(done), report)


def _run(
    images: Images,
    worker: type,
    given: tuple[Any, ...],
    resources: Resources,
    actors: int,
    before: int,
    report: Report,
) -> Count:
    import ray

    start, done, failed = time.monotonic(), 0, 0

    def count() -> Count:
        return Count(done, failed, before, images.left, time.monotonic() - start)

    if images.left == 0:
        return count()
    parts = images.rows.map_batches(
        worker,
        fn_constructor_args=given,
        batch_size=resources.rows,
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(size=actors),
        num_cpus=resources.cpus,
        num_gpus=resources.gpus,
    )
    try:
        for part in parts.iter_rows():
            done, failed = done + int(part["images"]), failed + int(part["failed"])
            report(count())
    except (ray.exceptions.RayError, ValueError) as error:
        cause = getattr(error, "cause", None) or error.__cause__ or error
        if isinstance(cause, GroupViTError):
            raise cause from error
        raise GroupViTError(
            "the run ended before its end",
            got=_last_error(str(error)) or type(error).__name__,
            fix="the same command again: images that have a row are left out",
        ) from error
    return count()


def _last_error(text: str) -> str | None:
    """The last line that names an exception: advice of Ray follows it, and its tracebacks precede it."""
    lines = text.strip().splitlines()
    return next((line for line in reversed(lines) if _ERROR.match(line)), lines[-1] if lines else None)
