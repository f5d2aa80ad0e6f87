"""The text encoder captured in a process of its own."""

from __future__ import annotations

import errno
import os
from dataclasses import replace

import pytest

from groupvit_export.checkpoint.load import build_model, load_checkpoint
from groupvit_export.data.bundled import DEMO_CHECKPOINT
from groupvit_export.errors import ExportError
from groupvit_export.graph.capture import capture_text_encoder
from groupvit_export.graph.encoders import TextEncoder
from groupvit_export.graph.text_capture import TextCapture
from groupvit_export.model import GroupViTModel


@pytest.fixture(scope="module")
def model() -> GroupViTModel:
    return build_model(load_checkpoint(DEMO_CHECKPOINT))


@pytest.mark.slow
def test_it_is_the_graph_that_this_process_would_capture(model: GroupViTModel) -> None:
    with TextCapture(TextEncoder(model), model.config) as capture:
        folder = capture._folder
        graph = capture.result()
    here = capture_text_encoder(TextEncoder(model), model.config.text_config.max_position_embeddings)
    assert graph.SerializeToString(deterministic=True) == here.SerializeToString(deterministic=True)
    assert not folder.exists()


@pytest.mark.slow
def test_a_failure_over_there_is_an_error_here(model: GroupViTModel) -> None:
    wrong = model.config.replace(text_config=replace(model.config.text_config, hidden_size=64))
    with (
        TextCapture(TextEncoder(model), wrong) as capture,
        pytest.raises(ExportError, match="could not be captured"),
    ):
        capture.result()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EMFILE, errno.EIO])
def test_what_the_system_refuses_over_there(
    model: GroupViTModel, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    with TextCapture(TextEncoder(model), model.config) as capture:
        capture._process.kill()
        capture._process.wait()
        lines = f"Traceback:\nOSError: [Errno {code}] {os.strerror(code)}: 'text.onnx'\n"
        monkeypatch.setattr(capture._process, "communicate", lambda: (None, lines))
        with pytest.raises(OSError, match=os.strerror(code)) as caught:
            capture.result()
    assert caught.value.errno == code


def test_leaving_early_stops_it_and_leaves_nothing(model: GroupViTModel) -> None:
    with TextCapture(TextEncoder(model), model.config) as capture:
        folder = capture._folder
    assert capture._process.returncode is not None
    assert not folder.exists()
