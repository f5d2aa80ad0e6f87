"""What a manifest records, against what the checkpoint says: dimensions, constants, preprocessing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

import numpy as np
from numpy.typing import NDArray

from groupvit_export.errors import CheckpointError
from groupvit_export.model.groupvit import GroupViTModel
from groupvit_export.verification.cells import MaxError, count_cell
from groupvit_export.verification.decisions import output_error
from groupvit_export.verification.details import Difference, Differences
from groupvit_export.verification.report import Cell, Place
from groupvit_export.verification.rows import RowKey, RowKind
from groupvit_export.verification.specification import VerificationSpec
from groupvit_runtime.manifest import ModelInfo, Preprocessings
from groupvit_runtime.open_bundle import OpenBundle
from groupvit_runtime.preprocess import prepare_whole, prepare_windows
from groupvit_runtime.windows import plan_windows


def check_architecture(model: GroupViTModel, recorded: ModelInfo) -> None:
    """Refuse a checkpoint whose outputs have other shapes than the bundle's.

    Raises:
        CheckpointError: a dimension differs.
    """
    expected = _dimensions(model)
    given = {name: getattr(recorded, name) for name in expected}
    if given != expected:
        raise CheckpointError(
            "the checkpoint is of another architecture than the bundle",
            got=expected,
            expected=given,
            fix="--against the checkpoint that the bundle was exported from",
        )


def manifest_cells(
    subject: VerificationSpec, bundle: OpenBundle, images: Mapping[str, NDArray[np.uint8]]
) -> dict[RowKey, Cell]:
    """The rows `constants` and `pixel_values`; nothing may differ.

    Args:
        subject: what the checkpoint says.
        bundle: whose manifest is judged.
        images: uint8 [H, W, 3] by name, which are prepared both ways.
    """
    return {
        RowKey(RowKind.CONSTANTS): _constants_cell(subject, bundle),
        RowKey(RowKind.PIXEL_VALUES): _pixel_values_cell(subject, bundle.manifest.preprocessing, images),
    }


def _dimensions(model: GroupViTModel) -> dict[str, object]:
    vision = model.config.vision_config
    return {
        "patch_size": vision.patch_size,
        "groups": tuple(vision.num_output_groups[stage] for stage in vision.grouping_stages),
        "projection_dim": model.config.projection_dim,
    }


def _constants_cell(subject: VerificationSpec, bundle: OpenBundle) -> Cell:
    model, decode = bundle.manifest.model, bundle.manifest.decode
    rows, columns = (side // model.patch_size for side in model.image_size)
    pairs = {
        "logit_scale": (model.logit_scale, subject.logit_scale),
        "grid": (model.grid, (rows, columns)),
        "text_max_length": (
            model.text_max_length,
            subject.model.config.text_config.max_position_embeddings,
        ),
        "decode.paper": (decode.paper, subject.paper),
    }
    wrong = tuple(Difference(name, *pair) for name, pair in pairs.items() if pair[0] != pair[1])
    first = Place("manifest", wrong[0].name, ()) if wrong else None
    return count_cell(len(wrong), first, Differences(wrong))


def _pixel_values_cell(
    subject: VerificationSpec, given: Preprocessings, images: Mapping[str, NDArray[np.uint8]]
) -> Cell:
    worst = MaxError()
    expected = subject.contracts
    differences = _differences(expected, given)
    for name, rgb in images.items():
        pairs = {
            "hf": tuple(
                prepare_whole(rgb, subject.image_size, spec)[None] for spec in (expected.hf, given.hf)
            )
        }
        if subject.paper is not None:
            plan = plan_windows((rgb.shape[0], rgb.shape[1]), subject.paper.window)
            pairs["paper"] = tuple(prepare_windows(rgb, spec, plan) for spec in (expected.paper, given.paper))
        for decode, (ours, theirs) in pairs.items():
            error, where = output_error(theirs, ours.astype(np.float64))
            worst.update(error, 0.0, Place(f"{name}, {decode}", "pixel_values", where))
    return worst.cell(detail=differences)


def _differences(expected: Preprocessings, given: Preprocessings) -> Differences:
    found = []
    for decode in ("hf", "paper"):
        ours, theirs = getattr(expected, decode), getattr(given, decode)
        found += [
            Difference(f"{decode} {field.name}", getattr(theirs, field.name), getattr(ours, field.name))
            for field in fields(ours)
            if getattr(ours, field.name) != getattr(theirs, field.name)
        ]
    return Differences(tuple(found))
