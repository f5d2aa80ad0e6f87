"""A name of the table becomes a side, in the process that it will run in; only what it needs is imported."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.checkpoint import VOC
from benchmarks.peers.material import Material
from benchmarks.peers.sides import BUNDLES, REFERENCE, Side
from groupvit_export.benchmark.machine import this_machine


def load(name: str, root: str, threads: str) -> Side:
    """One of `SIDES`.

    Args:
        name: of the side.
        root: of the material.
        threads: of the side; "0" for its own choice.

    Raises:
        ValueError: there is no such side.
    """
    material, count = Material(Path(root)), int(threads) or None
    if name in BUNDLES:
        from benchmarks.peers.ours import our_side

        return our_side(material, name, count)
    if name.startswith("transformers"):
        return _transformers(name, material, count)
    if name.startswith("plain-"):
        return _plain(name, material, count)
    raise ValueError(f"no such side: {name}")


def has_bf16() -> bool:
    """Whether the processor multiplies in bf16."""
    return any("bf16" in flag for flag in this_machine().flags)


def _transformers(name: str, material: Material, threads: int | None) -> Side:
    # Nothing here is on a hub.
    os.environ["HF_HUB_OFFLINE"] = "1"
    import torch

    from benchmarks.peers.hugging_face import HuggingFace

    if threads is not None:
        torch.set_num_threads(threads)
    dtype = torch.bfloat16 if "-bf16" in name else torch.float32
    model = HuggingFace(material.checkpoint, material.image, VOC, dtype)
    make: dict[str, Callable[[], Side]] = {
        "transformers": model.as_users_call_it,
        REFERENCE: lambda: model.cached(model.path),
        "transformers-compiled": model.compiled,
        "transformers-bf16": model.as_users_call_it,
        "transformers-bf16-cached": lambda: model.cached(model.path),
        "transformers-bf16-compiled": lambda: model.compiled(freezing=True),
    }
    return make[name]()


def _plain(name: str, material: Material, threads: int | None) -> Side:
    os.environ["HF_HUB_OFFLINE"] = "1"
    import torch

    from benchmarks.peers.plain import in_onnxruntime, in_openvino

    if threads is not None:
        torch.set_num_threads(threads)
    # What OpenVINO would choose by itself for what NNCF leaves as it is.
    rest = "bf16" if has_bf16() else "f32"
    make: dict[str, tuple[Callable[..., Side], str, tuple[Any, ...]]] = {
        "plain-onnxruntime": (in_onnxruntime, "plain.onnx", ()),
        "plain-onnxruntime-int8": (in_onnxruntime, "plain-int8.onnx", ("dynamic int8",)),
        "plain-openvino": (in_openvino, "plain.onnx", ("f32",)),
        "plain-openvino-dynamic": (in_openvino, "plain-dynamic.onnx", ("f32",)),
        "plain-openvino-bf16": (in_openvino, "plain.onnx", ("bf16",)),
        "plain-openvino-bf16-dynamic": (in_openvino, "plain-dynamic.onnx", ("bf16",)),
        "plain-openvino-int8": (in_openvino, "plain-int8.xml", (rest, True)),
        "plain-openvino-int8-dynamic": (in_openvino, "plain-int8-dynamic.xml", (rest, True)),
    }
    side, file, arguments = make[name]
    return side(material, material.plain(file), threads, *arguments)
