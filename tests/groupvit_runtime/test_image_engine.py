"""What the image engine is fed, by what its record says that it takes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from groupvit_runtime.contract import (
    CLIP_MEAN,
    CLIP_STD,
    IMAGENET_MEAN,
    IMAGENET_STD,
    Preprocessing,
    SlidingWindow,
)
from groupvit_runtime.errors import BundleError, EngineError, UsageError
from groupvit_runtime.image_engine import ImageEngine
from groupvit_runtime.manifest import EngineInfo, FileInfo, Preprocessings, TensorInfo
from groupvit_runtime.preprocess import cut_windows, prepare_windows, resize_image
from groupvit_runtime.windows import plan_windows

HF = Preprocessing(resize="whole", antialias=True, filter="bicubic", mean=CLIP_MEAN, std=CLIP_STD)
PAPER = Preprocessing(
    resize="short_side", filter="opencv_bilinear", antialias=False, mean=IMAGENET_MEAN, std=IMAGENET_STD
)
CONTRACTS = Preprocessings(hf=HF, paper=PAPER)
FLOATS = TensorInfo("pixel_values", "float32", (-1, 3, 32, 32))
PIXELS = TensorInfo("pixels", "uint8", (-1, 32, 32, 3))
CLASSES = TensorInfo("text_embeds", "float32", (-1, 5))
SIZE = TensorInfo("size", "int64", (2,))
MASKS = TensorInfo("masks", "float32", (-1, 2, 2, 2))
LABELS = TensorInfo("labels", "int32", (-1, -1, -1))


class Recorder:
    """An engine that remembers what it was given."""

    description = "recorder"
    device = "cpu"

    def __init__(self, wrong_size: bool = False) -> None:
        self.given: list[dict[str, np.ndarray]] = []
        self._wrong_size = wrong_size

    def run(self, inputs):
        self.given.append(dict(inputs))
        (image,) = (inputs[name] for name in ("pixels", "pixel_values") if name in inputs)
        outputs = {"masks": np.zeros((len(image), 2, 2, 2), np.float32)}
        if "size" in inputs:
            height, width = inputs["size"].tolist()
            outputs["labels"] = np.full((len(image), height + self._wrong_size, width), 3, np.int32)
        return outputs


def info(*inputs: TensorInfo, outputs: tuple[TensorInfo, ...] = (MASKS,), normalizes=None) -> EngineInfo:
    return EngineInfo(
        role="image",
        target="onnx",
        precision="fp32",
        files=(FileInfo("image.onnx", "0" * 64, 1),),
        inputs=inputs,
        outputs=outputs,
        versions={},
        hardware="any",
        normalizes=normalizes,
    )


PLAIN = info(FLOATS)
UINT8 = info(PIXELS, normalizes="hf")
DECODING = info(PIXELS, CLASSES, SIZE, outputs=(MASKS, LABELS), normalizes="hf")


def rgb(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)


def test_a_plain_engine_is_fed_normalized_images() -> None:
    engine = ImageEngine(PLAIN, recorder := Recorder())
    batch = engine.whole([rgb(40, 50), rgb(32, 32)], (32, 32), HF)
    assert batch.dtype == np.float32 and batch.shape == (2, 3, 32, 32)
    assert list(engine.run(batch)) == ["masks"]
    assert [list(given) for given in recorder.given] == [["pixel_values"]]
    assert not engine.decodes and engine.normalizes is None


def test_an_engine_that_normalizes_is_fed_pixels() -> None:
    engine = ImageEngine(UINT8, recorder := Recorder())
    images = [rgb(40, 50), rgb(32, 32)]
    batch = engine.whole(images, (32, 32), HF)
    engine.run(batch)
    (given,) = recorder.given
    assert list(given) == ["pixels"] and given["pixels"].dtype == np.uint8
    for index, image in enumerate(images):
        np.testing.assert_array_equal(given["pixels"][index], resize_image(image, (32, 32), HF))


@pytest.mark.parametrize("shape", [(50, 70), (32, 32), (20, 200)])
def test_windows_of_pixels_are_those_of_normalized_images(shape: tuple[int, int]) -> None:
    plan = plan_windows(shape, SlidingWindow(size=32, stride=16, long_side_max=160))
    image = rgb(*shape)
    pixels = cut_windows(image, PAPER, plan)
    assert pixels.shape == (len(plan.boxes), 32, 32, 3) and pixels.dtype == np.uint8
    normalized = np.stack(
        [ImageEngine(PLAIN, Recorder()).whole([window], (32, 32), PAPER)[0] for window in pixels]
    )
    np.testing.assert_array_equal(normalized, prepare_windows(image, PAPER, plan))
    np.testing.assert_array_equal(ImageEngine(UINT8, Recorder()).windows(image, PAPER, plan), pixels)


def test_an_engine_that_decodes_gives_label_maps() -> None:
    engine = ImageEngine(DECODING, recorder := Recorder())
    batch = engine.whole([rgb(32, 32)] * 2, (32, 32), HF)
    outputs, labels = engine.label(batch, np.ones((4, 5), np.float32), (7, 9))
    assert list(outputs) == ["masks"]
    assert labels.shape == (2, 7, 9) and labels.dtype == np.uint16 and (labels == 3).all()
    assert recorder.given[0]["size"].tolist() == [7, 9] and recorder.given[0]["size"].dtype == np.int64


def test_without_label_maps_it_decodes_one_pixel_of_one_class() -> None:
    engine = ImageEngine(DECODING, recorder := Recorder())
    assert list(engine.run(engine.whole([rgb(32, 32)], (32, 32), HF))) == ["masks"]
    assert recorder.given[0]["size"].tolist() == [1, 1]
    assert recorder.given[0]["text_embeds"].shape == (1, 5)


def test_label_maps_of_another_size_are_refused() -> None:
    engine = ImageEngine(DECODING, Recorder(wrong_size=True))
    with pytest.raises(EngineError, match="another size"):
        engine.label(engine.whole([rgb(32, 32)], (32, 32), HF), np.ones((4, 5), np.float32), (7, 9))


def test_a_decode_that_normalizes_otherwise_is_refused() -> None:
    engine = ImageEngine(UINT8, Recorder())
    engine.check_serves("hf", CONTRACTS)
    with pytest.raises(UsageError, match=r"not as the paper decode(.|\n)*--input uint8 --decode paper"):
        engine.check_serves("paper", CONTRACTS)
    alike = Preprocessings(hf=HF, paper=replace(PAPER, mean=CLIP_MEAN, std=CLIP_STD))
    engine.check_serves("paper", alike)
    ImageEngine(PLAIN, Recorder()).check_serves("paper", CONTRACTS)


@pytest.mark.parametrize(
    "record",
    [
        info(PIXELS),
        info(FLOATS, normalizes="hf"),
        info(FLOATS, PIXELS, normalizes="hf"),
        info(CLASSES, SIZE, outputs=(MASKS, LABELS)),
        info(FLOATS, SIZE, outputs=(MASKS, LABELS)),
        info(FLOATS, CLASSES, SIZE),
        info(FLOATS, outputs=(MASKS, LABELS)),
        info(FLOATS, TensorInfo("depth", "float32", (-1,))),
    ],
)
def test_a_record_that_contradicts_itself_is_refused(record: EngineInfo) -> None:
    with pytest.raises(BundleError, match="what to feed"):
        ImageEngine(record, Recorder())
