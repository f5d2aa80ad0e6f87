"""Target `web`: what it offers; imports nothing heavy."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from groupvit_export.targets.base import Furnishing
from groupvit_export.targets.onnx.target import OnnxTarget
from groupvit_export.targets.options import TargetOptions
from groupvit_export.targets.requirements import TargetState, with_export
from groupvit_export.web.page import copy_page, is_built, require_page


class WebTarget(OnnxTarget):
    """A bundle that is a folder for any static file server: engines for ONNX Runtime Web, and their page."""

    def require(self) -> None:
        super().require()
        require_page()

    def furnish(self, folder: Path, of: Furnishing[TargetOptions]) -> None:
        copy_page(folder)

    def requirements(self) -> tuple[TargetState, ...]:
        there = is_built()
        return (with_export(self.name, "browser", there, there, () if there else ("make page",)),)


TARGET: Final = WebTarget(
    name="web",
    engine="onnx",
    summary="a page for any static file server, on ONNX Runtime Web: WebGPU or WebAssembly",
    precisions=("w16", "fp32", "int8"),
    # Half of what a browser fetches, and as fast.
    by_rule=("w16", "fp32"),
    Options=TargetOptions,
    typed=True,
    weight_bits=7,
    no_decode_in_graph="the page decodes",
)
