"""What the model does with the requests that the server hands over together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groupvit_runtime.errors import EngineError, GroupViTError
from groupvit_runtime.processors import usable_cores
from groupvit_runtime.request import SegmentationRequest
from groupvit_runtime.segmenter import Segmenter
from groupvit_runtime.triton_server import contract
from groupvit_runtime.triton_server.tensors import Tensors, arguments_of, outputs_of
from groupvit_runtime.triton_server.vocabulary_folder import read_vocabularies
from groupvit_runtime.vocabulary import Vocabulary

Answer = dict[str, NDArray[Any]] | GroupViTError


class Answering:
    """A segmenter and the vocabularies that requests name.

    Args:
        segmenter: that computes.
        vocabularies: by name.
        most_labels: class names of an image, negatives included.
    """

    def __init__(
        self, segmenter: Segmenter, vocabularies: Mapping[str, Vocabulary], most_labels: int
    ) -> None:
        self._segmenter, self._vocabularies, self._most = segmenter, vocabularies, most_labels
        self._threads = ThreadPoolExecutor(usable_cores(), "groupvit-triton")

    @property
    def description(self) -> str:
        """Of the engine that is in use."""
        return self._segmenter.engine_description

    @property
    def vocabularies(self) -> tuple[str, ...]:
        """Names that requests may ask for."""
        return tuple(self._vocabularies)

    def answer(self, requests: Sequence[Tensors]) -> list[Answer]:
        """Outputs of each request, or why it has none; one that is refused does not touch the others."""
        prepared = list(self._threads.map(self._prepare, requests))
        taken = [each for each in prepared if isinstance(each, list)]
        try:
            results = iter(self._segmenter.compute([one for each in taken for one in each]))
        except EngineError as error:
            return [each if isinstance(each, GroupViTError) else error for each in prepared]
        answers: list[Answer] = []
        for each in prepared:
            if isinstance(each, GroupViTError):
                answers.append(each)
                continue
            own = [next(results) for _ in each]
            try:
                answers.append(outputs_of(own))
            except GroupViTError as error:
                answers.append(error)
        return answers

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown()

    def _prepare(self, tensors: Tensors) -> list[SegmentationRequest] | GroupViTError:
        try:
            wanted = arguments_of(tensors, self._vocabularies, self._most)
            return [self._segmenter.prepare(**arguments) for arguments in wanted]
        except GroupViTError as error:
            return error


def load(model: Path, version: str, parameters: Mapping[str, str], device: str) -> Answering:
    """Open what a repository holds, and run the engine once.

    Args:
        model: its folder in the repository.
        version: name of the folder below it.
        parameters: of its configuration.
        device: "cpu" or "cuda".

    Raises:
        BundleError, EngineError, UsageError: see `Segmenter.load`.
        LabelError: see `read_vocabularies`.
    """
    threads = parameters.get(contract.THREADS)
    segmenter = Segmenter.load(
        model / version / contract.BUNDLE_FOLDER,
        device=device,
        threads=None if threads is None else int(threads),
        digest=parameters[contract.DIGEST],
        precision=parameters.get(contract.PRECISION),
        max_pixels=int(parameters[contract.MAX_PIXELS]),
    )
    vocabularies = read_vocabularies(model / contract.VOCABULARY_FOLDER, segmenter)
    # What an engine makes at its first call is made before the first request.
    segmenter(np.zeros((32, 32, 3), np.uint8), _any_two(segmenter))
    return Answering(segmenter, vocabularies, int(parameters[contract.MAX_LABELS]))


def _any_two(segmenter: Segmenter) -> Vocabulary:
    manifest = segmenter.manifest
    embeddings = np.eye(2, manifest.model.projection_dim, dtype=np.float32)
    return Vocabulary(("a", "b"), embeddings, ("{}",), manifest.fingerprint)
