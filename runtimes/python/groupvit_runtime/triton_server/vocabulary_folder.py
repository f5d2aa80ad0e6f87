"""A folder of vocabularies, which a reload of the model reads anew."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from groupvit_runtime.errors import LabelError
from groupvit_runtime.segmenter import Segmenter
from groupvit_runtime.triton_server.contract import VOCABULARY_SUFFIX
from groupvit_runtime.vocabulary import Vocabulary


def read_vocabularies(folder: Path, segmenter: Segmenter) -> Mapping[str, Vocabulary]:
    """Every `NAME.safetensors` that `groupvit vocab -o` or `--add` wrote, by its name.

    Args:
        folder: where they lie; one that is not there has none.
        segmenter: whose model has to have made them.

    Raises:
        LabelError: a file is no vocabulary, or another model's.
    """
    found: dict[str, Vocabulary] = {}
    for path in sorted(folder.glob(f"*{VOCABULARY_SUFFIX}")):
        try:
            found[path.stem] = segmenter.vocabulary(Vocabulary.load(path))
        except LabelError as error:
            raise LabelError(
                f"a vocabulary of the model repository cannot be used: {error.what}",
                got=f"{path.name}: {error.got}",
                expected=error.expected,
                fix=f"groupvit vocab BUNDLE --labels ... -o {path} --force, or remove it",
            ) from error
    return MappingProxyType(found)
