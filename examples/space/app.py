"""A Gradio application on the PyTorch-free runtime: an image and words in, their segments out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from groupvit_runtime import Segmenter
from groupvit_runtime.errors import GroupViTError

HERE = Path(__file__).parent
# Spaces may keep the bundle elsewhere, on a persistent disk for instance.
BUNDLE = Path(os.environ.get("GROUPVIT_BUNDLE", HERE / "bundle"))
WORDS = "red car, water, yellow boat, grass, purple house, mountain, sky, blue balloon, tree"


def words_of(text: str) -> list[str]:
    """Names from a line of them, separated by commas."""
    return [word for part in text.split(",") if (word := part.strip())]


def segment(
    segmenter: Segmenter,
    image: NDArray[np.uint8] | None,
    words: str,
    negatives: str,
    threshold: float,
    decode: str,
) -> tuple[gr.AnnotatedImage, dict[str, float]]:
    """What the button does.

    Args:
        segmenter: of the bundle.
        image: uint8 [H, W, 3]; None where none was chosen.
        words: separated by commas.
        negatives: words that compete and are left unlabeled; empty for none.
        threshold: below it a pixel is left unlabeled; 0 for none.
        decode: "hf" or "paper".

    Returns:
        The segments in the runtime's colors, which belong to the names, and the share of every name.

    Raises:
        gr.Error: the runtime's own message, for whoever sees the page.
    """
    if image is None:
        raise gr.Error("Choose an image first.")
    try:
        result = segmenter(
            image,
            words_of(words),
            decode=decode,
            threshold=threshold or None,
            negatives=words_of(negatives) or None,
        )
    except GroupViTError as error:
        raise gr.Error(str(error)) from error
    shares = result.shares()
    unlabeled = None if result.unlabeled is None else result.names[result.unlabeled]
    masks = [(result.mask(name).astype(np.float32), name) for name in shares if name != unlabeled]
    colors = {name: "#{:02x}{:02x}{:02x}".format(*color) for name, color in result.colors().items()}
    return gr.AnnotatedImage((image, masks), color_map=colors), shares


def build(segmenter: Segmenter, examples: Sequence[Path]) -> gr.Blocks:
    """The page."""
    decodes = ["hf", "paper"] if segmenter.manifest.decode.paper is not None else ["hf"]
    with gr.Blocks(title="GroupViT") as page:
        gr.Markdown(
            "# Segment an image into words\n"
            f"GroupViT, exported by groupvit-export, run without PyTorch: {segmenter.engine_description}."
        )
        with gr.Row():
            with gr.Column():
                image = gr.Image(type="numpy", label="Image", image_mode="RGB")
                words = gr.Textbox(WORDS, label="Words", info="separated by commas")
                negatives = gr.Textbox(
                    "", label="Negative words", info="they compete, and are left unlabeled"
                )
                threshold = gr.Slider(
                    0, 1, 0, step=0.01, label="Threshold", info="below it a pixel is left unlabeled"
                )
                decode = gr.Radio(decodes, value=segmenter.manifest.decode.default, label="Decode")
                button = gr.Button("Segment", variant="primary")
            with gr.Column():
                found = gr.AnnotatedImage(label="Segments")
                shares = gr.Label(label="Share of the image")
        inputs = [image, words, negatives, threshold, decode]

        def run(*values: Any) -> tuple[gr.AnnotatedImage, dict[str, float]]:
            return segment(segmenter, *values)

        gr.on(
            [button.click, words.submit, negatives.submit], run, inputs, [found, shares], api_name="segment"
        )
        gr.Examples(
            [[str(path), WORDS, "", 0, decodes[0]] for path in examples], inputs, cache_examples=False
        )
    return page


def main() -> None:
    """Load the bundle and serve the page."""
    examples = sorted((HERE / "images").iterdir())
    build(Segmenter.load(BUNDLE), examples).launch()


if __name__ == "__main__":
    main()
