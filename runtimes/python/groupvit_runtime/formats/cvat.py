"""CVAT for images 1.1: masks as run-length encodings, to the pixel."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final
from xml.etree import ElementTree

from groupvit_runtime.formats.runs import cvat_runs
from groupvit_runtime.objects import SegmentedObject

_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def cvat_head(names: Sequence[str], colors: Mapping[str, Sequence[int]]) -> str:
    """What stands before the images: version and labels."""
    head = ElementTree.Element("annotations")
    ElementTree.SubElement(head, "version").text = "1.1"
    labels = ElementTree.SubElement(
        ElementTree.SubElement(ElementTree.SubElement(head, "meta"), "task"), "labels"
    )
    for name in names:
        label = ElementTree.SubElement(labels, "label")
        ElementTree.SubElement(label, "name").text = _text(name)
        ElementTree.SubElement(label, "color").text = "#{:02x}{:02x}{:02x}".format(*colors[name])
        ElementTree.SubElement(label, "attributes")
    text = ElementTree.tostring(head, encoding="unicode").removesuffix(CVAT_END)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'


CVAT_END: Final = "</annotations>"


def cvat_image(
    objects: Sequence[SegmentedObject], size: tuple[int, int], *, file_name: str, image_id: int = 0
) -> str:
    """An image and its masks."""
    image = ElementTree.Element(
        "image", id=str(image_id), name=_text(file_name), width=str(size[1]), height=str(size[0])
    )
    for item in objects:
        left, top, width, height = map(str, item.box)
        ElementTree.SubElement(
            image,
            "mask",
            label=_text(item.name),
            source="auto",
            occluded="0",
            rle=", ".join(map(str, cvat_runs(item))),
            left=left,
            top=top,
            width=width,
            height=height,
            z_order="0",
        )
    return f"{ElementTree.tostring(image, encoding='unicode')}\n"


def _text(text: str) -> str:
    """XML has no place for some characters that names of files may have."""
    return _NOT_XML.sub(lambda found: ascii(found[0])[1:-1], text)
