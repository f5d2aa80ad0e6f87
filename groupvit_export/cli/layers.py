"""The layers that int8 was tried on, as a table."""

from __future__ import annotations

from groupvit_export.cli.tables import Block, separated, table
from groupvit_export.provenance import Calibration, Provenance, QuantizationRecord, QuantizedLayer
from groupvit_runtime.manifest import EngineInfo, Manifest, QuantizationInfo


def layer_table(manifest: Manifest, provenance: Provenance) -> list[Block]:
    """By engine: how int8 was made, and every layer with its sensitivity; empty where nothing is in int8."""
    infos = (*(manifest.engine(engine.role) for engine in provenance.engines), *manifest.alternatives)
    made = (*provenance.engines, *(other.engine for other in provenance.alternatives))
    return separated(
        _engine(info, engine.quantization)
        for info, engine in zip(infos, made, strict=True)
        if engine.quantization is not None
    )


def _engine(engine: EngineInfo, record: QuantizationRecord) -> list[Block]:
    info = engine.quantization or QuantizationInfo()
    head = f"{engine.role} engine: {record.quantized} of {len(record.layers)} layers in int8"
    layers = table(["layer", "", "sensitivity"], [_row(layer) for layer in record.layers])
    sums = "exact on every processor" if info.never_saturates else "may saturate on x86 without VNNI"
    judged = f"judged on {info.instruction_set or 'an unknown instruction set'}; sums of products {sums}"
    return [f"{head}\n{record.method}\n{_calibration(record.calibration)}\n{judged}", layers]


def _calibration(record: Calibration) -> str:
    source = "drawn scenes of the package" if record.folder is None else record.folder
    against = "masks" if record.has_masks else "the label maps of fp32"
    return (
        f"{source}: ranges from {record.images} images, sensitivity on {record.ranked} of them, "
        f"budget judged on {record.held_out} others, mIoU against {against}"
    )


def _row(layer: QuantizedLayer) -> list[str]:
    sensitivity = "not measured" if layer.sensitivity is None else f"{layer.sensitivity:.3f} % of pixels"
    return [layer.name, "int8" if layer.quantized else "given back", sensitivity]
