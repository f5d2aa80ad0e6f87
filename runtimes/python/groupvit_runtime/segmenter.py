"""`Segmenter`: images and words in, label maps out."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from groupvit_runtime.choose_engine import choose_image_engine
from groupvit_runtime.competition import Competition, check_threshold
from groupvit_runtime.engines import EngineOptions, Performance, load_engine
from groupvit_runtime.errors import BundleError, UsageError
from groupvit_runtime.image_engine import ImageEngine
from groupvit_runtime.image_size import check_limit
from groupvit_runtime.image_work import ImageWork, Observer, unobserved
from groupvit_runtime.load_checks import (
    check_paper,
    choose_batch_size,
    warn_of_failed_parity,
    warn_of_precision,
)
from groupvit_runtime.manifest import DecodeName, EngineInfo, Manifest, check_decode
from groupvit_runtime.open_bundle import OpenBundle, load_from_bundle
from groupvit_runtime.process import OwningProcess
from groupvit_runtime.processor import processor_flags
from groupvit_runtime.read_image import ImageSource, read_image
from groupvit_runtime.request import SegmentationRequest
from groupvit_runtime.result import Segmentation
from groupvit_runtime.vocabularies import Labels as Labels
from groupvit_runtime.vocabularies import Vocabularies
from groupvit_runtime.vocabulary import Vocabulary

Image = ImageSource
Images = list[Image] | tuple[Image, ...]


class Segmenter:
    """Segments images with a bundle. One object may be used by many threads at once.

    It belongs to the process that loaded it: in a forked child every call is an `EngineError`. Pickled, it is
    the bundle's path and the options: where it is unpickled the bundle is opened again, so that process pools
    can carry it.

    The image engine is loaded by `load`; the text engine and tokenizer only when words come that are
    not in a cached vocabulary.
    """

    def __init__(
        self,
        bundle: OpenBundle,
        options: EngineOptions,
        decode: DecodeName | None,
        batch_size: int | None,
        observe: Observer | None = None,
        max_pixels: int | None = None,
        precision: str | None = None,
        flags: Collection[str] | None = None,
    ) -> None:
        self._max_pixels = check_limit(max_pixels)
        self._process = OwningProcess()
        self._observe = observe or unobserved
        self._bundle = bundle
        self._options = options
        self._decode: DecodeName = check_decode(decode or bundle.manifest.decode.default)
        if self._decode == "paper":
            # Refused before anything long, not at the first image.
            check_paper(bundle.manifest)
        self._precision = precision
        self._choice = choose_image_engine(
            bundle.manifest, precision, options.device, processor_flags() if flags is None else flags
        )
        image = self._choice.engine
        self._batch_size = choose_batch_size(batch_size, image)
        self._image = ImageEngine(image, load_engine(image, bundle.root, options))
        self._image.check_serves(self._decode, bundle.manifest.preprocessing)
        self._work = ImageWork(self._image, bundle.manifest, self._batch_size, self._observe, self._read)
        self._vocabularies = Vocabularies(bundle, options)

    @staticmethod
    def load(
        bundle: str | PathLike[str],
        *,
        device: str | None = None,
        threads: int | None = None,
        decode: DecodeName | None = None,
        batch_size: int | None = None,
        cuda_graphs: bool = True,
        streams: int | None = None,
        performance: Performance | None = None,
        observe: Observer | None = None,
        max_pixels: int | None = None,
        digest: str | None = None,
        precision: str | None = None,
    ) -> Segmenter:
        """Open a bundle, verify its image engine's hash and load it.

        Args:
            bundle: folder or .zip written by `groupvit export`.
            device: "cpu" or "cuda"; None for the CPU where the target has it, and the GPU where it has not.
                There is no silent fallback.
            threads: of the engine; None for its own choice.
            decode: "hf" or "paper"; None for the bundle's default.
            batch_size: most images, or windows of one image, that run at once; None for 8, or what
                the engine takes at most where that is less.
            cuda_graphs: whether a TensorRT engine replays shapes that come again as CUDA graphs.
            streams: how many calls an OpenVINO engine computes at once, its threads divided among them: for
                programs whose threads all call it. None for one after the other.
            performance: "throughput" for the most images a second where many threads call, or
                `segment_stream` does (OpenVINO and ONNX Runtime on the CPU); None or "latency" for the
                shortest time of one call.
            observe: gives the context that a stage of a call runs in, for measuring and tracing; it is asked
                by the thread that calls, once for every batch.
            max_pixels: larger images are refused before they are decoded; None for the limit of
                `groupvit_runtime.read_image.read_image`.
            digest: that the bundle must have, as `groupvit inspect` prints it where the bundle is trusted; it
                covers the manifest and every file that a runtime opens. None for any.
            precision: of the image engine, where the bundle has several: "fp32"; None for the fastest that
                this processor computes natively, see `groupvit_runtime.choose_engine`.

        Raises:
            BundleError: the bundle is damaged, of another schema, or has another digest.
            EngineError: the engine cannot run here as asked.
            UsageError: the engine normalizes images by itself, otherwise than this decode needs them; a limit
                of pixels below 1; the bundle has no engine of this precision.
        """
        options = EngineOptions(device, threads, cuda_graphs, streams, performance)
        loaded = load_from_bundle(
            Path(bundle),
            digest,
            lambda opened: Segmenter(opened, options, decode, batch_size, observe, max_pixels, precision),
        )
        warn_of_failed_parity(loaded.manifest)
        warn_of_precision(loaded.manifest, loaded.image_engine, device)
        return loaded

    def __reduce__(self) -> tuple[object, ...]:
        options = self._options
        arguments = {
            "device": options.device,
            "threads": options.threads,
            "decode": self._decode,
            "batch_size": self._batch_size,
            "cuda_graphs": options.cuda_graphs,
            "streams": options.streams,
            "performance": options.performance,
            "observe": None if self._observe is unobserved else self._observe,
            "max_pixels": self._max_pixels,
            "precision": self._precision,
        }
        return _reopened, (self._bundle.source, self.manifest.fingerprint, arguments)

    @property
    def manifest(self) -> Manifest:
        """What the bundle says about itself."""
        return self._bundle.manifest

    @property
    def digest(self) -> str:
        """Of the bundle that was loaded: 64 hexadecimal digits."""
        return self._bundle.digest

    @property
    def engine_description(self) -> str:
        """Runtime, version, device and precision that are really in use; of several engines, why this one."""
        why = self._choice.why
        return self._image.description + ("" if why is None else f"; {why}")

    @property
    def image_engine(self) -> EngineInfo:
        """What the manifest says of the image engine that is in use."""
        return self._choice.engine

    @property
    def device(self) -> str:
        """ "cpu" or "cuda": where the image engine runs."""
        return self._image.device

    def vocabulary(self, labels: Labels | str, *, templates: str | Sequence[str] | None = None) -> Vocabulary:
        """Encode class names, or look them up.

        Args:
            labels: names; or the name of a vocabulary inside the bundle; or a vocabulary, returned as is.
            templates: a set's name, one template or several; None for the bundle's own.

        Returns:
            The vocabulary; the last few are remembered.

        Raises:
            LabelError: the labels or templates cannot be used, or the vocabulary is another model's.
            EngineError: the text engine failed, or this process was forked from the one that loaded it.
        """
        # Before any lock: another thread of the parent may have held it when this process was forked.
        self._process.check()
        return self._vocabularies.get(labels, templates)

    @overload
    def __call__(
        self,
        image: Image,
        labels: Labels | str,
        *,
        templates: str | Sequence[str] | None = None,
        decode: DecodeName | None = None,
        background_threshold: float | None = None,
        threshold: float | None = None,
        negatives: Labels | str | None = None,
    ) -> Segmentation: ...

    @overload
    def __call__(
        self,
        image: Images,
        labels: Labels | str,
        *,
        templates: str | Sequence[str] | None = None,
        decode: DecodeName | None = None,
        background_threshold: float | None = None,
        threshold: float | None = None,
        negatives: Labels | str | None = None,
    ) -> list[Segmentation]: ...

    def __call__(
        self,
        image: Image | Images,
        labels: Labels | str,
        *,
        templates: str | Sequence[str] | None = None,
        decode: DecodeName | None = None,
        background_threshold: float | None = None,
        threshold: float | None = None,
        negatives: Labels | str | None = None,
    ) -> Segmentation | list[Segmentation]:
        """Segment one image, or a list of them.

        Args:
            image: path, bytes of a file, open file, PIL image or array (uint8 or uint16 [H, W, 3] RGB,
                [H, W, 4] or [H, W]), or a list of them.
            labels: class names, a `Vocabulary`, or the name of a vocabulary inside the bundle.
            templates: prompt templates for names; None for the bundle's own.
            decode: "hf" or "paper"; None for the one chosen at `load`.
            background_threshold: `paper` only: below it a pixel is background, which then is label 0
                of the result (the paper: 0.95 for PASCAL VOC and COCO-Object, 0.35 for Context).
            threshold: a pixel whose best score (`Segmentation.confidence`) is below it is "unlabeled", the
                last of the result's names. One label alone then competes with the empty prompt, unless there
                are negatives.
            negatives: further classes, given as labels are: a pixel that one of them wins is "unlabeled".

        Returns:
            A `Segmentation` for an image, a list of them for a list.

        Raises:
            ImageError: an image cannot be used.
            LabelError: the labels cannot be used.
            UsageError: `background_threshold` with the `hf` decode; an unknown decode, or one whose images
                the engine normalizes in another way.
            EngineError: the engine failed.
        """
        chosen, competition = self._check(
            labels, templates, decode, background_threshold, threshold, negatives
        )
        images = image if isinstance(image, (list, tuple)) else [image]
        if chosen == "hf":
            results = self._work.whole(images, [competition] * len(images))
        else:
            results = [self._work.windows(item, competition, background_threshold) for item in images]
        return results if isinstance(image, (list, tuple)) else results[0]

    def prepare(
        self,
        image: Image,
        labels: Labels | str,
        *,
        templates: str | Sequence[str] | None = None,
        decode: DecodeName | None = None,
        background_threshold: float | None = None,
        threshold: float | None = None,
        negatives: Labels | str | None = None,
    ) -> SegmentationRequest:
        """Do all of a call that can be refused: read the image, encode the words, check the options.

        For servers, which compute the requests of several callers at once; arguments and errors are those of
        a call.
        """
        chosen, competition = self._check(
            labels, templates, decode, background_threshold, threshold, negatives
        )
        with self._observe("read"):
            rgb = self._read(image)
        return SegmentationRequest(rgb, competition, chosen, background_threshold)

    def compute(self, requests: Sequence[SegmentationRequest]) -> list[Segmentation]:
        """Segment what `prepare` gave, each with classes and options of its own.

        Images of the `hf` decode run through the engine together, up to the batch size.

        Raises:
            EngineError: the engine failed.
        """
        self._process.check()
        results: dict[int, Segmentation] = {}
        # What an engine decodes by itself cannot abstain: the two take turns.
        together: dict[bool, list[int]] = {}
        for index, request in enumerate(requests):
            if request.decode == "hf":
                together.setdefault(request.competition.abstains, []).append(index)
            else:
                results[index] = self._work.windows(
                    request.image, request.competition, request.background_threshold
                )
        for members in together.values():
            chosen = [requests[index] for index in members]
            made = self._work.whole([one.image for one in chosen], [one.competition for one in chosen])
            results.update(zip(members, made, strict=True))
        return [results[index] for index in range(len(requests))]

    def _check(
        self,
        labels: Labels | str,
        templates: str | Sequence[str] | None,
        decode: DecodeName | None,
        background_threshold: float | None,
        threshold: float | None,
        negatives: Labels | str | None,
    ) -> tuple[DecodeName, Competition]:
        chosen = check_decode(decode or self._decode)
        self._image.check_serves(chosen, self.manifest.preprocessing)
        check_threshold(threshold)
        if chosen == "hf" and background_threshold is not None:
            raise UsageError(
                "the hf decode has no background",
                got=f"a background threshold of {background_threshold}",
                expected="decode='paper', or 'background' as one of the labels",
                fix="decode='paper' (on the command line: --decode paper)",
            )
        self._process.check()
        return chosen, Competition.of(
            *self._vocabularies.competing(labels, negatives, templates, alone=threshold is None),
            threshold=threshold,
            background=background_threshold is not None,
        )

    def _read(self, image: Image) -> NDArray[np.uint8]:
        return read_image(image, max_pixels=self._max_pixels)


def _reopened(source: Path, fingerprint: str, arguments: dict[str, Any]) -> Segmenter:
    segmenter = Segmenter.load(source, **arguments)
    if segmenter.manifest.fingerprint != fingerprint:
        raise BundleError(
            "another model's bundle lies where the one was that this segmenter was pickled with",
            got=f"fingerprint {segmenter.manifest.fingerprint[:16]}... in {source}",
            expected=f"{fingerprint[:16]}...",
            fix="put that bundle there, or load the segmenter where it is used",
        )
    return segmenter
