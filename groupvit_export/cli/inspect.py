"""`groupvit inspect`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from typer import Option

from groupvit_export.cli.kept import kept_nodes
from groupvit_export.cli.layers import layer_table
from groupvit_export.cli.options import Bundle, Quiet, VerbArguments
from groupvit_export.cli.output import print_json
from groupvit_export.cli.parity import parity_tables
from groupvit_export.cli.precisions import choice_line, precision_table
from groupvit_export.cli.tables import Block, Table, separated, show, table
from groupvit_export.provenance import (
    PROVENANCE_NAME,
    Provenance,
    check_manifest_seal,
    find_provenance,
)
from groupvit_export.targets.requirements import GRAPH_PACKAGES, is_there
from groupvit_runtime.contract import LABELS_OUTPUT, PaperDecode
from groupvit_runtime.manifest import (
    MANIFEST_NAME,
    EngineInfo,
    FileInfo,
    Manifest,
    ProfileInfo,
    TensorInfo,
)
from groupvit_runtime.open_bundle import OpenBundle, load_from_bundle
from groupvit_runtime.serialize import to_json


@dataclass(frozen=True, kw_only=True)
class Arguments(VerbArguments):
    """Options of `groupvit inspect`."""

    bundle: Bundle
    as_json: Annotated[bool, Option("--json", help="print manifest and provenance as JSON")] = False
    quiet: Quiet = False


def run(arguments: Arguments) -> int:
    bundle, files, provenance = load_from_bundle(
        Path(arguments.bundle), None, lambda opened: (opened, _verify(opened), find_provenance(opened))
    )
    manifest = bundle.manifest
    if arguments.as_json:
        print_json({**to_json(manifest), "digest": bundle.digest, "provenance": to_json(provenance)})
        return 0
    if arguments.quiet:
        return 0
    parts: tuple[list[Block], ...] = (
        [_head(bundle, provenance)],
        *map(_engine, (*manifest.engines, *manifest.alternatives)),
        *_made(manifest, provenance),
        [files],
    )
    show(separated(parts))
    return 0


def _verify(bundle: OpenBundle) -> Table:
    check_manifest_seal(bundle)
    files = list(bundle.manifest.all_files)
    for file in files:
        file.verify(bundle.root)
    sealed = (MANIFEST_NAME, PROVENANCE_NAME)
    files += [FileInfo.of(bundle.root, name) for name in sealed if (bundle.root / name).is_file()]
    rows = [[file.path, f"{file.bytes:,}", file.sha256[:16], "ok"] for file in files]
    return table(["file", "bytes", "sha256", "contents"], rows)


def _head(bundle: OpenBundle, provenance: Provenance | None) -> str:
    manifest = bundle.manifest
    model, decode = manifest.model, manifest.decode
    vocabularies = ", ".join(f"{item.name} ({item.size})" for item in manifest.vocabularies) or "none cached"
    rows = {
        "bundle": f"{manifest.name}, schema {manifest.schema_version}",
        **({} if provenance is None else _origin(provenance)),
        "digest": bundle.digest,
        "fingerprint": manifest.fingerprint,
        "images": f"{_by(model.image_size)} px, patches of {model.patch_size}, grid {_by(model.grid)}",
        "groups": " then ".join(map(str, model.groups)),
        "embeddings": f"{model.projection_dim} values, logit scale exp({model.logit_scale:.4f})",
        "text": f"at most {model.text_max_length} tokens",
        "prompts": " | ".join(manifest.prompts),
        "decode": f"{decode.default} by default; paper: {_paper(decode.paper)}",
        "vocabularies": vocabularies,
    }
    for name in ("hf", "paper"):
        spec = getattr(manifest.preprocessing, name)
        smoothing = "antialiased" if spec.antialias else "not antialiased"
        rows[f"input ({name})"] = (
            f"{spec.color_order}, {spec.resize}, {spec.filter} {smoothing}, "
            f"mean {_numbers(spec.mean)}, std {_numbers(spec.std)}"
        )
    width = max(map(len, rows))
    return "\n".join(f"{label.ljust(width)}  {value}" for label, value in rows.items())


def _made(manifest: Manifest, provenance: Provenance | None) -> Sequence[list[Block]]:
    if provenance is None:
        return ([f"how it was made: not known without its {PROVENANCE_NAME}"],)
    return (
        kept_nodes(manifest, provenance),
        layer_table(manifest, provenance),
        precision_table(provenance.precisions),
        [_passes(provenance.passes)],
        choice_line(provenance.choice),
        *parity_tables(provenance),
    )


def _origin(provenance: Provenance) -> dict[str, str]:
    checkpoint = provenance.checkpoint
    return {
        "made": f"{provenance.created} by {_versions(provenance.versions)}",
        "command": provenance.command,
        "made anew by": provenance.rebuild,
        "checkpoint": f"{checkpoint.source} ({checkpoint.format})",
    }


def _versions(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _paper(decode: PaperDecode | None) -> str:
    if decode is None:
        return "not with an engine that is not square"
    window = decode.window
    return (
        f"windows of {window.size}, stride {window.stride}, long side at most {window.long_side_max}, "
        f"{decode.top_classes} best classes"
    )


def _engine(engine: EngineInfo) -> list[Block]:
    tensors = [["in", *_tensor(item)] for item in engine.inputs]
    tensors += [["out", *_tensor(item)] for item in engine.outputs]
    tensors += [["profile", item.name, "", _profile(item)] for item in _profiles(engine)]
    inside = [] if engine.normalizes is None else [f"normalizes pixels as {engine.normalizes}"]
    inside += ["decodes label maps"] if LABELS_OUTPUT in (t.name for t in engine.outputs) else []
    return [
        f"{engine.role} engine: {engine.target} {engine.precision}, for {engine.hardware}\n"
        f"built with {_versions(engine.versions)}" + (f"\ninside: {', '.join(inside)}" if inside else ""),
        table(["", "tensor", "dtype", "shape"], tensors),
    ]


def _profiles(engine: EngineInfo) -> tuple[ProfileInfo, ...]:
    return () if engine.tensorrt is None else engine.tensorrt.profiles


def _profile(info: ProfileInfo) -> str:
    shapes = (info.min, info.opt, info.max)
    return " : ".join("[" + ", ".join(map(str, shape)) + "]" for shape in shapes)


def _passes(passes: Sequence[str]) -> str:
    if not passes:
        return "graph passes: none"
    summaries = _pass_summaries()
    return "graph passes:\n" + "\n".join(
        f"  {name}" + (f": {summaries[name]}" if name in summaries else "") for name in passes
    )


def _pass_summaries() -> dict[str, str]:
    # The table of passes lives beside their code, which needs PyTorch; a deployment does without.
    if not all(map(is_there, GRAPH_PACKAGES)):
        return {}
    from groupvit_export.graph.passes import PASSES

    return {name: item.summary for name, item in PASSES.items()}


def _tensor(info: TensorInfo) -> list[str]:
    return [info.name, info.dtype, "[" + ", ".join("?" if d < 0 else str(d) for d in info.shape) + "]"]


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _numbers(values: tuple[float, ...]) -> str:
    return "/".join(f"{value:.4g}" for value in values)
