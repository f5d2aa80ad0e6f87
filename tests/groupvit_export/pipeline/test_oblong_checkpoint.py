"""An NVlabs file of a model that was trained on oblong images, with as many patches as a square one has."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from nvlabs_names import from_canonical

from groupvit_export.checkpoint.load import load_checkpoint
from groupvit_export.cli import main
from groupvit_export.errors import UsageError
from groupvit_export.model.config import GroupViTConfig, GroupViTTextConfig, GroupViTVisionConfig
from groupvit_export.model.groupvit import GroupViTModel
from groupvit_export.pipeline.api import ExportOptions, export_bundle
from groupvit_runtime import Segmenter

TALL = (512, 128)


@pytest.fixture(scope="module")
def tall(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`tall.pth`, whose 32 x 8 positions could be 16 x 16, and `tall.json` beside it."""
    folder = tmp_path_factory.mktemp("tall")
    text = GroupViTTextConfig(
        hidden_size=64, intermediate_size=96, num_hidden_layers=1, num_attention_heads=1
    )
    vision = GroupViTVisionConfig(
        hidden_size=64,
        intermediate_size=96,
        depths=(1, 1, 1),
        num_hidden_layers=3,
        num_group_tokens=(6, 4, 0),
        num_output_groups=(6, 4, 4),
        num_attention_heads=1,
        image_size=TALL,
        assign_mlp_ratio=(0.25, 3),
    )
    config = GroupViTConfig.from_text_vision_configs(
        text, vision, projection_dim=20, projection_intermediate_dim=28
    )
    torch.manual_seed(0)
    model = GroupViTModel(config)
    torch.nn.init.normal_(model.vision_model.embeddings.position_embeddings)
    config.to_json_file(folder / "tall.json")
    torch.save({"model": from_canonical(model.state_dict())}, folder / "tall.pth")
    return folder


def test_its_shape_is_assumed_and_that_is_said(tall: Path) -> None:
    (line,) = load_checkpoint(tall / "tall.pth").notes
    assert "256x256" in line and "--config" in line


def test_the_paper_decode_is_refused(tall: Path, clip_merges: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"512x128"):
        export_bundle(_options(tall, clip_merges, tmp_path / "bundle", decode="paper"))


@pytest.mark.slow
def test_with_its_configuration_it_is_exported_and_passes(
    tall: Path, clip_merges: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = export_bundle(_options(tall, clip_merges, tmp_path / "bundle"))
    assert result.manifest.model.image_size == TALL
    assert result.manifest.decode.default == "hf" and result.manifest.decode.paper is None
    assert main(["verify", str(result.path), "--limit", "1", "--config", str(tall / "tall.json")]) == 0
    out = capsys.readouterr().out
    assert "PASS" in out
    segmenter = Segmenter.load(result.path)
    assert segmenter(np.zeros((40, 30, 3), np.uint8), ["a", "b"]).labels.shape == (40, 30)
    with pytest.raises(UsageError, match="512x128"):
        Segmenter.load(result.path, decode="paper")(np.zeros((40, 30, 3), np.uint8), ["a", "b"])


def _options(tall: Path, merges: Path, output: Path, **more: str) -> ExportOptions:
    return ExportOptions(
        target="onnx",
        precision="fp32",
        checkpoint=str(tall / "tall.pth"),
        config=tall / "tall.json",
        tokenizer=merges,
        output=output,
        **more,
    )
