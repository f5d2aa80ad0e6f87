"""The parts of a manifest that are read off the model, the graphs and the files of a bundle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import onnx

from groupvit_export.errors import CheckpointError, ExportError
from groupvit_export.graph import checks
from groupvit_export.model.groupvit import GroupViTModel
from groupvit_runtime.manifest import (
    DecodeName,
    EngineInfo,
    FileInfo,
    ModelInfo,
    QuantizationInfo,
    Role,
    TensorInfo,
    TensorRTInfo,
)
from groupvit_runtime.tokenizer import Tokenizer


def engine_info(
    graph: onnx.ModelProto,
    folder: Path,
    *,
    role: Role,
    target: str,
    precision: str,
    files: tuple[str, ...],
    versions: Mapping[str, str],
    hardware: str,
    source: str | None,
    tensorrt: TensorRTInfo | None,
    inputs: tuple[TensorInfo, ...] | None = None,
    outputs: tuple[TensorInfo, ...] | None = None,
    normalizes: DecodeName | None = None,
    quantization: QuantizationInfo | None = None,
) -> EngineInfo:
    """Describe an engine that was built from `graph` into `files` of `folder`."""
    return EngineInfo(
        role=role,
        target=target,
        precision=precision,
        files=tuple(FileInfo.of(folder, name) for name in files),
        inputs=inputs or checks.tensor_infos(graph.graph.input),
        outputs=outputs or checks.tensor_infos(graph.graph.output),
        versions=dict(versions),
        hardware=hardware,
        source=None if source is None else FileInfo.of(folder, source),
        tensorrt=tensorrt,
        normalizes=normalizes,
        quantization=quantization,
    )


def model_info(model: GroupViTModel, image_size: tuple[int, int], tokenizer: Path) -> ModelInfo:
    """Dimensions for the runtime, after checking that `tokenizer` belongs to the text encoder.

    Raises:
        CheckpointError: it has more tokens than the encoder has embeddings.
        ExportError: sentences would be pooled elsewhere than at their end.
    """
    vision, text = model.config.vision_config, model.config.text_config
    return ModelInfo(
        image_size=image_size,
        patch_size=vision.patch_size,
        grid=(image_size[0] // vision.patch_size, image_size[1] // vision.patch_size),
        groups=tuple(vision.num_output_groups[stage] for stage in vision.grouping_stages),
        projection_dim=model.config.projection_dim,
        logit_scale=float(model.logit_scale.detach()),
        text_max_length=text.max_position_embeddings,
        text_pad_id=_end_of_text(model, tokenizer),
    )


def _end_of_text(model: GroupViTModel, path: Path) -> int:
    """Id that ends a sentence, after checking that tokenizer and text encoder belong together."""
    config = model.config.text_config
    tokenizer = Tokenizer(path, max_length=config.max_position_embeddings, pad_id=0)
    if tokenizer.vocab_size > config.vocab_size:
        raise CheckpointError(
            "the tokenizer knows more tokens than the text encoder",
            got=f"{tokenizer.vocab_size} tokens",
            expected=f"at most {config.vocab_size}",
            fix="--tokenizer PATH with the tokenizer the checkpoint was trained with",
        )
    sentence = tokenizer.encode(["a"])[0].tolist()
    end = int(sentence[-1])
    pooled = max(sentence) if config.pools_highest_id else config.eos_token_id
    if end != pooled:
        raise ExportError(
            "the text encoder would not be read at the end of the sentence",
            got=f"sentences end with id {end}, the encoder pools at id {pooled}",
            expected="one id; with eos_token_id 2 the encoder pools at the highest id",
            fix="--tokenizer PATH with the tokenizer the checkpoint was trained with, "
            "or correct eos_token_id in its config.json",
        )
    return end
