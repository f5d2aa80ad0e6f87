"""What the demo checkpoint is made of, and how it is written."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors.torch import save_file
from tokenizers import Tokenizer

from examples.shapes.canvas import SIZE
from examples.shapes.data import PATCH
from examples.shapes.words import BOS, EOS, MAX_TOKENS, PAD, VOCABULARY_SIZE, make_tokenizer
from groupvit_export.model.config import GroupViTConfig, GroupViTTextConfig, GroupViTVisionConfig
from groupvit_export.model.groupvit import GroupViTModel

CONFIG = GroupViTConfig(
    text_config=GroupViTTextConfig(
        vocab_size=VOCABULARY_SIZE,
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=MAX_TOKENS,
        pad_token_id=PAD,
        bos_token_id=BOS,
        eos_token_id=EOS,
    ),
    vision_config=GroupViTVisionConfig(
        hidden_size=128,
        intermediate_size=512,
        depths=(3, 2, 1),
        num_hidden_layers=6,
        num_group_tokens=(24, 12, 0),
        num_output_groups=(24, 12, 12),
        num_attention_heads=4,
        image_size=SIZE,
        patch_size=PATCH,
    ),
    projection_dim=64,
    projection_intermediate_dim=256,
)

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def save_checkpoint(model: GroupViTModel, folder: Path) -> None:
    """Write a checkpoint in Hugging Face's format, weights in fp16."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {
        name: (tensor.half() if tensor.is_floating_point() else tensor).contiguous().cpu()
        for name, tensor in model.state_dict().items()
    }
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    # The library makes private files; a checkpoint is there to be handed on.
    (folder / "model.safetensors").chmod(0o644)
    CONFIG.to_json_file(folder / "config.json")
    tokenizer: Tokenizer = make_tokenizer()
    tokenizer.save(str(folder / "tokenizer.json"))
    preprocessor = {
        "image_processor_type": "CLIPImageProcessor",
        "do_resize": True,
        "size": {"height": SIZE, "width": SIZE},
        "do_center_crop": False,
        "do_rescale": True,
        "do_normalize": True,
        "image_mean": MEAN,
        "image_std": STD,
        "resample": 2,
    }
    (folder / "preprocessor_config.json").write_text(
        json.dumps(preprocessor, indent=1) + "\n", encoding="utf-8"
    )
