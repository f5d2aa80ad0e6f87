"""`groupvit vocab`."""

from __future__ import annotations

import hashlib
import re
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from typer import Option

from groupvit_export.cli.options import (
    Bundle,
    Json,
    LabelNames,
    LabelsFile,
    Quiet,
    Templates,
    VerbArguments,
    check_exclusive,
    read_labels,
    read_templates,
)
from groupvit_export.cli.output import note, print_json, say
from groupvit_export.cli.tables import show, table
from groupvit_runtime.engines import EngineOptions
from groupvit_runtime.errors import GroupViTError, UsageError
from groupvit_runtime.files import LOCK_NAME, write_atomically
from groupvit_runtime.locks import locked
from groupvit_runtime.manifest import (
    MANIFEST_NAME,
    FileInfo,
    Manifest,
    VocabularyInfo,
    read_manifest,
    read_manifest_value,
    with_vocabularies,
)
from groupvit_runtime.open_bundle import OpenBundle, load_from_bundle, open_bundle
from groupvit_runtime.prompts import check_labels, resolve_templates
from groupvit_runtime.system_errors import system_refusal
from groupvit_runtime.text_encoder import TextEncoder
from groupvit_runtime.vocabulary import Vocabulary

_FOLDER = "vocabularies"
_FILE = re.compile(r".*-[0-9a-f]{12}\.safetensors")


@dataclass(frozen=True, kw_only=True)
class Arguments(VerbArguments):
    """Options of `groupvit vocab`."""

    bundle: Bundle
    labels: LabelNames = None
    labels_file: LabelsFile = None
    templates: Templates = None
    output: Annotated[
        Path | None, Option("-o", "--output", metavar="FILE", help="write a .safetensors file")
    ] = None
    add: Annotated[
        str | None, Option("--add", metavar="NAME", help="keep it inside the bundle under this name")
    ] = None
    force: Annotated[bool, Option("--force", help="replace an existing file or vocabulary")] = False
    as_json: Json = False
    quiet: Quiet = False


def run(arguments: Arguments) -> int:
    check_exclusive({"--labels": arguments.labels, "--labels-file": arguments.labels_file})
    check_exclusive({"--output": arguments.output, "--add": arguments.add})
    labels = read_labels(arguments)
    if labels is None:
        if arguments.output or arguments.add or arguments.templates:
            raise UsageError(
                "there is nothing to encode",
                expected="--labels or --labels-file",
                fix='--labels "a cat,a dog"',
            )
        return _list(arguments)
    if arguments.add:
        _check_addable(arguments.bundle, arguments.add, force=arguments.force)
    elif arguments.output is None:
        raise UsageError(
            "it was not said where the vocabulary goes",
            expected="-o FILE or --add NAME",
            fix="-o words.safetensors, or --add words to keep it inside the bundle",
        )
    elif arguments.output.exists() and not arguments.force:
        raise GroupViTError(
            "the file exists already",
            got=str(arguments.output),
            fix="choose another with -o, or add --force",
        )
    bundle, encoder = load_from_bundle(
        Path(arguments.bundle), None, lambda opened: (opened, TextEncoder(opened, EngineOptions()))
    )
    templates = read_templates(arguments.templates)
    vocabulary = encoder.encode(
        check_labels(labels), bundle.manifest.prompts if templates is None else resolve_templates(templates)
    )
    if arguments.add:
        path, added = _add(bundle, arguments.add, vocabulary, force=arguments.force)
        digest = {"digest": added}
    else:
        assert arguments.output is not None
        path = arguments.output
        vocabulary.save(path)
        digest = {}
    if arguments.as_json:
        print_json(
            {"file": str(path), "names": vocabulary.names, "templates": vocabulary.templates, **digest}
        )
    elif not arguments.quiet:
        say(f"{len(vocabulary)} classes in {path}. Next:")
        if digest:
            say(f"  the bundle's digest is now {digest['digest']}")
        say(f"  groupvit segment {arguments.bundle} IMAGE --vocab {arguments.add or path}")
    return 0


