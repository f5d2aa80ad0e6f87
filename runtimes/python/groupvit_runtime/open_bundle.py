"""A bundle's folder, or the same folder zipped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from groupvit_runtime.errors import BundleError, LabelError
from groupvit_runtime.manifest import MANIFEST_NAME, Manifest, read_pinned_manifest
from groupvit_runtime.process import finalize_in_owner
from groupvit_runtime.prompts import list_of_names, shorten
from groupvit_runtime.system_errors import system_refusal
from groupvit_runtime.temporary import make_scratch, remove_scratch
from groupvit_runtime.vocabulary import Vocabulary
from groupvit_runtime.zipped_bundle import unpack

_Loaded = TypeVar("_Loaded")

_TRIES: Final = 10


@dataclass(frozen=True, eq=False)
class OpenBundle:
    """A bundle on disk: its folder and manifest. Sizes of all files are checked, contents not yet.

    A zipped bundle lies in a temporary folder for as long as this object lives in the process that opened it.

    Attributes:
        source: what was opened, from the root of the file system on.
        root: the folder that the files lie in.
        manifest: what it says of itself.
        digest: sha256 of `manifest.json`, and by the hashes in it of every file that a runtime opens.
    """

    source: Path
    root: Path
    manifest: Manifest
    digest: str

    def vocabulary(self, name: str) -> Vocabulary:
        """The vocabulary that is cached in the bundle under `name`.

        Raises:
            LabelError: there is none of this name, or it is another model's.
        """
        for info in self.manifest.vocabularies:
            if info.name == name:
                vocabulary = Vocabulary.parse(info.file.read(self.root), info.file.path)
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


def open_bundle(path: str | Path, digest: str | None = None) -> OpenBundle:
    """Open the bundle at `path`.

    Args:
        path: folder or .zip written by `groupvit export`.
        digest: that it must have, as `groupvit inspect` prints it; None for any.

    Raises:
        BundleError: it is none, damaged, incomplete, of another schema, or has another digest.
        UsageError: `digest` is none.
        GroupViTError: a zipped one cannot be read, or there is no space to unpack it.
    """
    return load_from_bundle(Path(path), digest, lambda opened: opened)


def _open(path: Path, digest: str | None) -> OpenBundle:
    if not path.is_file():
        return _opened(path, path, *read_pinned_manifest(path, digest))
    try:
        owned, scratch = make_scratch("bundle")
    except OSError as error:
        raise system_refusal(error, failed="the zipped bundle cannot be unpacked") from error
    try:
        bundle = _opened(path, scratch, *unpack(path, scratch, digest))
    except BaseException:
        remove_scratch(owned, scratch)
        raise
    # A forked child that ends has a copy of the bundle, and the parent still reads the folder.
    finalize_in_owner(bundle, remove_scratch, owned, scratch)
    return bundle


def load_from_bundle(path: Path, digest: str | None, load: Callable[[OpenBundle], _Loaded]) -> _Loaded:
    """What `load` makes of the bundle at `path`, all of it of one bundle.

    Where another took its place meanwhile, as with `groupvit export --force`, the manifest is the old one and
    the files are the new one's: it is opened again.

    Args:
        path, digest: see `open_bundle`.
        load: is called again then.

    Raises:
        BundleError: see `open_bundle`; what `load` raises.
    """
    left = _TRIES
    while True:
        before, left = _place(path), left - 1
        try:
            return load(_open(path, digest))
        except BundleError:
            if not left or _place(path) == before:
                raise


def _place(path: Path) -> tuple[int, int, int] | None:
    """What lies there now, as far as the file system tells one file from another."""
    try:
        found = (path if path.is_file() else path / MANIFEST_NAME).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns


def _opened(source: Path, root: Path, manifest: Manifest, digest: str) -> OpenBundle:
    for file in manifest.all_files:
        file.locate(root)
    return OpenBundle(source=source.absolute(), root=root, manifest=manifest, digest=digest)
