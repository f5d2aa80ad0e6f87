"""What a user ought to know of an engine that is slower than float32 on the processor at hand."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from groupvit_runtime.engines import ENGINES
from groupvit_runtime.instruction_sets import BF16_FLAGS, byte_products
from groupvit_runtime.manifest import EngineInfo, Manifest

_ON_CPU: Final = ("onnx", "openvino")


def precision_caution(
    manifest: Manifest, engine: EngineInfo, device: str | None, flags: Collection[str]
) -> str | None:
    """What to say of int8 without VNNI, and of bf16 that is emulated, once.

    Args:
        manifest: of the bundle.
        engine: the image engine that is loaded.
        device: that was asked for; None for the target's usual one.
        flags: of the processor, as Linux spells them; empty where they are not known.

    Returns:
        A sentence or two; None where there is nothing to say.
    """
    target = engine.target
    if target not in _ON_CPU or (device or ENGINES[target].devices[0]) != "cpu":
        return None
    found = _int8(engine, flags) if engine.precision == "int8" else _bf16(engine, flags)
    if found is None:
        return None
    if any(other.precision == "fp32" for other in manifest.image_engines):
        fix = "It is in this bundle, too: leave the precision away, or ask for fp32"
    else:
        fix = f"Try a bundle in float32: groupvit export --target {target}"
    return f"bundle {manifest.name!r} is {engine.precision}, {found}. {fix}"


def _int8(engine: EngineInfo, flags: Collection[str]) -> str | None:
    found = byte_products(flags)
    if found is None or found.exact:
        return None
    quantization = engine.quantization
    judged = None if quantization is None else quantization.instruction_set
    if quantization is not None and quantization.never_saturates:
        meaning = "its label maps are what was judged"
    else:
        meaning = "sums of its products may saturate here, and its label maps be others than those judged"
    # Measured; OpenVINO's AVX-512 without VNNI keeps most of what int8 gains.
    slow = engine.target == "openvino" and not found.flag.startswith("avx512")
    return (
        f"judged on {judged or 'an instruction set that it does not name'}, and this processor has "
        f"{found.title}: {meaning}, and float32 {'is faster' if slow else 'may be as fast'} here"
    )


def _bf16(engine: EngineInfo, flags: Collection[str]) -> str | None:
    # OpenVINO refuses what it cannot emulate; ONNX Runtime computes no bf16 on a processor.
    known = byte_products(flags) is not None and not any(flag in flags for flag in BF16_FLAGS)
    if engine.precision != "bf16" or engine.target != "openvino" or not known:
        return None
    return "and this processor has neither AMX nor AVX-512 BF16: it is emulated, and float32 is faster here"
