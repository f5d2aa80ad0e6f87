"""Files of a bundle of which something was changed, by Hypothesis, and what may come of reading them.

Each strategy gives bytes, and each reader returns nothing: what a loader raises on purpose is caught in it,
and anything else is a fault of the loader.
"""

from __future__ import annotations

import copy
import io
import json
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from changed_manifests import FULL, VALUE, changed_manifests, places
from damaged_vocabularies import file_bytes, with_header
from hypothesis import strategies as st

from groupvit_export.data.bundled import DEMO_CHECKPOINT
from groupvit_runtime.errors import BundleError, LabelError
from groupvit_runtime.manifest import manifest_of
from groupvit_runtime.open_bundle import open_bundle
from groupvit_runtime.tokenizer import Tokenizer
from groupvit_runtime.vocabulary import Vocabulary

DEMO_TOKENIZER: Final[dict[str, Any]] = json.loads((DEMO_CHECKPOINT / "tokenizer.json").read_text())
_TOKENIZER_VALUES: Final[list[Any]] = [
    None, True, -1, 0, 1 << 40, 0.5, "", "x", [], {}, "WordLevel", "BPE", "Unigram", "WordPiece", "NFC",
    {"type": "FixedLength", "length": 0}, {"type": "Precompiled", "precompiled_charsmap": "//8="},
    {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
    {"type": "Unigram", "unk_id": 0, "vocab": [["", 0.0]]}, {"type": "Sequence", "pretokenizers": []},
]  # fmt: skip
_HEADER_VALUES: Final[list[Any]] = [
    None, True, -1, 0, 1, 2, 8, 64, 2**31, 2**62, 0.5, "", "x", "F32", "F64", "I8", [], {}, [0, 64], [2, 8],
]  # fmt: skip
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


def damaged(data: bytes) -> st.SearchStrategy[bytes]:
    """Some bytes replaced, put in or taken out."""
    edit = st.tuples(st.integers(0, len(data)), st.integers(0, 8), st.binary(max_size=8))
    return st.lists(edit, min_size=1, max_size=6).map(lambda edits: _edited(data, edits))


def changed_tokenizers() -> st.SearchStrategy[bytes]:
    """The demo's tokenizer with one value replaced."""
    values = st.one_of(st.sampled_from(_TOKENIZER_VALUES), st.integers(), st.text(max_size=3))
    return st.builds(_replaced, st.just(DEMO_TOKENIZER), st.sampled_from(places(DEMO_TOKENIZER)), values).map(
        lambda value: json.dumps(value).encode()
    )


def changed_vocabularies() -> st.SearchStrategy[bytes]:
    """A vocabulary with one value of its header replaced, or some bytes."""
    whole = file_bytes()
    end = 8 + int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8:end])
    values = st.one_of(st.sampled_from(_HEADER_VALUES), st.integers(), st.text(max_size=4))
    replaced = st.builds(_replaced, st.just(header), st.sampled_from(places(header)), values)
    return st.one_of(replaced.map(lambda value: with_header(value, whole[end:])), damaged(whole))


def changed_texts() -> st.SearchStrategy[bytes]:
    """A manifest, changed as a value or as text."""
    return st.one_of(
        changed_manifests().map(lambda value: json.dumps(value).encode()), damaged(FULL.encode())
    )


@st.composite
def changed_zips(draw: st.DrawFn) -> bytes:
    """A zipped bundle whose manifest, members or bytes were changed."""
    names = [file["path"] for engine in VALUE["engines"] for file in engine["files"]]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", draw(st.sampled_from(_METHODS))) as archive:
        archive.writestr(draw(st.sampled_from(["", "in/", "../"])) + "manifest.json", draw(changed_texts()))
        for name in draw(
            st.lists(st.sampled_from([*names, "../x", "/x", "a/b", "manifest.json/x"]), unique=True)
        ):
            archive.writestr(name, draw(st.binary(max_size=20)))
    return draw(st.one_of(st.just(out.getvalue()), damaged(out.getvalue())))


def read_manifest(data: bytes) -> None:
    with suppress(BundleError):
        manifest_of(data, "here")


def read_tokenizer(data: bytes) -> None:
    with suppress(BundleError, LabelError):
        tokenizer = Tokenizer(data, max_length=32, pad_id=0)
        tokenizer.special_token_in("a red house")
        assert tokenizer.encode(["a red house", ""]).shape[0] == 2


def read_vocabulary(data: bytes) -> None:
    with suppress(LabelError):
        vocabulary = Vocabulary.parse(data, "here")
        assert vocabulary.embeddings.shape[0] == len(vocabulary.names)


def read_zip(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bundle.zip"
        path.write_bytes(data)
        with suppress(BundleError):
            open_bundle(path)


def _edited(data: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    for start, removed, inserted in edits:
        data = data[:start] + inserted + data[start + removed :]
    return data


def _replaced(whole: Any, place: tuple[Any, ...], value: Any) -> Any:
    changed = copy.deepcopy(whole)
    parent = changed
    for key in place[:-1]:
        parent = parent[key]
    parent[place[-1]] = value
    return changed


FILES: Final[Mapping[str, tuple[st.SearchStrategy[bytes], Callable[[bytes], None]]]] = MappingProxyType(
    {
        "manifest": (changed_texts(), read_manifest),
        "tokenizer": (changed_tokenizers(), read_tokenizer),
        "vocabulary": (changed_vocabularies(), read_vocabulary),
        "zip": (changed_zips(), read_zip),
    }
)
"""What is changed, and what reads it, by the kind of file."""
