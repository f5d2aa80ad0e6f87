"""From the tensors of a request to what the segmenter takes, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groupvit_runtime.errors import ImageError, LabelError, UsageError
from groupvit_runtime.result import Segmentation
from groupvit_runtime.triton_server import contract
from groupvit_runtime.vocabulary import Vocabulary

Tensors = Mapping[str, NDArray[Any]]
"""By name; the first dimension is the batch. An input that the caller left out is not in it."""

Arguments = dict[str, Any]
"""Of `Segmenter.prepare`."""


def arguments_of(
    tensors: Tensors, vocabularies: Mapping[str, Vocabulary], most_labels: int
) -> list[Arguments]:
    """What is asked for, image by image.

    Args:
        tensors: of one request.
        vocabularies: that can be asked for by name.
        most_labels: class names of an image, negatives included.

    Raises:
        UsageError: tensors are missing, contradict each other, or have other shapes than the configuration.
        LabelError: text that is not UTF-8, too many class names, or no vocabulary of this name.
    """
    images = _one_of(tensors, contract.IMAGE, contract.PIXELS, fix="the bytes of a file, or RGB pixels")
    words = _one_of(tensors, contract.LABELS, contract.VOCABULARY, fix="class names, or a vocabulary's name")
    batch = len(tensors[images])
    _check_shapes(tensors, batch)
    return [_arguments(tensors, row, images, words, vocabularies, most_labels) for row in range(batch)]


def outputs_of(results: Sequence[Segmentation]) -> dict[str, NDArray[Any]]:
    """One request's answers: uint16 [B, H, W], names [B, N] and float32 [B, N].

    Raises:
        UsageError: the images of the request have several sizes.
    """
    sizes = {result.labels.shape for result in results}
    if len(sizes) > 1:
        raise UsageError(
            "label maps of several sizes do not fit into one tensor",
            got=", ".join(f"{height}x{width}" for height, width in sorted(sizes)),
            expected="images of one size in a request",
            fix="a request an image: the server computes what waits together",
        )
    names = [[name.encode() for name in result.names] for result in results]
    scores = [[result.scores.get(name, contract.NO_SCORE) for name in result.names] for result in results]
    return {
        contract.LABEL_MAP: np.stack([result.labels for result in results]),
        contract.NAMES: np.array(names, np.object_),
        contract.SCORES: np.array(scores, np.float32),
    }


def _arguments(
    tensors: Tensors,
    row: int,
    images: str,
    words: str,
    vocabularies: Mapping[str, Vocabulary],
    most_labels: int,
) -> Arguments:
    image = tensors[images][row]
    negatives = _texts(tensors, contract.NEGATIVES, row)
    labels: list[str] | Vocabulary
    if words == contract.LABELS:
        labels = _texts(tensors, contract.LABELS, row)
        _check_count(len(labels) + len(negatives), most_labels)
    else:
        labels = _vocabulary(_texts(tensors, contract.VOCABULARY, row)[0], vocabularies)
        _check_count(len(negatives), most_labels)
    decode = _texts(tensors, contract.DECODE, row)
    return {
        "image": _file(image[0]) if images == contract.IMAGE else image,
        "labels": labels,
        "negatives": negatives or None,
        "threshold": _number(tensors, contract.THRESHOLD, row),
        "background_threshold": _number(tensors, contract.BACKGROUND_THRESHOLD, row),
        "decode": decode[0] if decode else None,
    }


def _one_of(tensors: Tensors, first: str, second: str, *, fix: str) -> str:
    given = [name for name in (first, second) if name in tensors]
    if len(given) != 1:
        raise UsageError(
            f"a request needs one of two inputs, {first} or {second}",
            got=" and ".join(given) or "none of them",
            expected="one",
            fix=fix,
        )
    return given[0]


def _check_shapes(tensors: Tensors, batch: int) -> None:
    # The server holds requests to its configuration; a caller of this function may not have.
    ranks = {contract.PIXELS: 4}
    for name, tensor in tensors.items():
        rank = ranks.get(name, 2)
        if tensor.ndim != rank or len(tensor) != batch or not batch:
            raise UsageError(
                f"the input {name} has another shape than the model's configuration says",
                got=list(tensor.shape),
                expected=f"{rank} dimensions, the first of which is the batch of every input",
            )


def _texts(tensors: Tensors, name: str, row: int) -> list[str]:
    tensor = tensors.get(name)
    return [] if tensor is None else [_text(name, value) for value in tensor[row]]


def _text(name: str, value: object) -> str:
    if isinstance(value, str):
        return value
    if not isinstance(value, bytes):
        raise UsageError(f"the input {name} is no text", got=type(value).__name__, expected="BYTES")
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise LabelError(
            f"the input {name} is not UTF-8", got=f"byte {error.start} of {len(value)}", expected="UTF-8"
        ) from error


def _file(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise ImageError(
            f"the input {contract.IMAGE} is no file", got=type(value).__name__, expected="BYTES of a file"
        )
    return value


def _number(tensors: Tensors, name: str, row: int) -> float | None:
    tensor = tensors.get(name)
    return None if tensor is None else float(tensor[row][0])


def _vocabulary(name: str, vocabularies: Mapping[str, Vocabulary]) -> Vocabulary:
    try:
        return vocabularies[name]
    except KeyError:
        raise LabelError(
            "there is no vocabulary of this name",
            got=repr(name[:100]),
            expected=", ".join(vocabularies) or "none is in the model repository",
            fix=f"the input {contract.LABELS}; or put NAME.safetensors, of groupvit vocab, into the model's "
            f"folder {contract.VOCABULARY_FOLDER}, and load it again",
        ) from None


def _check_count(count: int, most: int) -> None:
    if count > most:
        raise LabelError(
            "these are too many class names",
            got=count,
            expected=f"at most {most}",
            fix="fewer of them, a vocabulary, or groupvit triton with a higher --max-labels",
        )
