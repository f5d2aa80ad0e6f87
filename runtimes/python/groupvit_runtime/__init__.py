"""Run a GroupViT bundle: images and words in, label maps out. No PyTorch.

from groupvit_runtime import Segmenter

segmenter = Segmenter.load("demo-openvino")
result = segmenter("image.png", ["a red shape", "a blue shape", "background"])
result.labels, result.names, result.scores
result.overlay().save("overlay.png")
"""

from groupvit_runtime.errors import (
    BundleError,
    EngineError,
    GroupViTError,
    ImageError,
    LabelError,
    MissingDependencyError,
    UsageError,
)
from groupvit_runtime.objects import SegmentedObject
from groupvit_runtime.result import Segmentation
from groupvit_runtime.segmenter import Segmenter
from groupvit_runtime.stream import Done, segment_stream
from groupvit_runtime.vocabulary import Vocabulary

__all__ = [
    "BundleError",
    "Done",
    "EngineError",
    "GroupViTError",
    "ImageError",
    "LabelError",
    "MissingDependencyError",
    "Segmentation",
    "SegmentedObject",
    "Segmenter",
    "UsageError",
    "Vocabulary",
    "segment_stream",
]
