"""The graphs of a model: captured, described, typed and checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from types import MappingProxyType

import onnx
import torch

from groupvit_export.build.clock import Progress
from groupvit_export.build.options import BuildOptions
from groupvit_export.build.source import Source
from groupvit_export.graph import checks, metadata
from groupvit_export.graph.capture import capture_image_encoder
from groupvit_export.graph.decode import attach_decode
from groupvit_export.graph.encoders import ImageEncoder, TextEncoder
from groupvit_export.graph.passes import apply_passes
from groupvit_export.graph.precision import HALVES, TypedGraph, in_precision
from groupvit_export.graph.text_capture import TextCapture
from groupvit_export.targets.registry import TARGETS
from groupvit_export.utf8 import utf8_text
from groupvit_runtime.contract import LABELS_OUTPUT, TEXT_OUTPUT
from groupvit_runtime.manifest import Role


@dataclass(frozen=True, eq=False)
class Graphs:
    """Both encoders, by role.

    Attributes:
        modules: what was captured, in evaluation mode.
        float32: as it was captured.
        typed: in the precision that the target builds from.
    """

    modules: Mapping[Role, torch.nn.Module]
    float32: Mapping[Role, TypedGraph]
    typed: Mapping[Role, TypedGraph]


def capture_graphs(source: Source, options: BuildOptions, progress: Progress) -> Graphs:
    """Capture the encoders.

    Args:
        source: the loaded checkpoint.
        options: what is built of it, checked.
        progress: told what stays in float32.

    Raises:
        ExportError: the encoder cannot be captured at this size, or a graph is not what it should be.
    """
    image = ImageEncoder(source.model, source.image_size, source.graph_normalization)
    text = TextEncoder(source.model)
    apply_passes(image, options.passes)
    captured: dict[Role, onnx.ModelProto] = {}
    with TextCapture(text, source.model.config) as capture:
        captured["image"] = capture_image_encoder(image)
        captured["text"] = capture.result()
    if options.decode_in_graph:
        attach_decode(captured["image"], source.image_size, source.model.config.projection_dim)
    properties = {
        "checkpoint": utf8_text(source.checkpoint.source),
        "checkpoint_sha256": source.checkpoint.fingerprint,
        "image_size": "x".join(map(str, image.image_size)),
        "passes": ",".join(options.passes) or "none",
        "precision": options.precision,
        torch.__name__: torch.__version__,
    }
    for role, graph in captured.items():
        _describe(graph, role, properties)
    # What is not typed here is typed by its builder, and int8 is quantized afterwards.
    typed = TARGETS[options.target].typed and options.precision in HALVES
    in_graph = options.precision if typed else "fp32"
    return Graphs(
        modules=MappingProxyType({"image": image, "text": text}),
        float32=MappingProxyType({role: in_precision(graph, "fp32") for role, graph in captured.items()}),
        typed=_typed(captured, image, in_graph, options.decode_in_graph, progress),
    )


def _typed(
    graphs: Mapping[Role, onnx.ModelProto],
    image: ImageEncoder,
    precision: str,
    decode_in_graph: bool,
    progress: Progress,
) -> Mapping[Role, TypedGraph]:
    labels = (LABELS_OUTPUT,) if decode_in_graph else ()
    outputs: dict[Role, tuple[str, ...]] = {
        "image": (*image.output_names(), *labels),
        "text": (TEXT_OUTPUT,),
    }
    grouping_nodes: dict[Role, int] = {"image": len(image.grouping_blocks()), "text": 0}
    typed: dict[Role, TypedGraph] = {}
    for role, graph in graphs.items():
        typed[role] = in_precision(graph, precision)
        checks.check_graph(typed[role].model, outputs=outputs[role], grouping_nodes=grouping_nodes[role])
        if typed[role].kept:
            progress(f"note: {role}: {_kept(typed[role])}")
    return MappingProxyType(typed)


def _describe(graph: onnx.ModelProto, role: Role, properties: Mapping[str, str]) -> None:
    names = [value.name for value in (*graph.graph.input, *graph.graph.output)]
    metadata.describe(
        graph,
        title=f"groupvit_{role}_encoder",
        text=f"GroupViT {role} encoder (arXiv:2202.11094), exported by groupvit-export",
        version=version("groupvit-export"),
        properties=properties,
        tensors={name: metadata.tensor_documentation(role, name) for name in names},
    )


def _kept(graph: TypedGraph) -> str:
    reasons = Counter(graph.kept.values())
    parts = ", ".join(f"{reason} ({count})" for reason, count in reasons.items())
    return f"{len(graph.kept)} of {len(graph.model.graph.node)} nodes stay in float32: {parts}"
