"""What the site's navigation has: headings, and the pages below them, as the clone names them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

NAVIGATION: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "Tutorial": ("docs/tutorial.md",),
        "How to": (
            "docs/install.md",
            "docs/export.md",
            "docs/precision.md",
            "docs/half.md",
            "docs/tensorrt.md",
            "docs/torch.md",
            "docs/litert.md",
            "docs/web.md",
            "docs/serving.md",
            "docs/triton.md",
            "docs/docker.md",
            "docs/bulk.md",
            "docs/segment.md",
            "docs/outputs.md",
            "docs/images.md",
            "docs/python.md",
            "docs/cpp.md",
            "docs/evaluation.md",
            "docs/benchmarking.md",
            "docs/gpu.md",
            "docs/kernels.md",
        ),
        "Reference": (
            "docs/commands.md",
            "docs/api.md",
            "docs/c-api.md",
            "docs/bundle.md",
            "docs/manifest.md",
            "docs/errors.md",
            "docs/network-and-files.md",
        ),
        "Explanation": ("docs/parity.md", "docs/architecture.md", "docs/benchmarks.md"),
        "Examples": (
            "examples/notebooks/README.md",
            "examples/shapes/README.md",
            "examples/space/README.md",
            "examples/tensorflow/README.md",
            "kernels/cuda/README.md",
        ),
        "Project": (
            "README.md",
            "CHANGELOG.md",
            "CONTRIBUTING.md",
            "SECURITY.md",
            "groupvit_export/data/demo/README.md",
        ),
    }
)

INDEX: Final = "docs/README.md"
"""The front page."""
