"""What an ONNX file may not have: data outside of itself, which no hash of the manifest covers."""

from __future__ import annotations

import mmap
from typing import Final

from groupvit_runtime.errors import BundleError

_KEY: Final = b"location"
"""Of `TensorProto.external_data` what has the path. Searched for rather than parsed, so that no way to write
it is missed: before it stands its length, 8, whose encoding may end in zeros.
Source: onnx.proto3, StringStringEntryProto; protobuf's encoding of strings and integers."""


def check_self_contained(graph: bytes | mmap.mmap) -> None:
    """Refuse the file of an ONNX graph that would have a runtime open others.

    Raises:
        BundleError: it would.
    """
    found = graph.find(_KEY)
    while found > 0 and graph[found - 1] not in (0, 8):
        found = graph.find(_KEY, found + 1)
    if found > 0:
        raise BundleError(
            "the graph has weights in another file, which the manifest does not list",
            got="external data",
            expected="an ONNX file with all of its weights inside",
            fix="do not use this bundle; get it again from where it was exported",
        )
