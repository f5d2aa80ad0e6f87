"""A bundle's folder, or the same folder zipped."""

from __future__ import annotations

import lzma
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from groupvit_runtime.errors import BundleError, LabelError
from groupvit_runtime.manifest import MANIFEST_NAME, Manifest, read_manifest
from groupvit_runtime.process import finalize_in_owner
from groupvit_runtime.prompts import list_of_names, shorten
from groupvit_runtime.system_errors import system_refusal
from groupvit_runtime.temporary import make_scratch, remove_scratch
from groupvit_runtime.vocabulary import Vocabulary

MAX_UNPACKED_BYTES: Final = 16 << 30

_DAMAGED: Final = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError),
    # Of bz2, which has no error of its own, and of the disk; compression that is not known, and passwords.
    *(OSError, NotImplementedError, RuntimeError),
)


@dataclass(frozen=True, eq=False)
class OpenBundle:
    """A bundle on disk: its folder and manifest. Sizes of all files are checked, contents not yet.

    A zipped bundle lies in a temporary folder for as long as this object lives in the process that opened it.

    Attributes:
        source: what was opened, from the root of the file system on.
        root: the folder that the files lie in.
        manifest: what it says of itself.
    """

    source: Path
    root: Path
    manifest: Manifest

    def vocabulary(self, name: str) -> Vocabulary:
        """The vocabulary that is cached in the bundle under `name`.

        Raises:
            LabelError: there is none of this name, or it is another model's.
        """
        for info in self.manifest.vocabularies:
            if info.name == name:
                vocabulary = Vocabulary.load(info.file.verify(self.root))
                self.check_fits(vocabulary)
                return vocabulary
        raise LabelError(
            "the bundle has no vocabulary of this name",
            got=repr(shorten(name)),
            expected=", ".join(info.name for info in self.manifest.vocabularies) or "none is cached in it",
            fix=f"for class names, a list: {list_of_names(name)} (on the command line: --labels); to cache "
            'them: groupvit vocab BUNDLE --labels "..." --add NAME',
        )

    def check_fits(self, vocabulary: Vocabulary) -> None:
        """Refuse embeddings of other weights.

        Raises:
            LabelError: they are.
        """
        expected = self.manifest.fingerprint
        if vocabulary.fingerprint != expected:
            raise LabelError(
                "the vocabulary was made with other weights; its embeddings mean nothing to this model",
                got=f"fingerprint {vocabulary.fingerprint[:16]}...",
                expected=f"{expected[:16]}...",
                fix="groupvit vocab BUNDLE --labels ... -o FILE",
            )


def open_bundle(path: str | Path) -> OpenBundle:
    """Open the bundle at `path`.

    Raises:
        BundleError: it is none, damaged, incomplete, or of another schema.
        GroupViTError: a zipped one cannot be read, or there is no space to unpack it.
    """
    path = Path(path)
    if not path.is_file():
        return _open_folder(path, path)
    try:
        owned, scratch = make_scratch("bundle")
    except OSError as error:
        raise system_refusal(error, failed="the zipped bundle cannot be unpacked") from error
    try:
        bundle = _open_folder(path, _unpack(path, scratch))
    except BaseException:
        remove_scratch(owned, scratch)
        raise
    # A forked child that ends has a copy of the bundle, and the parent still reads the folder.
    finalize_in_owner(bundle, remove_scratch, owned, scratch)
    return bundle


def _open_folder(source: Path, root: Path) -> OpenBundle:
    manifest = read_manifest(root)
    for file in manifest.all_files:
        file.locate(root)
    return OpenBundle(source=source.absolute(), root=root, manifest=manifest)


def _unpack(path: Path, scratch: Path) -> Path:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            total = sum(entry.file_size for entry in entries)
            if total > MAX_UNPACKED_BYTES:
                raise BundleError(
                    "the zipped bundle is too large",
                    got=f"{total} bytes unpacked",
                    expected=f"at most {MAX_UNPACKED_BYTES}",
                )
            for entry in entries:
                # ZipFile.extract drops '..' silently; a bundle with one was not made by this toolkit.
                if ".." in PurePosixPath(entry.filename).parts or entry.filename.startswith("/"):
                    raise BundleError(
                        "the zipped bundle has a file that leaves it",
                        got=entry.filename,
                        fix="do not use this bundle; get it again from where it was exported",
                    )
                archive.extract(entry, scratch)
    except _DAMAGED as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise system_refusal(
                error, failed="the zipped bundle cannot be unpacked", path=scratch
            ) from error
        raise BundleError(
            "this file is not a zipped bundle",
            got=f"{path}: {error}",
            expected="a folder written by `groupvit export`, or that folder zipped",
            fix="copy the bundle again, or export it again",
        ) from error
    if (scratch / MANIFEST_NAME).is_file():
        return scratch
    inner = [folder for folder in scratch.iterdir() if (folder / MANIFEST_NAME).is_file()]
    return inner[0] if len(inner) == 1 else scratch
