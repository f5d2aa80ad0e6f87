"""Make what the sides are given: images, a checkpoint, the bundles exported from it, the plain exports.

Usage: python -m benchmarks.peers.prepare FOLDER NAME...
NAME is of the sides, or "paper". What is there already stays; nothing here is timed.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.checkpoint import VOC
from benchmarks.peers.material import INPUT, PAPER, SIZE, WINDOWS_SIDE, WINDOWS_SIZE, Material
from benchmarks.peers.sides import BUNDLES, BundleInfo
from benchmarks.peers.synthetic_checkpoint import write_telling_checkpoint
from groupvit_export.checkpoint.preprocessor import preprocessings
from groupvit_export.data.bundled import DEMO_CHECKPOINT, DEMO_SAMPLE
from groupvit_export.errors import GroupViTError
from groupvit_export.metrics.budget import LabelBudget
from groupvit_export.pipeline.api import ExportOptions, export_bundle
from groupvit_export.quantization.options import QuantizationOptions
from groupvit_export.verification.synthetic_images import synthetic_images
from groupvit_runtime import Segmenter
from groupvit_runtime.preprocess import prepare_whole

JUDGED: Final = 7
"""Images beside the one that is timed whose label maps are compared."""

Say = Callable[[str], None]


def prepare(material: Material, names: Sequence[str], say: Say) -> None:
    """Make what is missing; bundles are verified on the way.

    Args:
        material: where.
        names: of `SIDES`, or `PAPER`. A bundle below fp32 that cannot be exported here is left out, and the
            reason written instead.
        say: told what is made.

    Raises:
        GroupViTError: an engine in fp32 is not the model.
    """
    if not material.checkpoint.is_dir():
        say("checkpoint")
        write_inputs(material)
    for name in names:
        info = BundleInfo("openvino", None) if name == PAPER else BUNDLES.get(name)
        if info is not None and not material.bundle(name).exists() and not material.refusal(name).exists():
            say(name)
            _export(material, name, info)
    if any(name.startswith("plain-") for name in names):
        _plain(material, names, say)


def write_inputs(material: Material) -> None:
    """Images, then the checkpoint, whose statistics are theirs."""
    material.root.mkdir(parents=True, exist_ok=True)
    write_image(material.image, SIZE)
    write_image(material.windows_image, WINDOWS_SIZE)
    for index, rgb in enumerate(synthetic_images(JUDGED, 7, SIZE)):
        Image.fromarray(rgb).save(material.root / f"judged-{index}.png")
    made = material.checkpoint.with_suffix(".partial")
    write_telling_checkpoint(made, images_for_statistics(material.image)).rename(material.checkpoint)


def _export(material: Material, name: str, info: BundleInfo) -> None:
    options = {} if info.precision is None else {"precision": info.precision}
    paper = {"image_size": (WINDOWS_SIDE, WINDOWS_SIDE), "decode": "paper"} if name == PAPER else {}
    asked = ExportOptions(
        info.target,
        checkpoint=str(material.checkpoint),
        output=material.bundle(name),
        # Random weights amplify rounding: label maps say nothing here, and all layers are to be timed.
        quantization=QuantizationOptions(budget=LabelBudget(max_miou_drop=100.0, min_agreement=0.0)),
        **options,  # type: ignore[arg-type]
        **paper,  # type: ignore[arg-type]
    )
    material.bundle(name).parent.mkdir(exist_ok=True)
    try:
        bundle = export_bundle(asked).path
    except GroupViTError as error:
        if info.precision in (None, "fp32"):
            raise
        material.refusal(name).parent.mkdir(exist_ok=True)
        reason = error.what if error.got is None else f"{error.what}: {error.got}"
        material.refusal(name).write_text(reason, encoding="utf-8")
        return
    material.vocabulary(name).parent.mkdir(exist_ok=True)
    Segmenter.load(bundle).vocabulary(VOC).save(material.vocabulary(name))


def _plain(material: Material, names: Sequence[str], say: Say) -> None:
    from benchmarks.peers.hugging_face import HuggingFace
    from benchmarks.peers.plain import export_plain, quantize_by_nncf, quantize_by_onnxruntime

    hugging_face = HuggingFace(material.checkpoint, material.image, VOC)
    np.savez(material.texts, embeds=hugging_face.text_embeds().numpy(), scale=hugging_face.scale.numpy())
    static, dynamic = material.plain("plain.onnx"), material.plain("plain-dynamic.onnx")

    def calibration() -> list[NDArray[np.float32]]:
        return [hugging_face.read(path)[0].numpy() for path in material.judged]

    make: dict[Path, Callable[[Path], None]] = {
        static: lambda to: export_plain(hugging_face, material.image, to, dynamic=False),
        dynamic: lambda to: export_plain(hugging_face, material.image, to, dynamic=True),
    }
    if "plain-onnxruntime-int8" in names:
        make[material.plain("plain-int8.onnx")] = lambda to: quantize_by_onnxruntime(static, to)
    if "plain-openvino-int8" in names:
        make[material.plain("plain-int8.xml")] = lambda to: quantize_by_nncf(static, calibration(), to)
    if "plain-openvino-int8-dynamic" in names:
        make[material.plain("plain-int8-dynamic.xml")] = lambda to: quantize_by_nncf(
            dynamic, calibration(), to
        )
    for path, write in make.items():
        if not path.is_file():
            say(path.name)
            write(path)


def write_image(path: Path, size: tuple[int, int]) -> Path:
    """A JPEG of (height, width): a drawn landscape and no noise, for a label map of noise has no areas."""
    sample = Image.open(DEMO_SAMPLE).convert("RGB")
    sample.resize(size[::-1], Image.Resampling.BICUBIC).save(path, quality=92)
    return path


def images_for_statistics(image: Path) -> NDArray[np.float32]:
    """What random weights are given statistics with: float32 [8, 3, 224, 224], the image among them."""
    spec = preprocessings(DEMO_CHECKPOINT).hf
    images = [np.asarray(Image.open(image)), *synthetic_images(JUDGED, 7, SIZE)]
    return np.stack([prepare_whole(rgb, (INPUT, INPUT), spec) for rgb in images])


def main() -> None:
    os.environ["HF_HUB_OFFLINE"] = "1"

    def say(what: str) -> None:
        print(f"{time.strftime('%H:%M:%S')} prepare {what}", file=sys.stderr, flush=True)

    prepare(Material(Path(sys.argv[1])), sys.argv[2:], say)


if __name__ == "__main__":
    main()
