"""What an actor does: it loads the bundle once, and makes a part of the output of every batch of images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from groupvit_export.bulk.attempts import DEATHS, Attempt
from groupvit_export.bulk.folder import Folder
from groupvit_export.bulk.label_forms import label_columns
from groupvit_export.bulk.options import SegmentOptions
from groupvit_export.bulk.parts import failures, write_part
from groupvit_runtime import Segmenter, Vocabulary
from groupvit_runtime.errors import ImageError
from groupvit_runtime.read_image import read_image

_Batch = Sequence[tuple[str, bytes | None]]


class Worker:
    """Segments batches; Ray calls it, in a process of its own.

    Args:
        options: of every image.
        vocabulary: the words, encoded once for all actors.
        output: where parts go, as `Folder.at` takes it.
    """

    def __init__(self, options: SegmentOptions, vocabulary: Vocabulary, output: str) -> None:
        self._options, self._vocabulary = options, vocabulary
        self._output = Folder.at(output)
        self._segmenter = Segmenter.load(
            options.bundle,
            device=options.device,
            threads=options.threads,
            decode=options.decode,
            max_pixels=options.max_pixels,
            digest=options.digest,
            precision=options.precision,
        )

    def __call__(self, batch: Any) -> Any:
        """Write the part of a batch, or nothing where an attempt before this one has written it.

        Where an attempt ended with its process, every image gets a part of its own, so that the one which
        ends processes costs no other.

        Args:
            batch: a `pyarrow.Table` with "path", and "image" where the source has the bytes itself.

        Returns:
            A table of one row: how many "images", and how many "failed" of them.

        Raises:
            GroupViTError: the output cannot be written.
        """
        import pyarrow as pa

        paths = [str(path) for path in batch["path"].to_pylist()]
        has_bytes = "image" in batch.column_names
        images = batch["image"].to_pylist() if has_bytes else [None] * len(paths)
        pairs = list(zip(paths, images, strict=True))
        failed = failures(self._output, paths)
        if failed is None:
            attempt = Attempt(self._output, paths)
            failed = self._each(pairs, has_bytes) if attempt.begin() else self._all(pairs, has_bytes)
            attempt.end()
        return pa.table({"images": [len(paths)], "failed": [failed]})

    def _all(self, batch: _Batch, has_bytes: bool) -> int:
        rows = [self._row(path, image, has_bytes) for path, image in batch]
        write_part(self._output, rows)
        return sum(row["error"] is not None for row in rows)

    def _each(self, batch: _Batch, has_bytes: bool) -> int:
        failed = 0
        for path, image in batch:
            known = failures(self._output, [path])
            if known is None:
                attempt = Attempt(self._output, [path])
                if attempt.begin() < DEATHS:
                    known = self._all([(path, image)], has_bytes)
                else:
                    row = {"path": path, "error": f"its process ended without a word, {DEATHS} times"}
                    write_part(self._output, [row])
                    known = 1
                attempt.end()
            failed += known
        return failed

    def _row(self, path: str, image: bytes | None, has_bytes: bool) -> dict[str, Any]:
        # One image after the other: on a CPU a batch is no faster, and one that is broken costs no other.
        try:
            pixels = read_image(
                (image or b"") if has_bytes else _source(path), max_pixels=self._options.max_pixels
            )
            result = self._segmenter(pixels, self._vocabulary, threshold=self._options.threshold)
        except (ImageError, MemoryError, OSError) as error:
            said = error.what if isinstance(error, ImageError) else f"{type(error).__name__}: {error}"
            got = getattr(error, "got", None)
            return {"path": path, "error": said if got is None else f"{said}: {got}"}
        height, width = result.labels.shape
        return {
            "path": path,
            "width": width,
            "height": height,
            **label_columns(self._options.labels, path, result, self._output),
            "names": list(result.names),
            "shares": list(result.shares().items()),
            "scores": list(result.scores.items()),
            "error": None,
        }


def _source(path: str) -> Path | bytes:
    folder = Folder.at(path)
    if folder.is_local:
        return Path(folder.path)
    with folder.system.open_input_stream(folder.path) as file:
        data: bytes = file.read()
    return data
