"""Engines beside each other: those of a bundle, and those that are built from its checkpoint on the spot."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from groupvit_export.build.api import build_engines
from groupvit_export.build.clock import Clock, ProgressReport
from groupvit_export.build.command import build_command
from groupvit_export.build.int8 import read_calibration
from groupvit_export.build.options import BuildOptions, check_build_options
from groupvit_export.build.source import load_source
from groupvit_export.checkpoint.load import Checkpoint
from groupvit_export.data.bundled import DEMO_SOURCE
from groupvit_export.errors import UsageError
from groupvit_export.metrics.budget import LabelBudget
from groupvit_export.provenance import Provenance
from groupvit_export.quantization.options import QuantizationOptions
from groupvit_export.targets.registry import TARGETS
from groupvit_runtime.manifest import EngineInfo, Role
from groupvit_runtime.open_bundle import OpenBundle


@dataclass(frozen=True, eq=False)
class CandidateEngines:
    """Engines that are held against the reference.

    Attributes:
        name: "openvino fp32".
        engines: one a role.
        root: the folder that they lie in.
        passes: that their graphs were made with.
        quantized: layers of the image engine in int8; None where the precision is another.
    """

    name: str
    engines: tuple[EngineInfo, ...]
    root: Path
    passes: tuple[str, ...]
    quantized: int | None

    @staticmethod
    def of(bundle: OpenBundle, provenance: Provenance) -> CandidateEngines:
        """The engines of a bundle."""
        engine = bundle.manifest.engine("image")
        name = f"{engine.target} {engine.precision}"
        record = provenance.engine("image").quantization
        quantized = None if record is None else record.quantized
        return CandidateEngines(name, bundle.manifest.engines, bundle.root, provenance.passes, quantized)

    def engine(self, role: Role) -> EngineInfo:
        """The engine of this role."""
        return next(engine for engine in self.engines if engine.role == role)


def build_candidate(
    bundle: OpenBundle,
    provenance: Provenance,
    checkpoint: Checkpoint,
    target: str,
    calibration: Path | None,
    folder: Path,
    report: ProgressReport,
) -> CandidateEngines:
    """Build what a bundle holds, for another target; nothing is judged.

    Args:
        bundle: what is built again.
        provenance: of the bundle, which says how it was made.
        checkpoint: loaded, that it is built from.
        target: that it is built for.
        calibration: of int8, see `calibration_folder`.
        folder: where the files are written; it is made, and must outlive what is built.
        report: told how far a step is.

    Raises:
        GroupViTError: a step failed.
    """
    manifest = bundle.manifest
    precision, made = manifest.engine("image").precision, provenance.engine("image").quantization
    quantization = QuantizationOptions(calibration)
    if made is not None:
        taken = made.calibration.images + made.calibration.held_out
        info = manifest.engine("image")
        safe = info.quantization is None or info.quantization.never_saturates
        quantization = QuantizationOptions(
            calibration,
            LabelBudget.recorded(made.budget),
            taken,
            # TensorRT has no need to be safe, which says nothing of another target.
            saturation_safe=safe or TARGETS[info.target].weight_bits == 8,
        )
    options = BuildOptions(
        target=target,
        precision=precision,
        checkpoint=None if checkpoint.source == DEMO_SOURCE else checkpoint.source,
        image_size=manifest.model.image_size,
        templates=manifest.prompts,
        decode=manifest.decode.default,
        tokenizer=None if manifest.tokenizer is None else manifest.tokenizer.verify(bundle.root),
        passes=provenance.passes,
        quantization=quantization,
    )
    check_build_options(options)
    scratch = folder / "scratch"
    scratch.mkdir(parents=True)
    built = build_engines(
        load_source(options, checkpoint),
        options,
        folder,
        scratch,
        images=read_calibration(options.quantization),
        rebuild=build_command(options),
        clock=Clock(lambda line: None, report),
        report=report,
    )
    return CandidateEngines(
        f"{target} {precision}, built here",
        built.engines.both,
        folder,
        provenance.passes,
        None if built.quantization is None else built.quantization.image.record.quantized,
    )


def calibration_folder(provenance: Provenance, given: Path | None) -> Path | None:
    """The images that the int8 of a bundle was made with; None for the package's own, or another precision.

    Args:
        provenance: of the bundle.
        given: where they lie now; None for where the provenance says.

    Raises:
        UsageError: they are not there.
    """
    record = provenance.engine("image").quantization
    named = None if record is None else record.calibration.folder
    folder = given or (None if named is None else Path(named))
    if folder is not None and not folder.is_dir():
        raise UsageError(
            "the images that int8 was calibrated on are not there, and another target needs the same ones",
            got=str(folder),
            expected="the folder that the export was given",
            fix="--calibration DIR with where it lies now, or leave --targets away",
        )
    return folder
