"""Of several image engines the C++ runtime takes the one that Python takes, and says so in the same words."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from cpp_runtime import CppError, CppSegmenter, Library, Status
from several_engines import with_alternatives

from groupvit_runtime import Segmenter


@pytest.mark.parametrize("precision", [None, "fp32", "int8"])
def test_the_same_is_taken(
    cpp_library: Library, demo_bundles: Mapping[str, Path], tmp_path: Path, precision: str | None
) -> None:
    bundle = with_alternatives(demo_bundles["openvino"], tmp_path / "bundle", "int8")
    python = Segmenter.load(bundle, precision=precision).engine_description
    assert CppSegmenter(cpp_library, bundle, precision=precision).engine == python


@pytest.mark.parametrize("precision", ["bf16", ""])
def test_what_is_not_there_is_refused(
    cpp_library: Library, demo_bundles: Mapping[str, Path], precision: str
) -> None:
    with pytest.raises(CppError, match="no image engine of this precision") as refused:
        CppSegmenter(cpp_library, demo_bundles["openvino"], precision=precision)
    assert refused.value.status is Status.USAGE
