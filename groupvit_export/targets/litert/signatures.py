"""The whole model in one file, with the entry points of transformers' TFGroupViTModel."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Final

from torch import Tensor, nn

from groupvit_export.graph.encoders import ImageEncoder
from groupvit_export.graph.half_weights import W16
from groupvit_export.model.groupvit import GroupViTModel
from groupvit_export.targets.litert.convert import Signature, convert
from groupvit_export.targets.litert.program import capture
from groupvit_export.targets.litert.quantize import half_weights
from groupvit_runtime.contract import IMAGE_INPUT, TEXT_INPUT
from groupvit_runtime.engines.litert import SIGNATURE
from groupvit_runtime.manifest import TensorInfo

FILE: Final = "model.tflite"

_MASK: Final = "attention_mask"
_CALLED: Final = ("logits_per_image", "logits_per_text", "image_embeds", "text_embeds", "segmentation_logits")
"""What `call` gives with `output_segmentation`, by TFGroupViTModelOutput's names."""


class _Method(nn.Module):
    """A method of a model as a module."""

    def __init__(self, model: nn.Module, method: Callable[..., Tensor | tuple[Tensor, ...]]) -> None:
        super().__init__()
        self.model, self.method = model, method

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        """What the method gives."""
        return self.method(*inputs)


def write_model(
    folder: Path,
    model: GroupViTModel,
    image_size: tuple[int, int],
    precision: str,
    *,
    images: int,
    sentences: int,
) -> None:
    """Write the file; ids are int32, as TensorFlow's are.

    Args:
        folder: of the bundle.
        model: the reference; it is copied, not changed.
        image_size: (height, width) in pixels.
        precision: of the image engine; the file has weights in fp16 where that has, and is float32 else.
        images, sentences: at once, which are fixed in a file.

    Raises:
        ExportError: PyTorch cannot capture the model, or the converter not convert it.
    """
    whole = copy.deepcopy(model).eval()
    # With its positions for this size, and the grouping attention as it is in the engines.
    whole.vision_model = ImageEncoder(model, image_size).vision_model

    def call(input_ids: Tensor, attention_mask: Tensor, pixel_values: Tensor) -> tuple[Tensor, ...]:
        found = whole(input_ids, pixel_values, attention_mask, output_segmentation=True)
        return tuple(getattr(found, name) for name in _CALLED)

    text = model.config.text_config.max_position_embeddings
    ids = TensorInfo(TEXT_INPUT, "int32", (sentences, text))
    mask = TensorInfo(_MASK, "int32", (sentences, text))
    pixels = TensorInfo(
        IMAGE_INPUT, "float32", (images, model.config.vision_config.num_channels, *image_size)
    )
    methods: tuple[
        tuple[str, Callable[..., Tensor | tuple[Tensor, ...]], tuple[TensorInfo, ...], tuple[str, ...]], ...
    ]
    methods = (
        (SIGNATURE, call, (ids, mask, pixels), _CALLED),
        ("get_text_features", whole.get_text_features, (ids, mask), ("text_features",)),
        ("get_image_features", whole.get_image_features, (pixels,), ("image_features",)),
    )
    data = convert(
        [
            Signature(name, capture(_Method(whole, method), inputs, outputs), [info.name for info in inputs])
            for name, method, inputs, outputs in methods
        ],
        keep_64_bits=False,
    )
    (folder / FILE).write_bytes(half_weights(data) if precision == W16 else data)
