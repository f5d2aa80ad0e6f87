"""What a JPEG file says before its pixels, and whether its scans are all there.

Read here because Pillow's reader warns on the terminal of metadata that no pixel depends on, and takes
minutes over a header of many tiny segments.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field
from typing import Final

SIGNATURE: Final = b"\xff\xd8\xff"

_FILL: Final = re.compile(b"\xff+")
# Inside a scan: no stuffed byte, no fill byte, no restart.
_MARKER_IN_SCAN: Final = re.compile(b"\xff[^\x00\xd0-\xd7\xff]")
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE: Final = frozenset({0xC2, 0xCA})
_APP1: Final = 0xE1
_EXIF, _XMP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
_COEFFICIENTS: Final = 64

# Of 65,533 bytes each, so that no metadata comes near.
_MOST_SEGMENTS: Final = 1 << 13
# Encoders write some ten; each costs the time of a pass over the image, however few bytes it has.
_MOST_SCANS: Final = 100


@dataclass
class _Found:
    frame: int = 0
    height: int = 0
    width: int = 0
    exif: bytes = b""
    xmp: bytes = b""
    scans: int = 0
    # By component: how many low bits of each coefficient are missing; None where all are.
    missing: dict[int, list[int | None]] = field(default_factory=dict)


@dataclass(frozen=True)
class JpegHeader:
    """What is known without decoding.

    Attributes:
        height, width: of the stored image, in pixels.
        components: 1 for gray, 3 for color, 4 for CMYK.
        bytes_a_pixel: of memory, to decode it: a progressive one's coefficients are all held.
        exif: from its six letters on; empty where there is none.
        xmp: likewise, after the name of its namespace.
    """

    height: int
    width: int
    components: int
    bytes_a_pixel: int
    exif: bytes
    xmp: bytes


def read_header(data: bytes) -> JpegHeader:
    """Read the segments of the image that a JPEG file begins with.

    Raises:
        OSError: the file is truncated or damaged, a scan is missing, or there are absurdly many segments.
    """
    found = _Found()
    try:
        _walk(data, found)
    except (IndexError, struct.error) as error:
        raise OSError("the JPEG ends inside its header") from error
    absent = [name for name, missing in found.missing.items() if any(missing)]
    if absent:
        raise OSError(f"the JPEG ends before its last scan: component {absent[0]} is not complete")
    components = len(found.missing)
    cost = 3 + (4 if components == 4 else 0) + (2 * components if found.scans > 1 else 0)
    return JpegHeader(found.height, found.width, components, cost, found.exif, found.xmp)


def _walk(data: bytes, found: _Found) -> None:
    place = 2
    for _ in range(_MOST_SEGMENTS):
        fill = _FILL.match(data, place)
        if fill is None:
            raise OSError("the JPEG is damaged: a segment does not begin where the last one ends")
        marker, place = data[fill.end()], fill.end() + 1
        if marker == _END_OF_IMAGE:
            return
        (length,) = struct.unpack_from(">H", data, place)
        segment = data[place + 2 : place + length]
        if marker in _FRAMES:
            _read_frame(marker, segment, found)
        elif marker == _APP1:
            _read_metadata(segment, found)
        place += length
        if marker == _START_OF_SCAN:
            _read_scan(segment, found)
            if found.frame not in _PROGRESSIVE and segment[0] == len(found.missing):
                # The only one: its end is the decoder's to find.
                return
            after = _MARKER_IN_SCAN.search(data, place)
            if after is None:
                return
            place = after.start()
    raise OSError(f"the JPEG has more than {_MOST_SEGMENTS:,} segments")


def _read_frame(marker: int, segment: bytes, found: _Found) -> None:
    if found.frame:
        raise OSError("the JPEG is damaged: it has two frames")
    bits, found.height, found.width, components = struct.unpack_from(">BHHB", segment)
    if bits != 8:
        raise OSError(f"the JPEG has {bits} bits a sample, and 8 are read")
    found.frame = marker
    found.missing = {segment[6 + 3 * index]: [1] * _COEFFICIENTS for index in range(components)}
    if components not in (1, 3, 4) or len(found.missing) != components:
        raise OSError(f"the JPEG has {components} components, and 1, 3 or 4 are read")


def _read_metadata(segment: bytes, found: _Found) -> None:
    if segment.startswith(_EXIF):
        # What does not fit into one segment goes on in the next.
        found.exif += segment[len(_EXIF) :] if found.exif else segment
    elif segment.startswith(_XMP):
        found.xmp = segment[len(_XMP) :]


def _read_scan(segment: bytes, found: _Found) -> None:
    found.scans += 1
    if found.scans > _MOST_SCANS:
        raise OSError(f"the JPEG has more than {_MOST_SCANS} scans")
    names = segment[1 : 1 + 2 * segment[0] : 2]
    first, last, accuracy = segment[1 + 2 * segment[0] :][:3]
    if found.frame not in _PROGRESSIVE:
        first, last, accuracy = 0, _COEFFICIENTS - 1, 0
    for name in names:
        missing = found.missing.get(name)
        if missing is None:
            raise OSError("the JPEG is damaged: a scan is of no component")
        missing[first : last + 1] = [accuracy & 15] * (min(last, _COEFFICIENTS - 1) + 1 - first)
