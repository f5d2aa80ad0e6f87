"""The functions of the package."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import groupvit_export
import groupvit_export.pipeline.api as pipeline
import groupvit_export.verification.api as verification
from groupvit_export import ExportOptions, VerifyOptions, export, load_model, verify
from groupvit_export.errors import CheckpointError, UsageError


def test_everything_that_is_promised_is_there() -> None:
    assert ExportOptions is pipeline.ExportOptions and VerifyOptions is verification.VerifyOptions
    for name in groupvit_export.__all__:
        assert getattr(groupvit_export, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'import_bundle'"):
        groupvit_export.import_bundle  # noqa: B018


def test_the_model_is_the_demo_by_default_and_takes_other_sizes() -> None:
    model = load_model()
    assert not model.training
    with torch.no_grad():
        outputs = model(torch.tensor([[1, 2, 3]]), torch.zeros(2, 3, 64, 96))
    assert outputs.logits_per_image.shape == (2, 1)
    with pytest.raises(CheckpointError, match="no checkpoint at /no/such/place"):
        load_model("/no/such/place")


def test_arguments_are_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []

    def stop(options: object, checkpoint: object) -> None:
        seen.append(options)
        raise ZeroDivisionError

    monkeypatch.setattr(pipeline, "load_source", stop)
    monkeypatch.setattr(pipeline, "check_replaceable", lambda path, force: None)
    options = ExportOptions(target="onnx", precision="fp32", output=Path("nowhere"))
    said: list[str] = []
    with pytest.raises(ZeroDivisionError):
        export(options, progress=said.append)
    assert seen == [options] and said == ["load the checkpoint ..."]


def test_verify_passes_its_options_on(demo_bundle: Path) -> None:
    with pytest.raises(UsageError, match="abacus"):
        verify(demo_bundle, VerifyOptions(targets=("abacus",)))
