"""What is compared: a table of names, and what a name becomes when it is set up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

LabelMap = NDArray[np.integer[Any]]
Outputs = Mapping[str, NDArray[np.float32]]
Precision = Literal["float32", "bf16", "int8"]

PRECISIONS: Final[tuple[Precision, ...]] = ("float32", "bf16", "int8")

ENGINE_OUTPUTS: Final = ("image_embeds", "group_embeds", "masks")
"""What an image engine hands over; the names are those of the bundles."""

DEFAULT: Final = "ours-default"
REFERENCE: Final = "transformers-cached"
"""Whose label maps the others' are held against."""
ALWAYS: Final = (DEFAULT, REFERENCE)


@dataclass(frozen=True)
class SideInfo:
    """One row of the tables.

    Attributes:
        title: for people.
        precision: that it computes in; None where the export chooses.
        engine: whether it has an image engine of its own; a row that differs by its text only has not.
        needs: a module or program without which it is not run; empty for none.
        never: why it cannot be run at all; empty where it can.
    """

    title: str
    precision: Precision | None = "float32"
    engine: bool = True
    needs: str = ""
    never: str = ""


@dataclass(frozen=True)
class BundleInfo:
    """What is exported: a target, and the precision or None for the default."""

    target: str
    precision: str | None


BUNDLES: Final[Mapping[str, BundleInfo]] = MappingProxyType(
    {
        DEFAULT: BundleInfo("openvino", None),
        "ours-openvino": BundleInfo("openvino", "fp32"),
        "ours-onnxruntime": BundleInfo("onnx", "fp32"),
        "ours-openvino-bf16": BundleInfo("openvino", "bf16"),
        "ours-openvino-int8": BundleInfo("openvino", "int8"),
        "ours-onnxruntime-int8": BundleInfo("onnx", "int8"),
    }
)
"""Every side that is a bundle."""

_OPTIMUM: Final = (
    "optimum-onnx 0.1.0 wants transformers below 4.58 and cannot be installed beside the other sides, and "
    "its export of GroupViT ends at one embedding an image, without soft maps: there is no label map"
)

SIDES: Final[Mapping[str, SideInfo]] = MappingProxyType(
    {
        DEFAULT: SideInfo("bundle, OpenVINO, default export", None),
        "ours-openvino": SideInfo("bundle, OpenVINO"),
        "ours-onnxruntime": SideInfo("bundle, ONNX Runtime"),
        "ours-openvino-bf16": SideInfo("bundle, OpenVINO bf16", "bf16"),
        "ours-openvino-int8": SideInfo("bundle, OpenVINO int8", "int8", needs="nncf"),
        "ours-onnxruntime-int8": SideInfo("bundle, ONNX Runtime int8", "int8", needs="nncf"),
        "transformers": SideInfo("transformers eager, as users call it", engine=False),
        REFERENCE: SideInfo("transformers eager, cached text"),
        "transformers-compiled": SideInfo("transformers, torch.compile, cached text", needs="g++"),
        "transformers-bf16": SideInfo("transformers bf16, as users call it", "bf16", engine=False),
        "transformers-bf16-cached": SideInfo("transformers bf16, cached text", "bf16"),
        "transformers-bf16-compiled": SideInfo(
            "transformers bf16, torch.compile with freezing, cached text", "bf16", needs="g++"
        ),
        "plain-onnxruntime": SideInfo("plain ONNX export, ONNX Runtime"),
        "plain-onnxruntime-int8": SideInfo("plain ONNX export, ONNX Runtime's dynamic int8", "int8"),
        "plain-openvino": SideInfo("plain ONNX export, OpenVINO, static"),
        "plain-openvino-dynamic": SideInfo("plain ONNX export, OpenVINO, dynamic batch"),
        "plain-openvino-bf16": SideInfo("plain ONNX export, OpenVINO bf16, static", "bf16"),
        "plain-openvino-bf16-dynamic": SideInfo("plain ONNX export, OpenVINO bf16, dynamic batch", "bf16"),
        "plain-openvino-int8": SideInfo(
            "plain ONNX export, NNCF int8, OpenVINO, static", "int8", needs="nncf"
        ),
        "plain-openvino-int8-dynamic": SideInfo(
            "plain ONNX export, NNCF int8, OpenVINO, dynamic batch", "int8", needs="nncf"
        ),
        "optimum": SideInfo("Optimum's ONNX export", never=_OPTIMUM),
    }
)


@dataclass(frozen=True)
class Side:
    """A side that is ready to be timed, in a process of its own.

    Attributes:
        calls: what is timed, by name: "image" takes the JPEG file to the label map at the image's size,
            "engine" pixel values to what the engine's own library returns.
        label: an image file to its label map, for the check; None where there is none.
        outputs: of the engine for the JPEG file, by the names of `ENGINE_OUTPUTS`, for the check.
        runs: library, version and precision that are really in use.
        setup_s: seconds that loading, compiling or converting took.
        facts: of the side, for the record.
    """

    calls: Mapping[str, Callable[[], object]]
    label: Callable[[Path], LabelMap] | None = None
    outputs: Callable[[], Outputs] | None = None
    runs: str = ""
    setup_s: float = 0.0
    facts: Mapping[str, object] = field(default_factory=dict)


def chosen(
    only: set[str] | None, installed: Callable[[str], bool], has_bf16: bool
) -> tuple[list[str], dict[str, str]]:
    """Which sides run, and why the others do not.

    Args:
        only: names of `SIDES`; None for all. Those of `ALWAYS` always run, for the others are compared with
            them.
        installed: whether there is such a module or program.
        has_bf16: whether the processor multiplies in bf16; OpenVINO and torch emulate it elsewhere.

    Returns:
        Names in the order of the table, and reasons by name.
    """
    names, reasons = [], {}
    for name, info in SIDES.items():
        if info.never:
            reasons[name] = info.never
        elif only is not None and name not in only and name not in ALWAYS:
            reasons[name] = "not asked for"
        elif info.precision == "bf16" and not has_bf16:
            reasons[name] = "the processor has no bf16"
        elif info.needs and not installed(info.needs):
            reasons[name] = f"{info.needs} is not installed"
        else:
            names.append(name)
    return names, reasons


def precision_of(runs: str) -> Precision:
    """What an engine of ours computes in, by its own description."""
    return next((name for name in ("int8", "bf16") if name in runs), "float32")  # type: ignore[return-value]
