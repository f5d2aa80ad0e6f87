"""What is compared: a table of names, and what a name becomes when it is set up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

LabelMap = NDArray[np.integer[Any]]
Outputs = Mapping[str, NDArray[np.float32]]

ENGINE_OUTPUTS: Final = ("image_embeds", "group_embeds", "masks")
"""What an image engine hands over; the names are those of the bundles."""


@dataclass(frozen=True)
class SideInfo:
    """One row of the tables.

    Attributes:
        title: for people.
        exact: computes in float32, hence has to agree with the others; False: the agreement is recorded.
        engine: whether it has an image engine of its own; a row that differs by its text only has not.
        bf16: computes in bf16; not run where the processor has none, for OpenVINO and torch emulate it there.
        needs: a module or program without which it is not run; empty for none.
    """

    title: str
    exact: bool = True
    engine: bool = True
    bf16: bool = False
    needs: str = ""


OURS: Final = ("ours-openvino", "ours-onnxruntime")
"""They always run; the others are held against them."""

BUNDLES: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "ours-openvino": ("openvino", "fp32"),
        "ours-onnxruntime": ("onnx", "fp32"),
        "ours-openvino-bf16": ("openvino", "bf16"),
        "ours-openvino-int8": ("openvino", "int8"),
        "ours-onnxruntime-int8": ("onnx", "int8"),
    }
)
"""Target and precision of every side that is a bundle."""

SIDES: Final[Mapping[str, SideInfo]] = MappingProxyType(
    {
        "ours-openvino": SideInfo("bundle, OpenVINO"),
        "ours-onnxruntime": SideInfo("bundle, ONNX Runtime"),
        "ours-openvino-bf16": SideInfo("bundle, OpenVINO bf16", exact=False, bf16=True),
        "ours-openvino-int8": SideInfo("bundle, OpenVINO int8", exact=False, needs="nncf"),
        "ours-onnxruntime-int8": SideInfo("bundle, ONNX Runtime int8", exact=False, needs="nncf"),
        "transformers": SideInfo("transformers eager, as users call it", engine=False),
        "transformers-cached": SideInfo("transformers eager, cached text"),
        "transformers-bf16": SideInfo(
            "transformers bf16, as users call it", exact=False, bf16=True, engine=False
        ),
        "transformers-bf16-cached": SideInfo("transformers bf16, cached text", exact=False, bf16=True),
        "transformers-compiled": SideInfo("transformers, torch.compile, cached text", needs="g++"),
        "plain-onnxruntime": SideInfo("plain ONNX export, ONNX Runtime"),
        "plain-openvino": SideInfo("plain ONNX export, OpenVINO f32"),
        "plain-openvino-bf16": SideInfo("plain ONNX export, OpenVINO bf16", exact=False, bf16=True),
        "plain-openvino-int8": SideInfo("plain ONNX export, NNCF int8, OpenVINO", exact=False, needs="nncf"),
    }
)


@dataclass(frozen=True)
class Side:
    """A side that is ready to be timed.

    Attributes:
        image: the JPEG file in, the label map at the image's size out.
        engine: pixel values in, what the engine's own library returns out; None where the row has no engine.
        outputs: the same as arrays by the names of `ENGINE_OUTPUTS`, for the check, not for the clock.
        runs: library, version and precision that are really in use.
        setup_s: seconds that compiling or converting took.
    """

    image: Callable[[], LabelMap]
    engine: Callable[[], object] | None
    outputs: Callable[[], Outputs] | None
    runs: str
    setup_s: float = 0.0


def chosen(
    only: str | None, installed: Callable[[str], bool], has_bf16: bool
) -> tuple[list[str], dict[str, str]]:
    """Which sides run, and why the others do not.

    Args:
        only: names with commas between them; None for all. The bundles in fp32 always run, for the others
            are compared with them.
        installed: whether there is such a module or program.
        has_bf16: whether the processor multiplies in bf16.

    Returns:
        Names in the order of the table, and reasons by name.

    Raises:
        ValueError: a name that is not in the table.
    """
    asked = None if only is None else {name.strip() for name in only.split(",") if name.strip()}
    if asked is not None and (unknown := sorted(asked - SIDES.keys())):
        raise ValueError(f"no such side: {', '.join(unknown)}; there are {', '.join(SIDES)}")
    names, reasons = [], {}
    for name, info in SIDES.items():
        if asked is not None and name not in asked and name not in OURS:
            reasons[name] = "not asked for"
        elif info.bf16 and not has_bf16:
            reasons[name] = "the processor has no bf16"
        elif info.needs and not installed(info.needs):
            reasons[name] = f"{info.needs} is not installed"
        else:
            names.append(name)
    return names, reasons
