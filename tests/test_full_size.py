"""The published architecture with random weights, on real photographs: shapes, sizes and parity.

Masks of random weights mean nothing; what is shown here is that the full size goes through.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from safetensors.torch import save_file

from groupvit_export.checkpoint.tokenizer import from_clip_table
from groupvit_export.model import GroupViTModel
from groupvit_export.model.config import GroupViTConfig
from groupvit_export.pipeline.api import ExportOptions, export_bundle
from groupvit_export.provenance import ParitySummary
from groupvit_runtime import Segmenter

LABELS = ["a cat", "a person", "a cup of coffee", "the background"]
PHOTOGRAPHS = {"astronaut": (512, 512), "cat": (300, 451), "coffee": (400, 600)}


@pytest.fixture(scope="session")
def full_size_checkpoint(tmp_path_factory: pytest.TempPathFactory, clip_merges: Path) -> Path:
    """A Hugging Face folder of the published size, CLIP's tokenizer included."""
    folder = tmp_path_factory.mktemp("full-size")
    torch.manual_seed(0)
    model = GroupViTModel(GroupViTConfig()).eval()
    # As large as trained ones: position embeddings start at zero, and would leave nothing to interpolate.
    torch.nn.init.normal_(model.vision_model.embeddings.position_embeddings, std=0.02)
    save_file(
        {name: value.contiguous() for name, value in model.state_dict().items()}, folder / "model.safetensors"
    )
    model.config.to_json_file(folder / "config.json")
    from_clip_table(clip_merges).save(str(folder / "tokenizer.json"))
    # What the published checkpoints' preprocessor_config.json says.
    (folder / "preprocessor_config.json").write_text(
        json.dumps(
            {
                "image_processor_type": "CLIPImageProcessor",
                "size": {"shortest_edge": 224},
                "crop_size": {"height": 224, "width": 224},
                "do_center_crop": True,
                "resample": 3,
                "image_mean": [0.48145466, 0.4578275, 0.40821073],
                "image_std": [0.26862954, 0.26130258, 0.27577711],
            }
        )
    )
    return folder


def check_parity(parity: ParitySummary) -> None:
    assert parity.verdict == "PASS", parity
    flips = [row for row in parity.rows if row.name.endswith("flips")]
    assert flips and all(row.value == 0 for row in flips)


@pytest.mark.slow
@pytest.mark.parametrize("target", ["onnx", "openvino"])
def test_photographs_at_224(full_size_checkpoint: Path, tmp_path: Path, target: str) -> None:
    result = export_bundle(
        ExportOptions(
            target=target, precision="fp32", checkpoint=str(full_size_checkpoint), output=tmp_path / "bundle"
        )
    )
    check_parity(result.provenance.parity)
    segmenter = Segmenter.load(result.path)
    vocabulary = segmenter.vocabulary(LABELS)
    assert vocabulary.templates == ("a photo of a {}.",)
    for name, size in PHOTOGRAPHS.items():
        segmented = segmenter(getattr(skimage.data, name)(), vocabulary)
        assert segmented.labels.shape == segmented.groups().shape == size
        assert segmented.labels.max() < len(LABELS)
        assert segmented.overlay().width % size[1] == 0


@pytest.mark.slow
def test_sliding_windows_at_448(full_size_checkpoint: Path, tmp_path: Path) -> None:
    result = export_bundle(
        ExportOptions(
            target="openvino",
            precision="fp32",
            checkpoint=str(full_size_checkpoint),
            image_size=(448, 448),
            decode="paper",
            output=tmp_path / "bundle",
        )
    )
    check_parity(result.provenance.parity)
    assert result.manifest.decode.paper.window.stride == 224
    assert result.manifest.decode.paper.window.long_side_max == 2048
    segmenter = Segmenter.load(result.path)
    photograph = np.asarray(np.broadcast_to(skimage.data.coffee(), (400, 600, 3)))
    segmented = segmenter(photograph, LABELS, background_threshold=0.95)
    assert segmented.names[0] == "background"
    assert segmented.labels.shape == (400, 600)
    # 600x400 becomes 672x448, which two windows cover.
    assert segmented.groups().max() >= 8