def _list(arguments: Arguments) -> int:
    manifest = open_bundle(arguments.bundle).manifest
    if arguments.as_json:
        print_json([{"name": item.name, "size": item.size} for item in manifest.vocabularies])
    elif arguments.quiet:
        return 0
    elif manifest.vocabularies:
        rows = [[item.name, str(item.size)] for item in manifest.vocabularies]
        show([table(["vocabulary", "classes"], rows, numbers_from=1)])
    else:
        say(
            "no vocabulary is cached. Next:\n"
            f'  groupvit vocab {arguments.bundle} --labels "a cat,a dog" --add pets'
        )
    return 0


def _check_addable(bundle: str, name: str, *, force: bool) -> None:
    root = Path(bundle)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        raise UsageError(
            "this cannot name a vocabulary", got=repr(name), expected="letters, digits, '.', '_' and '-'"
        )
    if root.is_file():
        raise UsageError(
            "a vocabulary can be added to a bundle's folder only",
            got=str(root),
            fix="unzip the bundle, or write a file with -o",
        )
    _check_new(read_manifest(root), name, force=force)


def _check_new(manifest: Manifest, name: str, *, force: bool) -> None:
    if not force and any(item.name == name for item in manifest.vocabularies):
        raise GroupViTError(
            "the bundle has a vocabulary of this name", got=name, fix="choose another name, or add --force"
        )


def _add(bundle: OpenBundle, name: str, vocabulary: Vocabulary, *, force: bool) -> tuple[Path, str]:
    """Under the bundle's lock, because the manifest is read, changed and written.

    Returns:
        The file, and the bundle's digest with it.
    """
    with ExitStack() as stack:
        try:
            if not stack.enter_context(locked(bundle.root / LOCK_NAME)):
                note("groupvit: note: this file system has no locks: add from one process at a time")
        except OSError as error:
            raise system_refusal(error, failed="the bundle cannot be changed", path=bundle.root) from error
        # Again: another process may have added the name, or exported anew.
        manifest = read_manifest(bundle.root)
        _check_new(manifest, name, force=force)
        replace(bundle, manifest=manifest).check_fits(vocabulary)
        return _write(bundle.root, manifest, name, vocabulary)


def _write(root: Path, manifest: Manifest, name: str, vocabulary: Vocabulary) -> tuple[Path, str]:
    """Put the file into the bundle first and the manifest that names it last, so that either is whole."""
    digest = hashlib.sha256(repr(vocabulary.names).encode() + vocabulary.embeddings.tobytes()).hexdigest()
    # A new name for new contents: until the manifest is replaced, the old file is still the right one.
    path = root / _FOLDER / f"{name}-{digest[:12]}.safetensors"
    others = tuple(item for item in manifest.vocabularies if item.name != name)
    try:
        path.parent.mkdir(exist_ok=True)
        vocabulary.save(path)
        info = VocabularyInfo(
            name=name, size=len(vocabulary), file=FileInfo.of(root, path.relative_to(root).as_posix())
        )
        # The text as it is: a newer minor version may have written more than the records hold.
        text = with_vocabularies(read_manifest_value(root), (*others, info)).encode()
        write_atomically(root / MANIFEST_NAME, text)
    except OSError as error:
        raise system_refusal(error, failed="the vocabulary cannot be added", path=root) from error
    finally:
        _remove_unnamed(root)
    return path, hashlib.sha256(text).hexdigest()


def _remove_unnamed(root: Path) -> None:
    """Remove files that the manifest does not name: of what was replaced, failed, or was killed."""
    try:
        named = {item.file.path for item in read_manifest(root).vocabularies}
    except GroupViTError:
        # Which has been told, or will be by whoever reads the bundle; without it nothing may be removed.
        return
    for path in (root / _FOLDER).glob("*.safetensors"):
        if _FILE.fullmatch(path.name) and path.relative_to(root).as_posix() not in named:
            with suppress(OSError):
                path.unlink()
    with suppress(OSError):
        (root / _FOLDER).rmdir()
