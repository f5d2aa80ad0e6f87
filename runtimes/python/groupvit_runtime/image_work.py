"""From images and classes to label maps: what a segmenter does after everything was checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from groupvit_runtime.competition import Competition
from groupvit_runtime.decode_checks import check_output, check_text
from groupvit_runtime.image_engine import ImageEngine, Prepared
from groupvit_runtime.image_outputs import ImageOutputs
from groupvit_runtime.load_checks import check_paper
from groupvit_runtime.make_result import whole_result, windowed_result
from groupvit_runtime.manifest import Manifest
from groupvit_runtime.pixels import RgbArray
from groupvit_runtime.read_image import ImageSource
from groupvit_runtime.result import Segmentation
from groupvit_runtime.windows import plan_windows

Stage = Literal["read", "preprocess", "engine", "postprocess"]
Observer = Callable[[Stage], AbstractContextManager[object]]

_UNOBSERVED: Final = nullcontext()


class ImageWork:
    """The stages of a segmenter's calls.

    Args:
        engine: of images.
        manifest: the bundle's.
        batch_size: most images, or windows of one image, that run at once.
        observe: gives the context that a stage runs in.
        read: an image within the segmenter's limit.
    """

    def __init__(
        self,
        engine: ImageEngine,
        manifest: Manifest,
        batch_size: int,
        observe: Observer,
        read: Callable[[ImageSource], RgbArray],
    ) -> None:
        self._engine = engine
        self._manifest = manifest
        self._batch_size = batch_size
        self._observe = observe
        self._read = read

    def whole(self, images: Sequence[ImageSource], competitions: Sequence[Competition]) -> list[Segmentation]:
        """By the `hf` decode; either all of the classes abstain or none."""
        results: list[Segmentation] = []
        model, spec = self._manifest.model, self._manifest.preprocessing.hf
        for start in range(0, len(images), self._batch_size):
            with self._observe("read"):
                rgbs = [self._read(image) for image in images[start : start + self._batch_size]]
            those = competitions[start : start + self._batch_size]
            with self._observe("preprocess"):
                batch = self._engine.whole(rgbs, model.image_size, spec)
            # What an engine decodes by itself cannot abstain: it gives no scores.
            if self._engine.decodes and not those[0].abstains:
                results += self._labeled(rgbs, batch, those)
                continue
            outputs = self._encode(batch)
            with self._observe("postprocess"):
                results += [
                    whole_result(rgb, outputs, index, competition, model)
                    for index, (rgb, competition) in enumerate(zip(rgbs, those, strict=True))
                ]
        return results

    def _labeled(
        self,
        images: Sequence[NDArray[np.uint8]],
        batch: Prepared,
        competitions: Sequence[Competition],
    ) -> list[Segmentation]:
        """By an engine that decodes, which makes label maps of one size and of the same classes at a time."""
        model = self._manifest.model
        alike: dict[tuple[int, int, int], list[int]] = {}
        for index, (rgb, competition) in enumerate(zip(images, competitions, strict=True)):
            alike.setdefault((*rgb.shape[:2], id(competition.embeddings)), []).append(index)
        found: dict[int, Segmentation] = {}
        for (height, width, _), members in alike.items():
            competition = competitions[members[0]]
            check_text(competition.embeddings, model.projection_dim)
            with self._observe("engine"):
                raw, labels = self._engine.label(batch[members], competition.embeddings, (height, width))
            with self._observe("postprocess"):
                outputs = ImageOutputs.of(raw)
                for place, index in enumerate(members):
                    check_output("masks", outputs.masks[place], ("G", "gh", "gw"))
                    found[index] = whole_result(
                        images[index], outputs, place, competition, model, labels[place]
                    )
        return [found[index] for index in range(len(images))]

    def windows(
        self, image: ImageSource, competition: Competition, background_threshold: float | None
    ) -> Segmentation:
        with self._observe("read"):
            rgb = self._read(image)
        settings = replace(check_paper(self._manifest), background_threshold=background_threshold)
        with self._observe("preprocess"):
            plan = plan_windows((rgb.shape[0], rgb.shape[1]), settings.window)
            images = self._engine.windows(rgb, self._manifest.preprocessing.paper, plan)
        parts = [
            self._encode(images[start : start + self._batch_size])
            for start in range(0, len(images), self._batch_size)
        ]
        with self._observe("postprocess"):
            outputs = ImageOutputs.joined(parts)
            return windowed_result(rgb, outputs, plan, competition, self._manifest.model, settings)

    def _encode(self, images: Prepared) -> ImageOutputs:
        with self._observe("engine"):
            outputs = self._engine.run(images)
        return ImageOutputs.of(outputs)


def unobserved(stage: Stage) -> AbstractContextManager[object]:
    """The context of a stage that nobody looks at."""
    del stage
    return _UNOBSERVED
