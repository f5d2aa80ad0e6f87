"""A checkpoint as transformers saved it in PyTorch, and in TensorFlow while it had `TFGroupViTModel`.

`tests/data/tf-checkpoint` holds them, of a tiny model with random weights. To write them anew, in an
environment of its own (transformers 5 has no TensorFlow, and TensorFlow is none of ours):

    pip install transformers==4.49.0 tensorflow-cpu==2.18.1 tf-keras==2.18.0 torch safetensors
    python tests/support/tf_checkpoint.py [--published FOLDER]

The folders: `pytorch` is what `GroupViTModel.save_pretrained` writes; `h5`, `h5-shards` and
`safetensors` what `TFGroupViTModel.from_pretrained(..., from_pt=True).save_pretrained` makes of it,
which is how the published TensorFlow files came to be. (The way back, `from_tf=True`, leaves the
statistics of batch normalization out: transformers has no such rule.) `--published` writes `pytorch` and
`h5` of the published dimensions elsewhere.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np

STORED: Final = Path(__file__).resolve().parents[1] / "data" / "tf-checkpoint"

# As many stages as the published model has: the last one has no groups of its own.
TEXT: Final = {
    "vocab_size": 30,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "max_position_embeddings": 8,
    "bos_token_id": 28,
    "eos_token_id": 29,
}
VISION: Final = {
    "hidden_size": 16,
    "intermediate_size": 40,
    "depths": [1, 1, 1],
    "num_hidden_layers": 3,
    "num_group_tokens": [4, 3, 0],
    "num_output_groups": [4, 3, 0],
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 8,
    "assign_mlp_ratio": [0.5, 4],
}
TINY: Final = {
    "text_config": TEXT,
    "vision_config": VISION,
    "projection_dim": 8,
    "projection_intermediate_dim": 12,
}


def randomize(model: Any) -> None:
    """Give every weight of a PyTorch model values of its own, none of which says what its neighbor's does."""
    torch: Any = import_module("torch")
    torch.manual_seed(0)
    for name, value in model.state_dict().items():
        if value.is_floating_point():
            # Small, or attention of the published width saturates; variances are positive.
            value.copy_(
                torch.rand(value.shape) + 0.5 if "running_var" in name else torch.randn(value.shape) / 8
            )


def write(folder: Path, config: dict[str, Any], *, everything: bool) -> None:
    """Write the folders of the module's docstring, with or without shards and TensorFlow's safetensors."""
    transformers: Any = import_module("transformers")
    original = transformers.GroupViTModel(transformers.GroupViTConfig(**config)).eval()
    randomize(original)
    original.save_pretrained(folder / "pytorch")
    model = transformers.TFGroupViTModel.from_pretrained(folder / "pytorch", from_pt=True)
    model.save_pretrained(folder / "h5", safe_serialization=False)
    if everything:
        model.save_pretrained(folder / "h5-shards", safe_serialization=False, max_shard_size="70KB")
        model.save_pretrained(folder / "safetensors", safe_serialization=True)
    for path in folder.glob("*/config.json"):
        # Where it was written is no part of it.
        values = json.loads(path.read_text())
        values.pop("_name_or_path", None)
        path.write_text(json.dumps(values, indent=2) + "\n")
    _assert_same(model, original)


def _assert_same(model: Any, original: Any) -> None:
    tf: Any = import_module("tensorflow")
    torch: Any = import_module("torch")
    ids = np.array([[28, 5, 6, 29], [28, 7, 29, 29]])
    size = original.config.vision_config.image_size
    pixels = np.random.default_rng(1).standard_normal((2, 3, size, size), np.float32)
    theirs = model(tf.constant(ids), tf.constant(pixels), output_segmentation=True)
    with torch.no_grad():
        ours = original(torch.tensor(ids), torch.tensor(pixels), output_segmentation=True)
    for name in ("logits_per_image", "text_embeds", "image_embeds", "segmentation_logits"):
        np.testing.assert_allclose(theirs[name].numpy(), ours[name].numpy(), rtol=1e-3, atol=1e-3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--published", type=Path, help="write a model of the published dimensions here")
    published: Path | None = parser.parse_args().published
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    if published is not None:
        write(published, {}, everything=False)
        return
    shutil.rmtree(STORED, ignore_errors=True)
    write(STORED, TINY, everything=True)


if __name__ == "__main__":
    main()
