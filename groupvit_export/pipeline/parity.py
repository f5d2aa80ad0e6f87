"""Engines of an export beside the reference, and beside float32."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from groupvit_export.build.clock import ProgressReport
from groupvit_export.build.engines import Engines
from groupvit_export.build.source import Source
from groupvit_export.data.images import bundled_images
from groupvit_export.errors import ParityError
from groupvit_export.metrics.judge import Judge
from groupvit_export.metrics.precisions import Side, precision_rows
from groupvit_export.provenance import ParitySummary, PrecisionRow
from groupvit_export.targets.words import substitute_words
from groupvit_export.verification.backends import Backend
from groupvit_export.verification.budgets import load_budgets
from groupvit_export.verification.checks.network import network_cells
from groupvit_export.verification.engines import load_backend
from groupvit_export.verification.examine import Candidate, Plan, examine, synthetic_plan
from groupvit_export.verification.inputs import bundled_scenes, class_words, images_for_windows
from groupvit_export.verification.int8_criteria import apply_int8_criteria, reference_precision
from groupvit_export.verification.reference import Reference
from groupvit_export.verification.report import Cell
from groupvit_export.verification.rows import RowKey
from groupvit_export.verification.specification import ClassPrompts, VerificationSpec
from groupvit_export.verification.words import parity_summary
from groupvit_runtime.engines import EngineOptions
from groupvit_runtime.manifest import ModelInfo


@dataclass(frozen=True, eq=False)
class Compared:
    """Engines that were held against the reference.

    Attributes:
        backend: what was run: the engines, or a stand-in.
        summary: what the provenance keeps.
    """

    backend: Backend
    summary: ParitySummary


@dataclass(frozen=True, eq=False)
class Comparison:
    """The comparison of `groupvit verify` on synthetic images; label maps where they decide.

    Attributes:
        source: what is exported.
        subject: the truth.
        reference: shared by all engines, for it is the slow part.
        tokenizer: tokenizer.json of the bundle.
        model: how long sentences are, and how they are filled up.
        scratch: a folder for what is cut out; it must outlive what is found.
        report: told how far it is.
    """

    source: Source
    subject: VerificationSpec
    reference: Reference
    tokenizer: Path
    model: ModelInfo
    scratch: Path
    report: ProgressReport

    @staticmethod
    def of(
        source: Source, tokenizer: Path, model: ModelInfo, scratch: Path, report: ProgressReport
    ) -> Comparison:
        """With a reference that knows no image yet."""
        return Comparison(
            source, VerificationSpec.of(source), Reference(source.model), tokenizer, model, scratch, report
        )

    def words(self, names: tuple[str, ...] | None = None) -> ClassPrompts:
        """These classes, or words that the tokenizer knows."""
        cleans = self.source.cleans_as_nvlabs
        return class_words(self.tokenizer, self.model, self.source.templates, names, nvlabs_cleaning=cleans)

    def judge(self) -> Judge:
        """Of label maps on the drawn scenes of the package, by the default decode."""
        scenes = bundled_images(with_truth=self.source.is_demo)
        return Judge(self.source.decoding, scenes, scenes.classes or self.words().names)

    def compare(
        self,
        engines: Engines,
        passes: tuple[str, ...] = (),
        label_cells: Mapping[RowKey, Cell] | None = None,
        quantized: int | None = None,
    ) -> Compared:
        """Hold engines against the reference, with the budgets of their precision.

        Args:
            engines: of one precision.
            passes: graph passes that have rows of their own.
            label_cells: of int8, the rows that its label maps decide.
            quantized: of int8, how many layers of the image engine are.

        Raises:
            GroupViTError: an engine cannot be loaded.
        """
        cut = self.scratch / f"cut-{engines.precision}"
        cut.mkdir()
        backend = load_backend(
            f"{engines.image.target} {engines.precision}",
            engines.both,
            engines.root,
            subject=self.subject,
            scratch=cut,
            options=EngineOptions(),
        )
        infos = {engine.role: engine for engine in engines.both}
        cells = network_cells(infos, engines.root, self.subject.stages, quantized)
        report = examine(
            self.subject,
            [Candidate(backend, cells, passes=passes)],
            self._plan(engines),
            precision=reference_precision(engines.precision),
            bundle=engines.root.name,
            checkpoint=self.source.checkpoint.source,
            reference=self.reference,
            report=self.report,
        ).report
        if label_cells is not None:
            report = apply_int8_criteria(report, {backend.column.name: label_cells})
        return Compared(backend, parity_summary(report, backend.column.name))

    def rows(
        self, judge: Judge, fp32: Compared, others: Mapping[str, Compared], *, timed: bool = True
    ) -> tuple[PrecisionRow, ...]:
        """float32 and other precisions side by side.

        Args:
            judge: on what, and by which decode.
            fp32: the engines in float32.
            others: by precision.
            timed: whether latencies are worth measuring.
        """
        start = time.perf_counter()
        return precision_rows(
            judge,
            self._side("fp32", fp32, timed),
            [self._side(precision, compared, timed) for precision, compared in others.items()],
            lambda what, share: self.report(what, share, time.perf_counter() - start),
        )

    def _side(self, precision: str, compared: Compared, timed: bool) -> Side:
        backend = compared.backend
        return Side(
            precision,
            compared.summary.verdict,
            backend.image,
            lambda names: self.words(names).of(backend),
            timed=timed and backend.column.substitution is None,
            notes=()
            if backend.column.substitution is None
            else (f"{precision}: {substitute_words(backend.column.substitution)}", "not timed"),
        )

    def _plan(self, engines: Engines) -> Plan:
        plan = synthetic_plan(self.subject, engines.image.max_batch)
        if load_budgets(reference_precision(engines.precision)).labels is None:
            return plan
        paper = self.source.decode.default == "paper"
        shapes = images_for_windows(self.subject.image_size[0]) if paper else {}
        return replace(plan, images=bundled_scenes(), shapes=shapes, words=self.words())


def parity_error(parity: ParitySummary) -> ParityError:
    """What an export says that failed the comparison."""
    return ParityError(
        "the engine does not equal the reference; no bundle was written",
        got=parity.first,
        expected="every output within its budget and no token in another group beyond its margin",
        fix="install the versions of constraints.txt; to look into it, export with --allow-failed-parity "
        "and run groupvit verify BUNDLE --bisect",
    )
