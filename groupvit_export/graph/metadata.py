"""What an ONNX file says about itself, so that it explains itself without the bundle around it."""

from __future__ import annotations

from collections.abc import Mapping

import onnx

from groupvit_runtime.manifest import Role

TOOLKIT = "groupvit-export"


def describe(
    model: onnx.ModelProto,
    *,
    title: str,
    text: str,
    version: str,
    properties: Mapping[str, str],
    tensors: Mapping[str, str],
) -> None:
    """Fill every metadata field of `model` in place.

    Args:
        title: name of the graph.
        text: documentation of the model.
        version: of the toolkit.
        properties: key-value pairs that tools such as Netron show.
        tensors: documentation of every input and output by name.
    """
    model.producer_name = TOOLKIT
    model.producer_version = version
    model.domain = "groupvit"
    model.model_version = 1
    model.doc_string = text
    model.graph.name = title
    model.graph.doc_string = text
    onnx.helper.set_model_props(model, dict(properties))
    for value in (*model.graph.input, *model.graph.output):
        value.doc_string = tensors[value.name]


def with_property(model: onnx.ModelProto, name: str, value: str) -> onnx.ModelProto:
    """A copy in which one of the properties has this value."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    for item in changed.metadata_props:
        if item.key == name:
            item.value = value
    return changed


IMAGE_TENSORS = {
    "pixels": "uint8 [batch, H, W, 3]: RGB, of the engine's size; normalized inside",
    "pixel_values": "float32 [batch, 3, H, W]: RGB, scaled and normalized as the manifest says",
    "image_embeds": "float32 [batch, P]: embedding of the whole image, unit length",
    "group_embeds": "float32 [batch, G, P]: embedding of every group, unit length",
    "masks": "float32 [batch, G, H/p, W/p]: product of the soft maps; sums to 1 over the groups",
}
DECODE_TENSORS = {
    "text_embeds": "float32 [classes, P]: embeddings of the class names, unit length",
    "size": "int64 [2]: height and width of the label maps",
    "labels": "int32 [batch, height, width]: class of every pixel, lowest index on ties",
}
TEXT_TENSORS = {
    "input_ids": "int64 [batch, length]: token ids with start and end; anything may follow the end",
    "text_embeds": "float32 [batch, P]: embedding of the sentence, not normalized (average templates first)",
}


def tensor_documentation(role: Role, name: str) -> str:
    """Documentation of an input or output of an encoder.

    Raises:
        KeyError: it has none of this name.
    """
    stage = name.rsplit("_", 1)[-1]
    if name.startswith("soft_map_"):
        return f"float32 [batch, G, N]: softmax over the groups of stage {stage}, for every token entering it"
    if name.startswith("assignment_"):
        return f"int64 [batch, N]: group that every token of stage {stage} joins; lowest index on ties"
    return {"image": {**IMAGE_TENSORS, **DECODE_TENSORS}, "text": TEXT_TENSORS}[role][name]
