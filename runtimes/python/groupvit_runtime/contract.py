"""What a bundle promises about images and decoding, in the shape the manifest stores it.

Both runtimes (Python and C++) read these records from ``manifest.json``; whatever they say is refused
here when it is impossible, so the code that follows them never has to ask again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal, get_args

from groupvit_runtime.errors import BundleError

ColorOrder = Literal["RGB", "BGR"]
ResizeMode = Literal["whole", "short_side"]
ResizeFilter = Literal["nearest", "bilinear", "bicubic", "lanczos", "box", "hamming", "opencv_bilinear"]
Rounding = Literal["uint8"]

# Names of the engines' tensors; the image engine has further outputs, one pair a grouping block.
IMAGE_INPUT: Final = "pixel_values"
# Instead of it, uint8 [B, H, W, 3] in RGB, where the engine normalizes by itself.
PIXELS_INPUT: Final = "pixels"
# Where the engine decodes by itself, the `hf` way: class embeddings [K, P] and the label maps' (height,
# width), int64 [2], in; int32 [B, height, width] out.
CLASSES_INPUT: Final = "text_embeds"
SIZE_INPUT: Final = "size"
LABELS_OUTPUT: Final = "labels"
IMAGE_OUTPUTS: Final = ("image_embeds", "group_embeds", "masks")
TEXT_INPUT: Final = "input_ids"
TEXT_OUTPUT: Final = "text_embeds"

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """How an image becomes the engine's input.

    Attributes:
        resize: ``whole`` squashes the image to the engine's size; ``short_side`` keeps its proportions
            and cuts it into sliding windows.
        filter: the interpolation, by Pillow's names; or ``opencv_bilinear``, OpenCV's own bytes.
        antialias: whether the filter widens with the scale when it shrinks. ``True`` is Pillow's own
            resize; ``False`` samples the two nearest pixels of each axis, as OpenCV and PyTorch do, and
            exists for ``bilinear``, ``nearest`` and ``opencv_bilinear`` only, the latter two without it.
        mean: one value a channel, of pixels that were multiplied by ``rescale``, in ``color_order``.
        std: one value a channel, likewise.
        color_order: the order of the channels in the tensor.
        rounding: what the resized image is rounded to before it is normalized.
        rescale: what a pixel 0-255 is multiplied by before the mean is taken off.

    Raises:
        BundleError: a value that is none of the above, or a combination that does not exist.
    """

    resize: ResizeMode
    antialias: bool
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    filter: ResizeFilter = "bilinear"
    color_order: ColorOrder = "RGB"
    rounding: Rounding = "uint8"
    rescale: float = 1 / 255

    def __post_init__(self) -> None:
        _one_of("preprocessing.color_order", self.color_order, get_args(ColorOrder))
        _one_of("preprocessing.resize", self.resize, get_args(ResizeMode))
        _one_of("preprocessing.filter", self.filter, get_args(ResizeFilter))
        _one_of("preprocessing.rounding", self.rounding, get_args(Rounding))
        _one_of("preprocessing.antialias", self.antialias, (True, False))
        _number("preprocessing.rescale", self.rescale, positive=True)
        for name, values in (("mean", self.mean), ("std", self.std)):
            if not isinstance(values, tuple) or len(values) != 3:
                raise _refused(f"preprocessing.{name}", values, "three numbers, one a channel")
            for value in values:
                _number(f"preprocessing.{name}", value, positive=name == "std")
        if self.filter in ("nearest", "opencv_bilinear") and self.antialias:
            raise _refused(
                "preprocessing.antialias", True, f"false: the {self.filter} filter has no antialiasing"
            )
        if self.filter not in ("nearest", "bilinear", "opencv_bilinear") and not self.antialias:
            raise _refused(
                "preprocessing.antialias", False, f"true: the {self.filter} filter exists antialiased only"
            )

    def normalizes_like(self, other: Preprocessing) -> bool:
        """Whether pixels become the same values; how an image is resized does not matter."""
        return (self.rescale, self.mean, self.std, self.color_order) == (
            other.rescale,
            other.mean,
            other.std,
            other.color_order,
        )


@dataclass(frozen=True, kw_only=True)
class SlidingWindow:
    """The square windows that an image is cut into, in pixels of the resized image.

    Attributes:
        size: side of a window, which is the side of the engine's input.
        stride: distance from one window to the next, 1 to ``size``.
        long_side_max: the resized image's long side is at most this.

    Raises:
        BundleError: a side that is not a positive integer, a stride that would leave gaps, or a limit
            smaller than one window.
    """

    size: int
    stride: int
    long_side_max: int

    def __post_init__(self) -> None:
        for name in ("size", "stride", "long_side_max"):
            _positive_int(f"window.{name}", getattr(self, name))
        if self.stride > self.size:
            raise _refused("window.stride", self.stride, f"at most the window's size, {self.size}")
        if self.long_side_max < self.size:
            raise _refused("window.long_side_max", self.long_side_max, f"at least the window, {self.size}")


@dataclass(frozen=True, kw_only=True)
class PaperDecode:
    """The constants of the ``paper`` decode.

    Attributes:
        window: the sliding windows.
        background_threshold: pixels whose best class scores below it are background; ``None`` for a
            vocabulary without a background class.
        top_classes: how many classes, the image's best by its own embedding, may appear in a window.
        max_logit_scale: upper limit of ``exp(logit_scale)``.

    Raises:
        BundleError: a value out of range.
    """

    window: SlidingWindow
    background_threshold: float | None
    top_classes: int = 5
    max_logit_scale: float = 100.0

    def __post_init__(self) -> None:
        if not isinstance(self.window, SlidingWindow):
            raise _refused("decode.window", self.window, "size, stride and long_side_max")
        if self.background_threshold is not None:
            _number("decode.background_threshold", self.background_threshold)
            if not 0 <= self.background_threshold <= 1:
                raise _refused("decode.background_threshold", self.background_threshold, "0 to 1, or null")
        _positive_int("decode.top_classes", self.top_classes)
        _number("decode.max_logit_scale", self.max_logit_scale, positive=True)


def _refused(field: str, got: object, expected: object) -> BundleError:
    return BundleError(
        f"{field} cannot be followed",
        got=repr(got),
        expected=expected,
        fix="correct the field in the manifest, or export the bundle again",
    )


def _one_of(field: str, value: object, allowed: tuple[object, ...]) -> None:
    if type(value) is not type(allowed[0]) or value not in allowed:
        raise _refused(field, value, "one of " + ", ".join(map(repr, allowed)))


def _number(field: str, value: object, *, positive: bool = False) -> None:
    # bool is an int to Python, and `true` in a manifest is a mistake, not a one.
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _refused(field, value, "a finite number")
    if positive and value <= 0:
        raise _refused(field, value, "a number above 0")


def _positive_int(field: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise _refused(field, value, "an integer of at least 1")
