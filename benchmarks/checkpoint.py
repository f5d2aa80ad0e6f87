"""A checkpoint of the published size with random weights: for speed and parity, not for meaning."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from groupvit_export.config import GroupViTConfig
from groupvit_export.model import GroupViTModel

# fmt: off
VOC = [
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "table",
    "dog", "horse", "motorbike", "person", "plant", "sheep", "sofa", "train", "monitor", "background",
]
# fmt: on
"""21 class names, the twenty of PASCAL VOC in one word each and background."""


def write_full_size_checkpoint(folder: Path, seed: int = 0) -> Path:
    """Write a Hugging Face folder: weights, config, and a word-level tokenizer with CLIP's special ids."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    model = GroupViTModel(GroupViTConfig())
    # They start at zero, and zeros would leave the interpolation nothing to do.
    torch.nn.init.normal_(model.vision_model.embeddings.position_embeddings, std=0.02)
    weights = {name: value.contiguous() for name, value in model.state_dict().items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    model.config.to_json_file(folder / "config.json")
    _tokenizer().save(str(folder / "tokenizer.json"))
    # The values of the published checkpoints.
    (folder / "preprocessor_config.json").write_text(
        json.dumps(
            {
                "resample": 3,
                "image_mean": [0.48145466, 0.4578275, 0.40821073],
                "image_std": [0.26862954, 0.26130258, 0.27577711],
            }
        )
    )
    return folder


def _tokenizer() -> Tokenizer:
    start, end = ("<|startoftext|>", 49406), ("<|endoftext|>", 49407)
    words = ["a", "photo", "of", ".", *VOC]
    vocabulary = {word: 320 + index for index, word in enumerate(words)} | dict([start, end])
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=end[0]))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start[0]} $A {end[0]}", special_tokens=[start, end]
    )
    return tokenizer
