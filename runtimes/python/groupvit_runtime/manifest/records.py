"""The records of `manifest.json` beside those of engines: model, preprocessing, decode, vocabularies."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Annotated, Final, Literal

from groupvit_runtime.bounds import Length, Line, Range, Sha256, Side, Template, Word
from groupvit_runtime.contract import PaperDecode, Preprocessing
from groupvit_runtime.errors import BundleError
from groupvit_runtime.manifest.engine_info import DecodeName, EngineInfo, Role
from groupvit_runtime.manifest.file_info import FileInfo
from groupvit_runtime.serialize import ADDED_LATER, to_json

FORMAT: Final = "groupvit-bundle"
"""What tells the manifest of a bundle from another file of this name."""

Verdict = Literal["PASS", "AMBIGUOUS", "FAIL"]


@dataclass(frozen=True)
class SchemaVersion:
    """Of a file: another `major` is refused; a larger `minor` has fields more, which are ignored."""

    major: Annotated[int, Range(0, 2**31 - 1)]
    minor: Annotated[int, Range(0, 2**31 - 1)]

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


SCHEMA_VERSION: Final = SchemaVersion(5, 3)

NVLABS_TEXT_CLEANING: Final = "nvlabs_text_cleaning"
"""In `requires` since 5.1: sentences are cleaned as NVlabs does before the tokenizer splits them."""

KNOWN_REQUIREMENTS: Final = (NVLABS_TEXT_CLEANING,)


@dataclass(frozen=True)
class ModelInfo:
    """Dimensions that a runtime needs.

    `image_size` and `grid` are (height, width) in pixels and patches; `groups` has the number of
    groups of every grouping block; `logit_scale` is the learned parameter, of which the model takes the
    exponential; `text_pad_id` fills up short sentences.
    """

    image_size: tuple[Side, Side]
    patch_size: Side
    grid: tuple[Side, Side]
    groups: Annotated[tuple[Side, ...], Length(8, 1)]
    projection_dim: Annotated[int, Range(1, 16384)]
    logit_scale: Annotated[float, Range(-50, 50)]
    text_max_length: Side
    text_pad_id: Annotated[int, Range(0, 2**31 - 1)]


@dataclass(frozen=True)
class Preprocessings:
    """The preprocessing of either decode (they differ in mean, std and how an image is resized)."""

    hf: Preprocessing
    paper: Preprocessing


@dataclass(frozen=True)
class DecodeInfo:
    """`default` is the decode used when none is asked for; `paper` holds that decode's constants.

    `paper` is None where the engine's images are not square: the sliding windows are.
    """

    default: DecodeName
    paper: PaperDecode | None


@dataclass(frozen=True)
class VocabularyInfo:
    """A cached vocabulary inside the bundle: `size` class names under the name `name`."""

    name: Word
    size: Annotated[int, Range(1, 65535)]
    file: FileInfo


@dataclass(frozen=True)
class MeasuredInfo:
    """Which image engine was the fastest where the bundle was exported.

    Attributes:
        instruction_sets: of the processor that it was measured on, as
            `groupvit_runtime.instruction_sets.instruction_sets` gives them.
        fastest_first: precisions of image engines of the bundle.
    """

    instruction_sets: Annotated[tuple[Word, ...], Length(8, 1)]
    fastest_first: Annotated[tuple[Word, ...], Length(8, 1)]


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a runtime needs of a bundle; how it came to be is in `provenance.json`.

    Attributes:
        format: `FORMAT`.
        schema_version: of this file.
        requires: names of what a runtime must know to use the bundle rightly, of `KNOWN_REQUIREMENTS`.
        name: of the bundle, for messages.
        fingerprint: sha256 of the checkpoint's canonical state dict; vocabularies of another are refused.
        verdict: of the comparison with the reference at export; None where none was made. A bundle with FAIL
            was exported with `--allow-failed-parity`.
        model: dimensions.
        engines: one of the role image, one of the role text.
        alternatives: the same image encoder in other precisions, of which a runtime may take one in place of
            that in `engines`, which is then float32. Since 5.3; older runtimes take float32.
        measured: which image engine was the fastest at export; None where that was not measured. Since 5.3.
        tokenizer: its tokenizer.json; None where there is none.
        prompts: the default templates, each with one `{}`.
        preprocessing: of both decodes.
        decode: the default, and the constants of `paper`.
        vocabularies: cached ones.
    """

    format: Literal["groupvit-bundle"] = FORMAT
    schema_version: SchemaVersion = SCHEMA_VERSION
    requires: Annotated[tuple[Word, ...], Length(64)] = ()
    name: Line
    fingerprint: Sha256
    verdict: Verdict | None
    model: ModelInfo
    engines: Annotated[tuple[EngineInfo, ...], Length(8)]
    tokenizer: FileInfo | None
    prompts: Annotated[tuple[Template, ...], Length(1024, 1)]
    preprocessing: Preprocessings
    decode: DecodeInfo
    vocabularies: Annotated[tuple[VocabularyInfo, ...], Length(1024)] = ()
    alternatives: Annotated[tuple[EngineInfo, ...], Length(8)] = field(default=(), metadata=ADDED_LATER)
    measured: MeasuredInfo | None = field(default=None, metadata=ADDED_LATER)

    @property
    def cleans_as_nvlabs(self) -> bool:
        """Whether sentences are cleaned as NVlabs' tokenizer does."""
        return NVLABS_TEXT_CLEANING in self.requires

    @property
    def image_engines(self) -> tuple[EngineInfo, ...]:
        """That in `engines` and the alternatives, each of another precision."""
        return (self.engine("image"), *self.alternatives)

    def with_image_engine(self, engine: EngineInfo) -> Manifest:
        """What the manifest would be of a bundle with this image engine only."""
        return replace(self, engines=(engine, self.engine("text")), alternatives=(), measured=None)

    def engine(self, role: Role) -> EngineInfo:
        """The engine of `role`.

        Raises:
            BundleError: the bundle has none.
        """
        for engine in self.engines:
            if engine.role == role:
                return engine
        raise BundleError(
            f"the bundle has no {role} engine",
            got=[engine.role for engine in self.engines],
            expected=role,
            fix="export the bundle again",
        )

    @property
    def all_files(self) -> tuple[FileInfo, ...]:
        """Everything that the manifest names."""
        return (
            *(file for engine in (*self.engines, *self.alternatives) for file in engine.all_files),
            *(() if self.tokenizer is None else (self.tokenizer,)),
            *(vocabulary.file for vocabulary in self.vocabularies),
        )

    def to_text(self) -> str:
        """The JSON text that `read_manifest` reads."""
        return json.dumps(to_json(self), indent=2, ensure_ascii=False) + "\n"
