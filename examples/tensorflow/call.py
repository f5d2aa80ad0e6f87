"""Segments an image by TensorFlow's interpreter: model.tflite of a bundle, and nothing of this project.

python call.py BUNDLE image.jpg "sky,water,red car" labels.png

BUNDLE was exported with `--target litert --signatures N`, N at least the number of names. Needs TensorFlow or
ai-edge-litert, whose interpreters are one, and numpy, pillow and tokenizers.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tokenizers import Tokenizer


def interpreter(path: Path) -> Any:
    """TensorFlow's where it is installed, or LiteRT's own."""
    try:
        import tensorflow
    except ImportError:
        from ai_edge_litert.interpreter import Interpreter

        return Interpreter(str(path))
    return tensorflow.lite.Interpreter(str(path))


def token_ids(bundle: Path, sentences: list[str], shape: tuple[int, int], pad: int) -> np.ndarray:
    """A sentence a row; rows without one are filled up, and their results are left out."""
    tokenizer = Tokenizer.from_file(str(bundle / "tokenizer.json"))
    ids = np.full(shape, pad, np.int32)
    for row, sentence in zip(ids, sentences, strict=False):
        found = tokenizer.encode(sentence).ids
        row[: len(found)] = found
    return ids


def main(bundle: Path, image: Path, names: list[str], output: Path) -> None:
    """Write a label map, an index into `names` a pixel, in the size of the engine's images."""
    manifest = json.loads((bundle / "manifest.json").read_text())
    spec = manifest["preprocessing"]["hf"]
    run = interpreter(bundle / "model.tflite").get_signature_runner("serving_default")
    shapes = {name: tuple(found["shape"]) for name, found in run.get_input_details().items()}
    sentences = shapes["input_ids"][0]
    if len(names) > sentences:
        raise SystemExit(f"{len(names)} names were given, and the file takes {sentences} at once")
    height, width = shapes["pixel_values"][2:]
    picture = (
        Image.open(image).convert("RGB").resize((width, height), Image.Resampling[spec["filter"].upper()])
    )
    pixels = np.asarray(picture, np.float32) * spec["rescale"]
    pixels = (pixels - np.float32(spec["mean"])) / np.float32(spec["std"])
    prompts = [manifest["prompts"][0].format(name) for name in names]
    ids = token_ids(bundle, prompts, shapes["input_ids"], manifest["model"]["text_pad_id"])
    found = run(
        input_ids=ids,
        attention_mask=np.ones_like(ids),
        pixel_values=np.repeat(pixels.transpose(2, 0, 1)[None], shapes["pixel_values"][0], axis=0),
    )
    labels = found["segmentation_logits"][0, : len(names)].argmax(axis=0)
    Image.fromarray(labels.astype(np.uint8)).save(output)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3].split(","), Path(sys.argv[4]))
