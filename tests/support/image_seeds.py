"""Sound images as many encoders write them, by name. The suffix of a name is that of the format."""

from __future__ import annotations

import io
import itertools
import struct
from collections.abc import Iterator
from functools import cache
from typing import Any

import cv2
import imageio.v3 as imageio
import numpy as np
import tifffile
from image_files import GRAY, GRAY_ALPHA, RGB, RGBA, png
from PIL import Image

HEIGHT, WIDTH = 45, 61


def scene(height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """uint8 [H, W, 3]: smooth and noisy parts."""
    y, x = np.mgrid[:height, :width]
    pixels = np.stack([x * 255 // width, y * 255 // height, (x + y) % 256], axis=2)
    pixels[: height // 2, : width // 2] = np.random.default_rng(7).integers(
        0, 256, (height // 2, width // 2, 3)
    )
    return pixels.astype(np.uint8)


@cache
def sound_images() -> dict[str, bytes]:
    """Every one of them can be read."""
    found: dict[str, bytes] = {}
    for name, data in itertools.chain(
        _png(), _jpeg(), _mpo(), _tiff(), _webp(), _gif(), _others(), _by_other_libraries(), _by_hand()
    ):
        assert name not in found, name
        found[name] = data
    return found


def written(mode: str, kind: str, **options: Any) -> bytes:
    """A file's bytes by Pillow."""
    file = io.BytesIO()
    Image.fromarray(scene()).convert(mode).save(file, kind, **options)
    return file.getvalue()


def _png() -> Iterator[tuple[str, bytes]]:
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        yield f"{mode.replace(';', '')}.png", written(mode, "PNG")
    for level in (0, 1, 9):
        yield f"level{level}.png", written("RGB", "PNG", compress_level=level)
    yield "optimized.png", written("P", "PNG", optimize=True, transparency=0)
    frames = [Image.fromarray(np.roll(scene(), step, axis=1)) for step in (5, 9)]
    yield "animated.png", written("RGB", "PNG", save_all=True, append_images=frames)
    yield "trailing.png", written("RGB", "PNG") + b"what others put behind the end"
    exif = Image.Exif()
    exif[0x0112] = 6
    yield "turned.png", written("RGB", "PNG", exif=exif)
    rng = np.random.default_rng(3)
    for (kind, channels), depth, interlaced in itertools.product(
        ((GRAY, 1), (RGB, 3), (GRAY_ALPHA, 2), (RGBA, 4)), (8, 16), (False, True)
    ):
        values = rng.integers(0, 1 << depth, (21, 37, channels), dtype=np.uint16)
        yield f"kind{kind}-{depth}-{interlaced:d}.png", png(values, depth, kind, interlaced=interlaced)
    bits = rng.integers(0, 4, (21, 37, 1), dtype=np.uint16)
    yield "two-bits.png", png(bits, 2, GRAY, transparent=[1])


def _jpeg() -> Iterator[tuple[str, bytes]]:
    for quality, progressive, subsampling in itertools.product((5, 75, 100), (False, True), (0, 1, 2)):
        name = f"{quality}-{progressive:d}-{subsampling}.jpg"
        options: dict[str, Any] = {"progressive": progressive, "subsampling": subsampling}
        yield name, written("RGB", "JPEG", quality=quality, **options)
    for mode in ("L", "CMYK"):
        for progressive in (False, True):
            yield f"{mode}-{progressive:d}.jpg", written(mode, "JPEG", progressive=progressive, quality=90)
    plain = written("RGB", "JPEG", quality=80)
    yield "optimized.jpg", written("RGB", "JPEG", optimize=True)
    yield "rgb.jpg", written("RGB", "JPEG", keep_rgb=True)
    yield "restarts.jpg", written("RGB", "JPEG", restart_marker_blocks=3)
    yield "restart-rows.jpg", written("RGB", "JPEG", restart_marker_rows=1, progressive=True)
    yield "trailing.jpg", plain + b"\0" * 100 + b"what cameras put behind the end"
    yield "trailing-marker.jpg", plain + b"\xff\xd8\xff\xd9"
    yield "fill-bytes.jpg", plain[:-2] + b"\xff" * 7 + plain[-2:]
    yield "zeros-before-the-end.jpg", plain[:-2] + b"\0" * 64 + plain[-2:]
    yield (
        "comment.jpg",
        written("RGB", "JPEG", comment=b"\xff\xd9 \xff\xda", icc_profile=bytes(70000)),
    )
    exif = Image.Exif()
    exif[0x0112] = 8
    # A thumbnail, as cameras have it: an image inside the metadata.
    yield "thumbnail.jpg", written("RGB", "JPEG", exif=exif.tobytes() + plain)
    yield "version.jpg", plain.replace(b"JFIF\0\x01", b"JFIF\0\x09", 1)


def _mpo() -> Iterator[tuple[str, bytes]]:
    others = [Image.fromarray(np.roll(scene(), step, axis=1)) for step in (5, 9)]
    yield "three.mpo", written("RGB", "MPO", save_all=True, append_images=others)
    yield "one.mpo", written("RGB", "MPO")


def _tiff() -> Iterator[tuple[str, bytes]]:
    compressions = (
        "raw",
        "tiff_lzw",
        "tiff_adobe_deflate",
        "packbits",
        "jpeg",
        "zstd",
        "lzma",
        "tiff_deflate",
    )
    for compression, mode in itertools.product(compressions, ("L", "RGB")):
        yield f"{compression}-{mode}.tif", written(mode, "TIFF", compression=compression)
    for mode in ("P", "RGBA", "CMYK", "LA", "I;16", "1", "YCbCr"):
        yield f"{mode.replace(';', '')}.tif", written(mode, "TIFF")
    for fax in ("group3", "group4", "tiff_ccitt"):
        yield f"{fax}.tif", written("1", "TIFF", compression=fax)
    pixels, rng = scene(64, 80), np.random.default_rng(4)
    deep = rng.integers(0, 65536, (64, 80, 3), dtype=np.uint16)
    for name, array in (("8", pixels), ("16", deep), ("gray", pixels[:, :, 0])):
        for options in (
            {},
            {"compression": "zlib"},
            {"compression": "zlib", "predictor": True},
            {"tile": (32, 48)},
            {"tile": (32, 48), "compression": "zlib"},
            {"rowsperstrip": 7, "compression": "zlib"},
            {"bigtiff": True},
            {"byteorder": ">"},
        ):
            file = io.BytesIO()
            photometric = "minisblack" if array.ndim == 2 else "rgb"
            tifffile.imwrite(file, array, photometric=photometric, **options)  # type: ignore[arg-type]
            title = "-".join(f"{key}={value}" for key, value in options.items()).replace("/", "")
            yield f"tifffile-{name}-{title}.tif", file.getvalue()
    file = io.BytesIO()
    tifffile.imwrite(file, pixels.transpose(2, 0, 1), photometric="rgb", planarconfig="separate")
    yield "tifffile-planes.tif", file.getvalue()


def _webp() -> Iterator[tuple[str, bytes]]:
    for quality, method in ((1, 0), (80, 4), (100, 6)):
        yield f"{quality}.webp", written("RGB", "WEBP", quality=quality, method=method)
    yield "lossless.webp", written("RGB", "WEBP", lossless=True)
    yield "alpha.webp", written("RGBA", "WEBP", exif=b"Exif\0\0MM\0\x2a\0\0\0\x08\0\0", icc_profile=b"x" * 99)
    others = [Image.fromarray(np.roll(scene(), 9, axis=1))]
    yield "animated.webp", written("RGB", "WEBP", save_all=True, append_images=others)
    yield "trailing.webp", written("RGB", "WEBP") + b"what others put behind the end"


def _gif() -> Iterator[tuple[str, bytes]]:
    for interlace, mode in itertools.product((0, 1), ("L", "P", "1", "RGB")):
        yield f"{mode}-{interlace}.gif", written(mode, "GIF", interlace=interlace)
    others = [Image.fromarray(np.roll(scene(), 9, axis=1))]
    yield (
        "animated.gif",
        written("RGB", "GIF", save_all=True, append_images=others, transparency=3, comment=b"c" * 600),
    )
    yield "trailing.gif", written("P", "GIF") + b"what others put behind the end"


def _others() -> Iterator[tuple[str, bytes]]:
    for mode in ("1", "L", "P", "RGB", "RGBA"):
        yield f"{mode}.bmp", written(mode, "BMP")
    yield "RGB.dib", written("RGB", "DIB")
    for mode in ("1", "L", "RGB", "I;16"):
        yield f"{mode.replace(';', '')}.ppm", written(mode, "PPM")
    for mode, rle in itertools.product(("L", "P", "RGB", "RGBA"), (None, "tga_rle")):
        yield f"{mode}-{rle}.tga", written(mode, "TGA", compression=rle)
    for mode in ("1", "L", "P", "RGB"):
        yield f"{mode}.pcx", written(mode, "PCX")
    yield "RGB.qoi", written("RGB", "QOI")
    yield "RGBA.qoi", written("RGBA", "QOI")
    yield "1.xbm", written("1", "XBM")
    for bitmap in ("png", "bmp"):
        yield f"{bitmap}.ico", written("RGBA", "ICO", sizes=[(32, 32), (16, 16)], bitmap_format=bitmap)
    for quality in (10, 75, 100):
        yield f"{quality}.avif", written("RGB", "AVIF", quality=quality, speed=10)
    yield "alpha.avif", written("RGBA", "AVIF", speed=10)
    for name, options in (
        ("lossless", {}),
        ("lossy", {"irreversible": True, "quality_layers": [30, 20]}),
        ("tiles", {"tile_size": (32, 32)}),
        ("codestream", {"no_jp2": True}),
    ):
        yield f"{name}.jp2", written("RGB", "JPEG2000", **options)


def _by_other_libraries() -> Iterator[tuple[str, bytes]]:
    bgr = np.ascontiguousarray(scene()[:, :, ::-1])
    for suffix in ("png", "jpg", "webp", "tiff", "bmp", "ppm", "ras", "gif"):
        yield f"opencv.{suffix}", cv2.imencode(f".{suffix}", bgr)[1].tobytes()
    options = [cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_RST_INTERVAL, 4]
    yield "opencv-progressive.jpg", cv2.imencode(".jpg", bgr, options)[1].tobytes()
    for factor in ("411", "420", "422", "440", "444"):
        options = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, getattr(cv2, f"IMWRITE_JPEG_SAMPLING_FACTOR_{factor}")]
        yield f"opencv-{factor}.jpg", cv2.imencode(".jpg", bgr, options)[1].tobytes()
    for suffix in ("png", "jpg", "gif", "bmp", "tif"):
        yield f"imageio.{suffix}", imageio.imwrite("<bytes>", scene(), extension=f".{suffix}") or b""


def _by_hand() -> Iterator[tuple[str, bytes]]:
    """Formats that no library at hand writes."""
    gray = scene()[:, :, 0]
    height, width = gray.shape
    head = b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, height, width, 8, 3) + bytes(12)
    planes = [scene()[:, :, channel] for channel in range(3)]
    yield "raw.psd", head + b"\0\0" + b"".join(plane.tobytes() for plane in planes)
    rows = [bytes([width - 1]) + row.tobytes() for plane in planes for row in plane]
    lengths = b"".join(struct.pack(">H", len(row)) for row in rows)
    yield "packed.psd", head + b"\0\1" + lengths + b"".join(rows)
    padded = np.pad(gray, ((0, 0), (0, width % 2)))
    yield "raw.ras", struct.pack(">8I", 0x59A66A95, width, height, 8, padded.size, 1, 0, 0) + padded.tobytes()
    lines = [f"{width} {height} 2 1", ". c #102030", "# c #f0e0d0"]
    lines += ["".join(".#"[int(value > 99)] for value in row) for row in gray]
    body = ",\n".join(f'"{line}"' for line in lines)
    yield "two.xpm", f"/* XPM */\nstatic char *a[] = {{\n{body}\n}};\n".encode()
