"""Decoding the whole of an image or none of it, whatever `PIL.ImageFile.LOAD_TRUNCATED_IMAGES` says."""

from __future__ import annotations

from functools import cache
from typing import IO, Any, Final

from PIL import Image
from PIL.ImageFile import ImageFile, _Tile
from PIL.JpegImagePlugin import JpegImageFile

from groupvit_runtime.libtiff_messages import gathered
from groupvit_runtime.whole_zlib import WholeZlibDecoder

_DECODER: Final = "groupvit_whole"
_TRUNCATED: Final = "the file ends before the image does"
_WIDTH, _HEIGHT = 256, 257
# Functions of libtiff.
_OF_TAGS: Final = ("TIFF", "_TIFF")


def load_whole(image: Image.Image) -> None:
    """As ``image.load()``, and a truncated or damaged file is always an error.

    Pillow's flag belongs to the whole process, so it is neither read nor set: the decoders themselves are
    asked whether they came to the end.

    Raises:
        OSError: the file is truncated or damaged.
    """
    if isinstance(image, ImageFile) and image.tile and image.tile[0][0] == "libtiff":
        # It has a loader of its own, which does not ask the flag.
        _load_by_libtiff(image)
        return
    if isinstance(image, ImageFile) and image.tile:
        name = _registered()
        image.tile = [
            _Tile(name, extents, offset, (decoder, args)) for decoder, extents, offset, args in image.tile
        ]
        if isinstance(image, JpegImageFile):
            # Its reader puts an end where the file has none and the flag says that none is needed.
            image.fp = _UntilItsEnd(image.fp)  # type: ignore[assignment,arg-type]
    image.load()


def _load_by_libtiff(image: ImageFile) -> None:
    with gathered() as said:
        try:
            image.load()
        except OSError as error:
            if not said:
                raise
            raise OSError(f"{error}; libtiff: {'; '.join(said)}") from error
    # Damaged codes of a fax, say, which it steps over; not tags: those that matter are checked.
    damage = [line for line in said if not line.startswith(_OF_TAGS)]
    if damage:
        raise OSError(f"libtiff: {'; '.join(damage)}")


def reserve_tiff(image: ImageFile) -> None:
    """Make room for a TIFF's pixels beforehand: Pillow's loader would warn of a large one on the terminal."""
    tags = image.tag_v2  # type: ignore[attr-defined]
    image.im = Image.new(image.mode, (tags[_WIDTH], tags[_HEIGHT])).im


@cache
def _registered() -> str:
    Image.register_decoder(_DECODER, _WholeImageDecoder)  # type: ignore[arg-type]
    return _DECODER


class _WholeImageDecoder:
    """One of Pillow's decoders, which must come to its end without an error."""

    def __init__(self, mode: str, name: str, args: Any, *extra: Any) -> None:
        self._decoder = Image._getdecoder(mode, name, args, extra)
        self.pulls_fd = self._decoder.pulls_fd
        # What is asked to decode.
        self._reads = WholeZlibDecoder(self._decoder) if name == "zip" else self._decoder
        self._begun = self._ended = False

    def setimage(self, im: Any, extents: Any = None) -> None:
        self._decoder.setimage(im, extents)

    def setfd(self, file: Any) -> None:
        self._decoder.setfd(file)

    def decode(self, data: bytes) -> tuple[int, int]:
        self._begun = True
        try:
            consumed, status = self._reads.decode(data)
        except OSError:
            self._ended = True
            raise
        self._ended = consumed < 0 or bool(self.pulls_fd)
        if self._ended and status < 0:
            raise OSError(f"the decoder found damaged data (status {status})")
        return consumed, status

    def cleanup(self) -> None:
        self._decoder.cleanup()
        if self._begun and not self._ended:
            raise OSError(_TRUNCATED)


class _UntilItsEnd:
    """A file whose end is an error to read: the decoder asks for more only where it needs more."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        if not data and size != 0:
            raise OSError(_TRUNCATED)
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)
