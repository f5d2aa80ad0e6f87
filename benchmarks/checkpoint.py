"""A checkpoint of the published size with random weights: for speed and parity, not for meaning."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from groupvit_export.model import GroupViTModel
from groupvit_export.model.config import GroupViTConfig, GroupViTTextConfig, GroupViTVisionConfig

# fmt: off
VOC = [
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "table",
    "dog", "horse", "motorbike", "person", "plant", "sheep", "sofa", "train", "monitor", "background",
]
# fmt: on
"""21 class names, the twenty of PASCAL VOC in one word each and background."""


def shallow(
    num_group_tokens: Sequence[int] = (64, 8, 0), num_output_groups: Sequence[int] = (64, 8, 8)
) -> GroupViTConfig:
    """The published architecture with one layer a stage: widths, heads, patches and words stay as published.

    Args:
        num_group_tokens, num_output_groups: of every stage; as published, if nothing is said.
    """
    depths = (1,) * len(num_group_tokens)
    return GroupViTConfig(
        text_config=GroupViTTextConfig(num_hidden_layers=1),
        vision_config=GroupViTVisionConfig(
            depths=depths,
            num_hidden_layers=len(depths),
            num_group_tokens=tuple(num_group_tokens),
            num_output_groups=tuple(num_output_groups),
        ),
    )


def write_full_size_checkpoint(folder: Path, seed: int = 0, config: GroupViTConfig | None = None) -> Path:
    """Write a Hugging Face folder: weights, config, and a word-level tokenizer with CLIP's special ids.

    Args:
        folder: to write to; it is made.
        seed: of the weights.
        config: None for the published one; see `shallow`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    model = GroupViTModel(config or GroupViTConfig())
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
