"""Names that the repository's writer and the model in the server agree on."""

from __future__ import annotations

from typing import Final

BUNDLE_FOLDER: Final = "bundle"
"""In the folder of a version."""

VOCABULARY_FOLDER: Final = "vocabularies"
"""In the folder of the model, beside its versions: the same vocabularies for all of them."""

VOCABULARY_SUFFIX: Final = ".safetensors"

# Inputs, each with the batch as its first dimension.
IMAGE: Final = "image"
PIXELS: Final = "pixels"
LABELS: Final = "labels"
VOCABULARY: Final = "vocabulary"
NEGATIVES: Final = "negatives"
THRESHOLD: Final = "threshold"
BACKGROUND_THRESHOLD: Final = "background_threshold"
DECODE: Final = "decode"

# Outputs.
LABEL_MAP: Final = "label_map"
NAMES: Final = "names"
SCORES: Final = "scores"

NO_SCORE: Final = -1.0
"""Of names that the image is not scored against: background and unlabeled."""

# Parameters of the model's configuration, all of them strings there.
DIGEST: Final = "digest"
PRECISION: Final = "precision"
THREADS: Final = "threads"
MAX_PIXELS: Final = "max_pixels"
MAX_LABELS: Final = "max_labels"
"""Class names of one image, negatives included."""
