"""What is compared: engines of a bundle, and PyTorch itself in several dtypes."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from groupvit_export.errors import EngineError, UsageError
from groupvit_export.graph.encoders import ImageEncoder
from groupvit_export.graph.passes import apply_passes
from groupvit_export.model.groupvit import GroupViTModel
from groupvit_export.targets.inspection import Missing
from groupvit_export.verification.details import DeployableEncoder, EagerPyTorch
from groupvit_export.verification.reference import Arrays, Reference, assignments, image_outputs
from groupvit_export.verification.report import Column
from groupvit_kernels import grouping_attention_torch
from groupvit_runtime.contract import Preprocessing

DTYPES: Final[Mapping[str, torch.dtype]] = MappingProxyType(
    {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
)

Grouping = Callable[[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]], Arrays]
"""query [B, G, C], tokens [B, N, C], bias [B, G] to means, soft, index, count by name."""


Decoded = Callable[
    [NDArray[np.float32], NDArray[np.float32], tuple[int, int]], tuple[Arrays, NDArray[np.uint16]]
]


@dataclass(frozen=True)
class Backend:
    """Something that computes what the model computes.

    Attributes:
        column: its name, and what it is.
        image: pixel_values float32 [B, 3, H, W] to the image engine's outputs by name.
        text: input_ids int64 [B, L] to text_embeds float [B, P], not normalized.
        grouping: the grouping attention of every stage by itself, or why there is none.
        max_batch: the most images it takes at once; None where there is no limit.
        normalizes: how images must have been normalized, because the engine does it itself; None where any
            values can be run.
        decoded: of an engine that decodes: pixel_values, class embeddings float32 [K, P] and (height, width)
            to its outputs and the label maps uint16 [B, height, width].
    """

    column: Column
    image: Callable[[NDArray[np.float32]], Arrays]
    text: Callable[[NDArray[np.int64]], NDArray[Any]]
    grouping: tuple[Grouping, ...] | Missing
    max_batch: int | None = None
    normalizes: Preprocessing | None = None
    decoded: Decoded | None = None

    def takes(self, spec: Preprocessing) -> bool:
        """Whether images that are normalized like this can be run."""
        return self.normalizes is None or self.normalizes.normalizes_like(spec)


def in_batches(backend: Backend, pixel_values: NDArray[np.float32]) -> Arrays:
    """Outputs of any number of images, in as many runs as the backend needs."""
    size = backend.max_batch or len(pixel_values)
    runs = [backend.image(pixel_values[start : start + size]) for start in range(0, len(pixel_values), size)]
    return {name: np.concatenate([run[name] for run in runs]) for name in runs[0]}


def eager(model: GroupViTModel, precision: str) -> Backend:
    """The reference model run by PyTorch in the dtype of `precision`: what budgets are measured with.

    Raises:
        UsageError: PyTorch has no dtype for this precision.
    """
    if precision not in DTYPES:
        raise UsageError("PyTorch has no such dtype", got=precision, expected=", ".join(DTYPES))
    dtype = DTYPES[precision]
    own = copy.deepcopy(model).to(dtype).eval()

    def image(pixel_values: NDArray[np.float32]) -> Arrays:
        with torch.no_grad():
            return image_outputs(own, torch.from_numpy(pixel_values).to(dtype))

    def text(input_ids: NDArray[np.int64]) -> NDArray[Any]:
        with torch.no_grad():
            embeds: NDArray[Any] = own.get_text_features(torch.from_numpy(input_ids)).float().numpy()
        return embeds

    stages = len(model.config.vision_config.grouping_stages)
    grouping = _torch_grouping(dtype, model.config.vision_config.assign_eps)
    return Backend(
        Column(
            f"torch {precision}", EagerPyTorch(torch.__version__, precision), None, precision, device="cpu"
        ),
        image=image,
        text=text,
        grouping=(grouping,) * stages,
    )


def encoder_in_float64(model: GroupViTModel, image_size: tuple[int, int], passes: Sequence[str]) -> Backend:
    """The deployable encoder before capture, in float64: the algebra of the passes without any rounding."""
    encoder = ImageEncoder(model, image_size)
    apply_passes(encoder, passes)
    encoder = encoder.double()
    wide = copy.deepcopy(model).double().eval()
    names = encoder.output_names()

    def image(pixel_values: NDArray[np.float32]) -> Arrays:
        with torch.no_grad():
            values = encoder(torch.from_numpy(pixel_values).double())
        return {name: value.numpy() for name, value in zip(names, values, strict=True)}

    def text(input_ids: NDArray[np.int64]) -> NDArray[Any]:
        with torch.no_grad():
            embeds: NDArray[Any] = wide.get_text_features(torch.from_numpy(input_ids)).numpy()
        return embeds

    stages = len(model.config.vision_config.grouping_stages)
    grouping = _torch_grouping(torch.float64, model.config.vision_config.assign_eps)
    return Backend(
        Column(
            "encoder fp64", DeployableEncoder(torch.__version__, tuple(passes)), None, "fp64", device="cpu"
        ),
        image=image,
        text=text,
        grouping=(grouping,) * stages,
    )


def checked(backend: Backend, reference: Reference) -> Backend:
    """The same backend, which refuses outputs that cannot be compared, as an engine's own refusal.

    Raises:
        EngineError: when it is run: an output is missing or of another shape, or a token is in a group that
            does not exist.
    """

    def image(pixel_values: NDArray[np.float32]) -> Arrays:
        outputs = backend.image(pixel_values)
        for name, expected in reference.free(pixel_values).items():
            found = outputs.get(name)
            if found is None or found.shape != expected.shape:
                raise EngineError(
                    f"{name} cannot be compared",
                    got="no such output" if found is None else list(found.shape),
                    expected=list(expected.shape),
                )
        for stage, index in enumerate(assignments(outputs), 1):
            groups = outputs[f"soft_map_{stage}"].shape[1]
            if index.min() < 0 or index.max() >= groups:
                raise EngineError(
                    f"assignment_{stage} names a group that does not exist",
                    got=f"groups from {index.min()} to {index.max()}",
                    expected=f"0 to {groups - 1}",
                )
        return outputs

    return replace(backend, image=image)


def _torch_grouping(dtype: torch.dtype, eps: float) -> Grouping:
    def run(query: NDArray[np.float32], tokens: NDArray[np.float32], bias: NDArray[np.float32]) -> Arrays:
        inputs = (torch.from_numpy(array).to(dtype) for array in (query, tokens, bias))
        means, soft, index, count = grouping_attention_torch.grouping_attention(*inputs, eps)
        return {"means": means.numpy(), "soft": soft.numpy(), "index": index.numpy(), "count": count.numpy()}

    return run
