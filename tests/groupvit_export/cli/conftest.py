"""A bundle and an image, as they are typed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest


@pytest.fixture
def bundle(demo_bundles: Mapping[str, Path]) -> str:
    return str(demo_bundles["openvino"])


@pytest.fixture
def image(scenes) -> str:
    return str(scenes.image(0))
