"""The model that is exported, and what comes with its weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from tokenizers import Tokenizer

from groupvit_export.build.options import BuildOptions
from groupvit_export.checkpoint.load import Checkpoint, build_model, load_checkpoint
from groupvit_export.checkpoint.preprocessor import paper_constants, read_preprocessing
from groupvit_export.checkpoint.tokenizer import find_tokenizer
from groupvit_export.checkpoint.words import preprocessing_words
from groupvit_export.data.bundled import DEMO_CHECKPOINT, DEMO_SOURCE
from groupvit_export.errors import CheckpointError, UsageError
from groupvit_export.metrics.decoding import Decoding
from groupvit_export.model.groupvit import GroupViTModel
from groupvit_runtime.contract import Preprocessing
from groupvit_runtime.manifest import DecodeInfo, DecodeName, Preprocessings
from groupvit_runtime.prompts import resolve_templates


@dataclass(frozen=True, eq=False)
class Source:
    """A loaded checkpoint, and what the options make of it.

    Attributes:
        checkpoint: what was loaded.
        model: float32, evaluation mode.
        tokenizer: of the text encoder.
        contracts: preprocessing of both decodes.
        image_size: (height, width) of the engine's images.
        decode: the default, and the constants of `paper` where the engine is square.
        templates: prompts, each with one `{}`.
        normalizes: the decode as which the image engine normalizes pixels; None where it does not.
        notes: what was assumed or chosen, in sentences for people.
    """

    checkpoint: Checkpoint
    model: GroupViTModel
    tokenizer: Tokenizer
    contracts: Preprocessings
    image_size: tuple[int, int]
    decode: DecodeInfo
    templates: tuple[str, ...]
    normalizes: DecodeName | None
    notes: tuple[str, ...]

    @property
    def is_demo(self) -> bool:
        """Whether it is the package's own, of whose training images there are more, with masks."""
        return self.checkpoint.source == DEMO_SOURCE

    @property
    def cleans_as_nvlabs(self) -> bool:
        """Whether sentences are read as NVlabs' tokenizer does, not as the tokenizer's file alone says."""
        return self.checkpoint.format == "nvlabs"

    @property
    def graph_normalization(self) -> Preprocessing | None:
        """The normalization that is in the image graph; None where images come normalized."""
        spec: Preprocessing | None = (
            None if self.normalizes is None else getattr(self.contracts, self.normalizes)
        )
        return spec

    @property
    def decoding(self) -> Decoding:
        """The default decode."""
        return Decoding.of(
            self.decode.default,
            self.image_size,
            self.contracts,
            self.decode.paper,
            float(self.model.logit_scale.detach()),
        )


def load_source(options: BuildOptions, checkpoint: Checkpoint | None = None) -> Source:
    """Load what is exported.

    Args:
        options: which, and as what.
        checkpoint: one that is loaded already, instead of `options.checkpoint`.

    Raises:
        CheckpointError: weights, config, preprocessing or tokenizer cannot be used.
        UsageError: the `paper` decode of images that are not square.
    """
    checkpoint = checkpoint or _load(options)
    model = build_model(checkpoint)
    tokenizer = find_tokenizer(options.tokenizer or _tokenizer_source(checkpoint))
    image_size = options.image_size or _own_image_size(model)
    preprocessing = read_preprocessing(checkpoint.folder, image_size)
    decode = _decode(options, checkpoint, image_size)
    return Source(
        checkpoint=checkpoint,
        model=model,
        tokenizer=tokenizer,
        contracts=preprocessing.contracts,
        image_size=image_size,
        decode=decode,
        templates=resolve_templates("simple" if options.templates is None else options.templates),
        normalizes=decode.default if options.input == "uint8" else None,
        notes=(*checkpoint.notes, *map(preprocessing_words, preprocessing.notes)),
    )


def _load(options: BuildOptions) -> Checkpoint:
    if options.checkpoint is not None:
        return load_checkpoint(options.checkpoint, config=options.config)
    demo = load_checkpoint(DEMO_CHECKPOINT, config=options.config)
    return replace(demo, source=DEMO_SOURCE)


def _own_image_size(model: GroupViTModel) -> tuple[int, int]:
    rows, columns = model.config.vision_config.patch_grid
    patch = model.config.vision_config.patch_size
    return rows * patch, columns * patch


def _decode(options: BuildOptions, checkpoint: Checkpoint, image_size: tuple[int, int]) -> DecodeInfo:
    paper = paper_constants(image_size)
    usual: DecodeName = "paper" if checkpoint.format == "nvlabs" and paper else "hf"
    if options.decode == "paper" and paper is None:
        raise UsageError(
            "the paper decode cuts images into square windows, and this engine would not be square",
            got=f"an image size of {image_size[0]}x{image_size[1]}",
            expected="a square one, or the hf decode",
            fix=f"--image-size {min(image_size)}, or --decode hf",
        )
    return DecodeInfo(default=options.decode or usual, paper=paper)


def _tokenizer_source(checkpoint: Checkpoint) -> Path:
    if checkpoint.folder is None:
        raise CheckpointError(
            "this kind of checkpoint comes without a tokenizer",
            got=checkpoint.source,
            expected="the path of one",
            fix="--tokenizer PATH: a tokenizer.json, or CLIP's bpe_simple_vocab_16e6.txt.gz",
        )
    return checkpoint.folder
