"""Weights that name other shapes than the graph expects: the damage that a library might not survive."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Final
from xml.etree import ElementTree

from cpp_runtime import CppError, CppSegmenter, Library

_BYTES: Final = {"i32": 4, "i64": 8}


def shapes_in_weights(graph: Path) -> list[tuple[int, int, int]]:
    """Offset, number and width in bytes of the integers of every constant in an OpenVINO graph."""
    found = set()
    for layer in ElementTree.parse(graph).getroot().iter("layer"):
        data = layer.find("data")
        if layer.get("type") == "Const" and data is not None and data.get("element_type") in _BYTES:
            width = _BYTES[str(data.get("element_type"))]
            found.add((int(data.get("offset", 0)), int(data.get("size", 0)) // width, width))
    return sorted(found)


def refusals(library: Path, bundle: Path, seed: int) -> list[str]:
    """What opening `bundle` says with each constant overwritten in turn; "" where it opens."""
    runtime, random, messages = Library(library), Random(seed), []
    weights = bundle / "image.bin"
    for offset, count, width in shapes_in_weights(bundle / "image.xml"):
        with weights.open("r+b") as file:
            file.seek(offset)
            before = file.read(count * width)
            # Sizes that are possible, and absurd ones.
            limit = random.choice([4, 300, 10**6, 2 ** (8 * width - 1)])
            values = (random.randrange(-limit, limit) for _ in range(count))
            after = b"".join(value.to_bytes(width, "little", signed=True) for value in values)
            if after == before:
                continue
            file.seek(offset)
            file.write(after)
            file.flush()
            try:
                CppSegmenter(runtime, bundle)
                messages.append("")
            except CppError as error:
                messages.append(f"{error.status.name}: {error}")
            file.seek(offset)
            file.write(before)
    return messages
