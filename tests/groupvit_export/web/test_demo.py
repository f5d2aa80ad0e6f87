"""`groupvit demo`, and the bundle that `--target web` writes."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import onnx
import pytest

from groupvit_export.cli import main
from groupvit_export.pipeline.api import ExportOptions, export_bundle
from groupvit_export.web.page import is_built

needs_page = pytest.mark.skipif(not is_built(), reason="the page is not built: make page")


@pytest.mark.slow
@needs_page
def test_a_bundle_for_the_web_is_a_bundle_with_a_page(
    tmp_path: Path, demo_bundles: Mapping[str, Path]
) -> None:
    result = export_bundle(ExportOptions(target="web", precision="w16", output=tmp_path / "web"))
    assert result.manifest.verdict == "PASS"
    assert {engine.target for engine in result.manifest.engines} == {"onnx"}
    assert all((result.path / name).is_file() for name in ("index.html", "sample.png", "manifest.json"))
    # Half of what it is in float32, and computed in float32 all the same.
    size = (result.path / "image.onnx").stat().st_size
    assert size < 0.52 * (demo_bundles["onnx"] / "image.onnx").stat().st_size
    graph = onnx.load(result.path / "image.onnx").graph
    assert {
        node.attribute[0].i
        for node in graph.node
        if node.op_type == "Cast" and node.name.endswith(".w16.cast")
    } == {onnx.TensorProto.FLOAT}
    assert main(["inspect", str(result.path), "--quiet"]) == 0


@needs_page
def test_the_demo_is_served_until_it_is_interrupted(demo_bundles: Mapping[str, Path]) -> None:
    command = [sys.executable, "-m", "groupvit_export", "demo", str(demo_bundles["onnx"])]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # What is started in the background of a shell ignores it, and so does what that starts.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(2)]
        address = re.search(r"http://127\.0\.0\.1:\d+/", "".join(lines))
        assert address is not None
        connection = HTTPConnection(urlsplit(address[0]).netloc, timeout=10)
        connection.request("GET", "/manifest.json")
        assert connection.getresponse().status == 200
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=30)
    assert (process.returncode, error) == (0, "")


@needs_page
def test_a_bundle_of_other_engines_is_refused(
    demo_bundles: Mapping[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", str(demo_bundles["openvino"])]) == 2
    error = capsys.readouterr().err
    assert "a bundle for openvino" in error and "groupvit export --target web" in error
