"""The records of `provenance.json`: how a bundle came to be."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from groupvit_runtime.manifest import Role, SchemaVersion, Verdict
from groupvit_runtime.serialize import ADDED_LATER

FORMAT: Final = "groupvit-provenance"
SCHEMA_VERSION: Final = SchemaVersion(1, 1)


@dataclass(frozen=True)
class CheckpointInfo:
    """Where the weights came from: a folder, hub id or `.pth`, and its kind; the manifest has their hash."""

    source: str
    format: str


@dataclass(frozen=True)
class Float32Nodes:
    """Graph nodes that stayed in float32 in an engine of a lower precision, and why."""

    reason: str
    nodes: tuple[str, ...]


@dataclass(frozen=True)
class QuantizedLayer:
    """A layer that int8 was tried on.

    Attributes:
        name: of its node in the graph.
        quantized: False where it was given back to a higher precision.
        sensitivity: percent of the judged pixels that take another class when it alone is quantized; None
            where that was not measured.
    """

    name: str
    quantized: bool
    sensitivity: float | None


@dataclass(frozen=True)
class Calibration:
    """The images that int8 was made with: every second one for the ranges, the others to judge it.

    Attributes:
        source: "bundled" for the scenes that the exporter ships, "folder" for images that it was given.
        folder: as it was given; None where the source is "bundled".
        has_masks: whether mean IoU was measured against masks; else against the label maps of fp32.
        images: how many gave the ranges.
        ranked: on how many of these the sensitivity of layers was measured.
        held_out: how many others int8 was judged on.
    """

    source: Literal["bundled", "folder"]
    folder: str | None
    has_masks: bool
    images: int
    ranked: int
    held_out: int


@dataclass(frozen=True)
class LabelLimits:
    """What int8 may cost in label maps.

    Attributes:
        max_miou_drop: points (percent) of mean IoU that may be lost against fp32.
        min_agreement: percent of the pixels that must have fp32's class.
    """

    max_miou_drop: float
    min_agreement: float


@dataclass(frozen=True)
class QuantizationRecord:
    """How an engine became int8.

    Attributes:
        method: tool, version and settings, in words.
        calibration: the images that it was made with.
        budget: that its label maps were held to.
        layers: all that were tried, in the order of the graph.
    """

    method: str
    calibration: Calibration
    budget: LabelLimits
    layers: tuple[QuantizedLayer, ...]

    @property
    def quantized(self) -> int:
        """How many of the layers are in int8."""
        return sum(layer.quantized for layer in self.layers)


@dataclass(frozen=True)
class EngineProvenance:
    """How an engine was made.

    Attributes:
        role: of the engine.
        kept: what stayed in float32; empty for fp32.
        quantization: of int8 only.
    """

    role: Role
    kept: tuple[Float32Nodes, ...] = ()
    quantization: QuantizationRecord | None = None


@dataclass(frozen=True)
class ParityRow:
    """One output or decision of the engine, compared with the PyTorch reference.

    Attributes:
        name: "stage_1_logits", "masks"; `docs/parity.md` has them all.
        verdict: None where the row was not run or only informs.
        value: what was measured; None where it was not run, or is not finite.
        budget: what it may be at most; None where the row only informs.
        detail: the rest, in words.
    """

    name: str
    verdict: Verdict | None
    value: float | None
    budget: float | None
    detail: str

    def __post_init__(self) -> None:
        # JSON has no infinity.
        if self.value is not None and not math.isfinite(self.value):
            object.__setattr__(self, "value", None)


@dataclass(frozen=True)
class ParitySummary:
    """Comparison with the PyTorch reference made at export.

    Attributes:
        verdict: the worst of the rows. FAIL is there only if the export was told to allow it.
        cases: what was run.
        rows: in the order in which the model computes.
        first: where it first left its budget, in words; None where it did not.
        substitute: what was run in place of the engine, in words; None where the engine itself ran.
    """

    verdict: Verdict
    cases: tuple[str, ...]
    rows: tuple[ParityRow, ...]
    first: str | None
    substitute: str | None = None


@dataclass(frozen=True)
class PrecisionRow:
    """One precision of the model, measured by the export on the same images as the others.

    Attributes:
        precision: "fp32" or what was exported.
        verdict: of the comparison with the reference.
        miou: mean IoU in percent: against masks where the images have some, else against the label maps of
            fp32; None where it was not measured.
        agreement: percent of the pixels with the class that fp32 gives them; None where it was not measured.
        latency_ms: median of the image engine at batch 1, all precisions taking turns; None where it was not
            measured.
        detail: what it was measured on, in words.
        ratio: of the latency to that of fp32, the median over rounds of a call each. Since 1.1.
        spread: half of the range that the middle half of these ratios has. Since 1.1.
    """

    precision: str
    verdict: Verdict
    miou: float | None
    agreement: float | None
    latency_ms: float | None
    detail: str
    ratio: float | None = field(default=None, metadata=ADDED_LATER)
    spread: float | None = field(default=None, metadata=ADDED_LATER)


@dataclass(frozen=True)
class AlternativeProvenance:
    """How a further image engine was made.

    Attributes:
        precision: by which the manifest lists it.
        engine: how it was made.
        parity: its comparison with the reference, with the text engine of the bundle.
    """

    precision: str
    engine: EngineProvenance
    parity: ParitySummary


@dataclass(frozen=True)
class Candidate:
    """A precision that `--precision auto` had to choose from.

    Attributes:
        precision: "int8".
        verdict: of the comparison with the reference; None where there was nothing to compare.
        ratio, spread: see `PrecisionRow`; None where it was not timed.
        reason: why it could not be chosen; None where it could.
    """

    precision: str
    verdict: Verdict | None
    ratio: float | None
    spread: float | None
    reason: str | None


@dataclass(frozen=True)
class PrecisionChoice:
    """What `--precision auto` chose, and from what.

    Attributes:
        chosen: a precision.
        processor: that it was chosen for: instruction sets, or what `--for` said.
        timed: whether by speed; else by the rule of `docs/precision.md`.
        candidates: in the order of that rule.
    """

    chosen: str
    processor: str
    timed: bool
    candidates: tuple[Candidate, ...]

    @property
    def words(self) -> str:
        """ "bf16 0.41x, int8 0.37x, fp32 1x: int8 chosen"."""
        rows = (f"{row.precision} {self._said(row)}" for row in self.candidates)
        how = self._how
        return f"{', '.join(rows)}: {self.chosen} chosen, {how}"

    @property
    def _how(self) -> str:
        if not self.timed:
            return f"by the rule for {self.processor}, nothing timed"
        if self.chosen == "fp32" and any((row.ratio or 1.0) < 1.0 for row in self.candidates):
            return "for nothing that passes is faster beyond the spread"
        return "the fastest that passes"

    def _said(self, row: Candidate) -> str:
        if row.reason is not None:
            return f"not ({row.reason})"
        return str(row.verdict) if row.ratio is None else f"{row.ratio:.2f}x"


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """How a bundle came to be.

    Attributes:
        format: `FORMAT`.
        schema_version: of this file.
        created: date and time in UTC, ISO 8601; that of `SOURCE_DATE_EPOCH` where it is set.
        command: what was typed, or the function that was called.
        rebuild: the command that makes the same bundle.
        versions: of the tools that had a part in it; those that a runtime compares with its own are in the
            manifest.
        checkpoint: what was exported.
        passes: graph passes that were applied.
        engines: as the manifest lists them.
        parity: the comparison with the reference.
        precisions: side by side; empty for fp32 alone.
        alternatives: as the manifest lists them. Since 1.1.
        choice: of `--precision auto`; None where a precision was asked for. Since 1.1.
    """

    format: Literal["groupvit-provenance"] = FORMAT
    schema_version: SchemaVersion = SCHEMA_VERSION
    created: str
    command: str
    rebuild: str
    versions: dict[str, str]
    checkpoint: CheckpointInfo
    passes: tuple[str, ...]
    engines: tuple[EngineProvenance, ...]
    parity: ParitySummary
    precisions: tuple[PrecisionRow, ...] = ()
    alternatives: tuple[AlternativeProvenance, ...] = field(default=(), metadata=ADDED_LATER)
    choice: PrecisionChoice | None = field(default=None, metadata=ADDED_LATER)

    def with_image_engine(self, precision: str) -> Provenance:
        """What it would be of a bundle with this image engine only."""
        for other in self.alternatives:
            if other.precision == precision:
                return replace(self, engines=(other.engine, self.engine("text")), parity=other.parity)
        return self

    def engine(self, role: Role) -> EngineProvenance:
        """That of `role`, of which every bundle has one."""
        return next(engine for engine in self.engines if engine.role == role)
