"""transformers' GroupViT: as users call it, with cached text, in bf16, compiled."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from transformers import CLIPImageProcessorPil, GroupViTModel, PreTrainedTokenizerFast

from benchmarks.peers.sides import ENGINE_OUTPUTS, LabelMap, Outputs, Side

PREPROCESSING = (
    "transformers' CLIPImageProcessorPil, the class that transformers lists for groupvit without "
    "torchvision; whole image to 224x224, no center crop, as the bundles do it"
)


class ImagePath(torch.nn.Module):
    """Pixel values to what a bundle's image engine hands over, in transformers' own modules."""

    def __init__(self, model: GroupViTModel) -> None:
        super().__init__()
        self.vision_model = model.vision_model
        self.visual_projection = model.visual_projection

    def forward(self, pixel_values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """float [B, 3, 224, 224] to embeddings [B, P] and [B, G, P], and soft maps [B, G, 14, 14]."""
        vision = self.vision_model(pixel_values=pixel_values, output_attentions=True, return_dict=True)
        groups = vision.last_hidden_state
        image_embeds = self.visual_projection(vision.pooler_output)
        group_embeds = self.visual_projection(groups.reshape(-1, groups.shape[-1]))
        group_embeds = group_embeds.reshape(groups.shape[0], groups.shape[1], -1)
        first, second = vision.attentions
        masks = (second @ first).reshape(groups.shape[0], groups.shape[1], 14, 14)
        return (
            image_embeds / image_embeds.norm(dim=-1, keepdim=True),
            group_embeds / group_embeds.norm(dim=-1, keepdim=True),
            masks,
        )


class Reader:
    """Image files to pixel values, by transformers' processor."""

    def __init__(self) -> None:
        self._processor = CLIPImageProcessorPil(size={"height": 224, "width": 224}, do_center_crop=False)

    def __call__(self, path: Path) -> tuple[torch.Tensor, tuple[int, int]]:
        """Pixel values float32 [1, 3, 224, 224] of the file, and the image's (height, width)."""
        image = Image.open(path).convert("RGB")
        pixels: torch.Tensor = self._processor(images=image, return_tensors="pt")["pixel_values"]
        return pixels, (image.height, image.width)


class HuggingFace:
    """One model, its processor and its tokenizer.

    Args:
        folder: of the checkpoint.
        image: a JPEG file, for the clock.
        labels: class names, put into "a photo of a {}.".
        dtype: of weights and activations.
    """

    def __init__(
        self, folder: Path, image: Path, labels: list[str], dtype: torch.dtype = torch.float32
    ) -> None:
        start = time.perf_counter()
        self.model = GroupViTModel.from_pretrained(folder, dtype=dtype).eval()
        self.path = ImagePath(self.model).eval()
        self._dtype = dtype
        self._image = image
        self._prompts = [f"a photo of a {label}." for label in labels]
        self._tokenizer = PreTrainedTokenizerFast(
            tokenizer_file=str(folder / "tokenizer.json"), pad_token="<|endoftext|>"
        )
        self._reader = Reader()
        self._loaded_s = time.perf_counter() - start

    def read(self, path: Path) -> tuple[torch.Tensor, tuple[int, int]]:
        """Pixel values [1, 3, 224, 224] of the file, and the image's (height, width)."""
        pixels, size = self._reader(path)
        return pixels.to(self._dtype), size

    @torch.inference_mode()
    def text_embeds(self) -> torch.Tensor:
        """float [K, P], normalized."""
        text = self._tokenizer(self._prompts, padding=True, return_tensors="pt")
        pooled = self.model.text_model(
            input_ids=text["input_ids"], attention_mask=text["attention_mask"]
        ).pooler_output
        embeds = self.model.text_projection(pooled)
        return embeds / embeds.norm(dim=-1, keepdim=True)

    @property
    def scale(self) -> torch.Tensor:
        """exp of the checkpoint's logit_scale."""
        return self.model.logit_scale.detach().exp()

    @torch.inference_mode()
    def label(self, path: Path) -> LabelMap:
        """Everything in one call, the text each time."""
        pixels, size = self.read(path)
        text = self._tokenizer(self._prompts, padding=True, return_tensors="pt")
        output = self.model(
            input_ids=text["input_ids"],
            attention_mask=text["attention_mask"],
            pixel_values=pixels,
            output_segmentation=True,
        )
        return _largest(output.segmentation_logits.float(), size)

    def as_users_call_it(self) -> Side:
        """The text is encoded in every call."""
        return Side(
            {"image": lambda: self.label(self._image)},
            self.label,
            runs=self._described("eager"),
            setup_s=self._loaded_s,
        )

    def cached(self, path: Callable[..., Any], setup_s: float = 0.0, what: str = "eager") -> Side:
        """With the text encoded beforehand; `path` is the image path, or what a compiler made of it."""
        texts, scale = self.text_embeds(), self.scale
        pixels, _ = self.read(self._image)

        @torch.inference_mode()
        def label(file: Path) -> LabelMap:
            fresh, size = self.read(file)
            _, groups, masks = path(fresh)
            return label_map(masks, groups, texts, scale, size)

        @torch.inference_mode()
        def engine() -> Any:
            return path(pixels)

        def outputs() -> Outputs:
            return {name: value.float().numpy() for name, value in zip(ENGINE_OUTPUTS, engine(), strict=True)}

        calls = {"image": lambda: label(self._image), "engine": engine}
        return Side(calls, label, outputs, self._described(what), self._loaded_s + setup_s)

    def compiled(self, freezing: bool = False) -> Side:
        """With torch.compile; the first call compiles.

        Args:
            freezing: whether inductor takes weights as constants, which packs them beforehand.
        """
        # Imported where it is wanted, for it would be part of transformers' cold start.
        from torch._inductor import config as inductor

        # inductor reads it when it compiles; the process has no other side.
        inductor.freezing = freezing
        start = time.perf_counter()
        path = torch.compile(self.path)
        with torch.inference_mode():
            path(self.read(self._image)[0])
        taken = time.perf_counter() - start
        return self.cached(path, taken, "torch.compile" + (" with freezing" if freezing else ""))

    def _described(self, what: str) -> str:
        kind = str(self._dtype).removeprefix("torch.")
        return f"transformers {version('transformers')}, torch {torch.__version__}, {what}, {kind}"


def label_map(
    masks: torch.Tensor,
    group_embeds: torch.Tensor,
    text_embeds: torch.Tensor,
    scale: torch.Tensor,
    size: tuple[int, int],
) -> LabelMap:
    """What transformers' forward does behind the image path, and the resize to the image.

    Args:
        masks: float [1, G, 14, 14].
        group_embeds, text_embeds: float [1, G, P] and [K, P], normalized.
        scale: exp of the checkpoint's logit_scale.
        size: (height, width) of the image.
    """
    grouping = torch.nn.functional.interpolate(masks, size=(224, 224), mode="bilinear")
    logits = (group_embeds @ text_embeds.t() * scale).transpose(1, 2)
    flat = logits @ grouping.flatten(2) * scale
    return _largest(flat.unflatten(2, (224, 224)).float(), size)


def _largest(logits: torch.Tensor, size: tuple[int, int]) -> NDArray[np.int64]:
    resized = torch.nn.functional.interpolate(logits, size=size, mode="bilinear", align_corners=False)
    return resized.argmax(dim=1)[0].numpy()
